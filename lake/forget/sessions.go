package forget

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// sessionSearches is how often silver is read again because files go that other erasures or maintenance replaced.
const sessionSearches = 5

// FindSessions remembers the sessions that any version of silver knows of the user, and who else was named in them.
func FindSessions(ctx context.Context, l *lake.Lake, erasure string,
	parsing telemetry.Options) (sessions int64, err error) {
	who, _, err := readSubject(ctx, l, erasure)
	if err != nil {
		return 0, err
	}
	parser, err := forgotten.ParserFor(parsing)
	if err != nil {
		return 0, err
	}
	facts, err := namings(ctx, l, who, parser)
	for tries := 1; objects.IsMissing(err) && tries < sessionSearches; tries++ {
		facts, err = namings(ctx, l, who, parser)
	}
	if err != nil {
		return 0, fmt.Errorf("find the sessions of erasure %s: %w", erasure, err)
	}
	// Once more: another run of the erasure may have found them before, and taken them out of silver.
	if who, _, err = readSubject(ctx, l, erasure); err != nil {
		return 0, err
	}
	for _, f := range facts {
		if f.Side == forgotten.SideSubject {
			who.Sessions = append(who.Sessions, f.Session)
		}
	}
	slices.Sort(who.Sessions)
	who.Sessions = slices.Compact(who.Sessions)
	// First who is looked for, then that they are known: once silver is written anew it knows them no longer.
	if err := l.Objects.WriteJSON(forgotten.ForgetFolder(l, erasure)+"/"+subjectName, who); err != nil {
		return 0, err
	}
	return int64(len(who.Sessions)), forgotten.RememberSessions(ctx, l, erasure, facts, false)
}

// namings reads what the user's sessions say about whose they are, in any version of silver. Sessions that only a
// run which never ended knew are found in what it left.
func namings(ctx context.Context, l *lake.Lake, who subject,
	parser *telemetry.Parser) (facts []forgotten.Named, err error) {
	n := &namingSearch{user: who.User, sessions: map[string]bool{}}
	for _, session := range who.Sessions {
		n.sessions[session] = true
	}
	committed, loose, err := filesEver(ctx, l, lake.SilverBindings)
	if err != nil {
		return nil, err
	}
	for _, file := range committed {
		if err := eachRowOf(ctx, l, file, n.noteOwn); err != nil {
			return nil, err
		}
	}
	for _, file := range loose {
		if err := eachRowOf(ctx, l, file, n.noteOwn); objects.IgnoreMissing(err) != nil {
			return nil, err
		}
	}
	// A run may have died before it came to silver.
	_, looseLines, err := filesEver(ctx, l, lake.BronzeEvents)
	if err != nil {
		return nil, err
	}
	lines := &forgotten.LineFacts{Parser: parser}
	for _, file := range looseLines {
		if err := eachRowOf(ctx, l, file, func(row *lake.EventRow) {
			f := lines.Of(row)
			n.note(f.Session, f.Time, f.User)
		}); objects.IgnoreMissing(err) != nil {
			return nil, err
		}
	}
	for _, file := range committed {
		n.ours = lake.BindingRow{}
		if err := eachRowOf(ctx, l, file, n.noteOthers); err != nil {
			return nil, err
		}
	}
	return n.facts, nil
}

// namingSearch gathers what sessions of a user say about whose they are.
type namingSearch struct {
	user     string
	sessions map[string]bool // the user's, as far as they are known
	facts    []forgotten.Named
	// ours is the last line of a file that names the user. An ending by that line is the user's, too.
	ours lake.BindingRow
}

// note takes a fact in if it names the user.
func (n *namingSearch) note(session string, at int64, user string) {
	if user == n.user && session != "" {
		session = strings.Clone(session)
		n.sessions[session] = true
		n.facts = append(n.facts, forgotten.Named{Session: session, At: at, Side: forgotten.SideSubject})
	}
}

func (n *namingSearch) noteOwn(row *lake.BindingRow) {
	if row.Kind == lake.BindingUser {
		n.note(row.SessionID, row.Time, row.Value)
	}
}

// noteOthers takes in who else is named in the sessions, and where they end.
func (n *namingSearch) noteOthers(row *lake.BindingRow) {
	switch {
	case row.Kind != lake.BindingUser || !n.sessions[row.SessionID]:
	case row.Value == n.user:
		n.ours = lake.BindingRow{FileName: strings.Clone(row.FileName), LineNumber: row.LineNumber}
	case row.Value != "":
		n.facts = append(n.facts, forgotten.Named{Session: strings.Clone(row.SessionID), At: row.Time})
	case row.LineNumber != n.ours.LineNumber || row.FileName != n.ours.FileName:
		n.facts = append(n.facts, forgotten.Named{Session: strings.Clone(row.SessionID), At: row.Time,
			Side: forgotten.SideNobody})
	}
}

// filesEver are the data files of a table that any snapshot has, and those in its folder that none has.
func filesEver(ctx context.Context, l *lake.Lake,
	definition lake.TableDefinition) (committed, loose []iceberg.DataFile, err error) {
	// Listed before the table is loaded: what is committed meanwhile is in the table.
	there := map[string]LooseFile{}
	if err := l.Objects.Walk(ctx, l.TableFolder(definition)+"/data", func(object string, size int64) error {
		if strings.HasSuffix(object, ".parquet") {
			there[object] = LooseFile{Path: object, Size: size}
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return nil, nil, err
	}
	if loaded.CurrentSnapshot() != nil {
		history, err := ReadHistory(ctx, l, loaded)
		if err != nil {
			return nil, nil, err
		}
		for path, file := range history.Live {
			committed = append(committed, file)
			delete(there, path)
		}
	}
	for _, file := range there {
		loose = append(loose, file)
	}
	return committed, loose, nil
}

func eachRowOf[T any](ctx context.Context, l *lake.Lake, file iceberg.DataFile, each func(*T)) error {
	return lake.ScanRows(ctx, l, file, func(rows []T) error {
		for i := range rows {
			each(&rows[i])
		}
		return nil
	})
}

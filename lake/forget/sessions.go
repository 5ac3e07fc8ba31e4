package forget

import (
	"context"
	"errors"
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
	parties, err := readSubjects(ctx, l, erasure)
	if err != nil {
		return 0, err
	}
	parser, err := forgotten.ParserFor(parsing)
	if err != nil {
		return 0, err
	}
	facts, err := namings(ctx, l, parties, parser)
	for tries := 1; objects.IsMissing(err) && tries < sessionSearches; tries++ {
		facts, err = namings(ctx, l, parties, parser)
	}
	if err != nil {
		return 0, fmt.Errorf("find the sessions of erasure %s: %w", erasure, err)
	}
	found := map[string]bool{}
	for i, party := range parties {
		own, err := rememberFound(ctx, l, party.erasure, facts[i])
		if errors.Is(err, lake.ErrNotForgetting) && len(parties) > 1 {
			continue // another run ended it meanwhile
		}
		if err != nil {
			return 0, err
		}
		for _, session := range own {
			found[session] = true
		}
	}
	return int64(len(found)), nil
}

// rememberFound notes what was found of an erasure's sessions, and returns all that it knows.
func rememberFound(ctx context.Context, l *lake.Lake, erasure string, facts []forgotten.Named) ([]string, error) {
	// Once more: another run of the erasure may have found them before, and taken them out of silver.
	who, _, err := readSubject(ctx, l, erasure)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	return who.Sessions, forgotten.RememberSessions(ctx, l, erasure, facts, false)
}

// namings reads what the sessions of users say about whose they are, in any version of silver, of each user by itself.
// Sessions that only a run which never ended knew are found in what it left.
func namings(ctx context.Context, l *lake.Lake, parties []party,
	parser *telemetry.Parser) (facts [][]forgotten.Named, err error) {
	n := &namingSearch{users: map[string][]*namingsOf{}, sessions: map[string][]*namingsOf{}}
	for _, party := range parties {
		of := &namingsOf{user: party.who.User}
		n.all = append(n.all, of)
		n.users[of.user] = append(n.users[of.user], of)
		for _, session := range party.who.Sessions {
			n.hasSession(of, session)
		}
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
		for _, of := range n.all {
			of.ours = lake.BindingRow{}
		}
		if err := eachRowOf(ctx, l, file, n.noteOthers); err != nil {
			return nil, err
		}
	}
	for _, of := range n.all {
		facts = append(facts, of.facts)
	}
	return facts, nil
}

// namingSearch gathers what sessions of users say about whose they are.
type namingSearch struct {
	all      []*namingsOf
	users    map[string][]*namingsOf
	sessions map[string][]*namingsOf // those whose they are, as far as they are known
}

func (n *namingSearch) hasSession(of *namingsOf, session string) {
	if !slices.Contains(n.sessions[session], of) {
		n.sessions[session] = append(n.sessions[session], of)
	}
}

// namingsOf is what was found of one user.
type namingsOf struct {
	user  string
	facts []forgotten.Named
	// ours is the last line of a file that names the user. An ending by that line is the user's, too.
	ours lake.BindingRow
}

// note takes a fact in if it names a user.
func (n *namingSearch) note(session string, at int64, user string) {
	if session == "" {
		return
	}
	for _, of := range n.users[user] {
		session = strings.Clone(session)
		n.hasSession(of, session)
		of.facts = append(of.facts, forgotten.Named{Session: session, At: at, Side: forgotten.SideSubject})
	}
}

func (n *namingSearch) noteOwn(row *lake.BindingRow) {
	if row.Kind == lake.BindingUser {
		n.note(row.SessionID, row.Time, row.Value)
	}
}

// noteOthers takes in who else is named in the sessions, and where they end.
func (n *namingSearch) noteOthers(row *lake.BindingRow) {
	if row.Kind != lake.BindingUser {
		return
	}
	for _, of := range n.sessions[row.SessionID] {
		of.noteOther(row)
	}
}

func (n *namingsOf) noteOther(row *lake.BindingRow) {
	switch {
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

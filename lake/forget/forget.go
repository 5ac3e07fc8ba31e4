package forget

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// What an erasure's folder has of its subject: who was to be forgotten, each time that it was asked for; sessions
// that were found; and sessions that hours brought.
const (
	askedPrefix = "asked-"
	subjectName = "subject.json"
)

// subject is who is being forgotten, as it lies in the erasure's folder.
type subject struct {
	User     string   `json:"user"` // as telemetry names the user
	Sessions []string `json:"sessions"`
}

// NamedAs is what telemetry calls a user of gold: history.UserID the other way round.
func NamedAs(user string) (string, error) {
	rest, prefixed := strings.CutPrefix(user, "user:")
	switch {
	case user == "" || strings.HasPrefix(user, "session:"):
		return "", fmt.Errorf("%w: %q names no user: an anonymous session is forgotten with its user",
			objects.ErrConfig, user)
	case prefixed && (strings.HasPrefix(rest, "session:") || strings.HasPrefix(rest, "user:")):
		return rest, nil
	}
	return user, nil
}

// BeginForget remembers a user, by gold's user_id, as forgotten: from now on nothing of the user comes into the lake.
func BeginForget(ctx context.Context, l *lake.Lake, user string) (erasure string, err error) {
	name, err := NamedAs(user)
	if err != nil {
		return "", err
	}
	key, err := forgotten.ErasureKey(ctx, l, true)
	if err != nil {
		return "", err
	}
	id := forgotten.HashID(hmac.New(sha256.New, key), forgotten.ForgottenUser, name)
	// In this order, and under a name of its own: an erasure of the same user that ends just now removes what it
	// has seen, and notes that it is done before.
	if err := forgotten.RememberUser(ctx, l, id, len(name)); err != nil {
		return "", fmt.Errorf("remember who is forgotten: %w", err)
	}
	ref := fmt.Sprintf("%s/%s%d.json", forgotten.ForgetFolder(l, id.String()), askedPrefix, time.Now().UnixNano())
	return id.String(), l.Objects.WriteJSON(ref, subject{User: name})
}

// readSubject reads who is being forgotten, with the sessions that came since, and where that lies.
func readSubject(ctx context.Context, l *lake.Lake, erasure string) (who subject, documents []string, err error) {
	if err := l.Objects.Walk(ctx, forgotten.ForgetFolder(l, erasure), func(object string, _ int64) error {
		if name := object[strings.LastIndexByte(object, '/')+1:]; name == subjectName ||
			strings.HasPrefix(name, askedPrefix) || strings.HasPrefix(name, forgotten.LatePrefix) {
			documents = append(documents, object)
		}
		return nil
	}); err != nil {
		return who, nil, err
	}
	for _, document := range documents {
		var part subject
		if err := l.Objects.ReadJSON(document, &part); objects.IsMissing(err) {
			continue // another run of the erasure ended
		} else if err != nil {
			return who, nil, err
		}
		if part.User != "" {
			who.User = part.User
		}
		who.Sessions = append(who.Sessions, part.Sessions...)
	}
	if who.User == "" {
		return who, nil, fmt.Errorf("%w: %s", lake.ErrNotForgetting, erasure)
	}
	slices.Sort(who.Sessions)
	who.Sessions = slices.Compact(who.Sessions)
	return who, documents, nil
}

// sessionSearches is how often silver is read again because files go that other erasures or maintenance replaced.
const sessionSearches = 5

// FindSessions remembers the sessions that any version of silver knows of the user, and who else was named in them.
func FindSessions(ctx context.Context, l *lake.Lake, erasure string,
	parsing telemetry.Options) (sessions int64, err error) {
	who, _, err := readSubject(ctx, l, erasure)
	if err != nil {
		return 0, err
	}
	parser, err := lake.ParserFor(parsing)
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
	sessions := map[string]bool{}
	for _, session := range who.Sessions {
		sessions[session] = true
	}
	committed, loose, err := filesEver(ctx, l, lake.SilverBindings)
	if err != nil {
		return nil, err
	}
	note := func(session string, at int64, user string) {
		if user == who.User && session != "" {
			sessions[strings.Clone(session)] = true
			facts = append(facts, forgotten.Named{Session: strings.Clone(session), At: at, Side: forgotten.SideSubject})
		}
	}
	noteBinding := func(row *lake.BindingRow) {
		if row.Kind == lake.BindingUser {
			note(row.SessionID, row.Time, row.Value)
		}
	}
	for _, file := range committed {
		if err := EachRowOf(ctx, l, file, noteBinding); err != nil {
			return nil, err
		}
	}
	for _, file := range loose {
		if err := EachRowOf(ctx, l, file, noteBinding); objects.IgnoreMissing(err) != nil {
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
		if err := EachRowOf(ctx, l, file, func(row *lake.EventRow) {
			f := lines.Of(row)
			note(f.Session, f.Time, f.User)
		}); objects.IgnoreMissing(err) != nil {
			return nil, err
		}
	}
	for _, file := range committed {
		var ours lake.BindingRow // of a line that names the user, the ending is the user's, too
		if err := EachRowOf(ctx, l, file, func(row *lake.BindingRow) {
			switch {
			case row.Kind != lake.BindingUser || !sessions[row.SessionID]:
			case row.Value == who.User:
				ours = lake.BindingRow{FileName: strings.Clone(row.FileName), LineNumber: row.LineNumber}
			case row.Value != "":
				facts = append(facts, forgotten.Named{Session: strings.Clone(row.SessionID), At: row.Time})
			case row.LineNumber != ours.LineNumber || row.FileName != ours.FileName:
				facts = append(facts, forgotten.Named{Session: strings.Clone(row.SessionID), At: row.Time,
					Side: forgotten.SideNobody})
			}
		}); err != nil {
			return nil, err
		}
	}
	return facts, nil
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

func EachRowOf[T any](ctx context.Context, l *lake.Lake, file iceberg.DataFile, each func(*T)) error {
	return lake.ScanRows(ctx, l, file, func(rows []T) error {
		for i := range rows {
			each(&rows[i])
		}
		return nil
	})
}

// touched is what has to follow once rows of a table are gone: the counts of hours, and of dates.
type touched struct {
	Hours []telemetry.Hour `json:"hours"`
	Dates []int32          `json:"dates"` // in days since 1970
}

func touchedRef(l *lake.Lake, erasure, table string) string {
	return forgotten.ForgetFolder(l, erasure) + "/touched-" + table + ".json"
}

// noteTouched keeps what a table's rewriting touches, before it does.
func noteTouched(l *lake.Lake, erasure, table string, hours map[telemetry.Hour]bool, dates map[int32]bool) error {
	var before touched
	if err := l.Objects.ReadJSON(touchedRef(l, erasure, table), &before); err != nil && !objects.IsMissing(err) {
		return err
	}
	for _, hour := range before.Hours {
		hours[hour] = true
	}
	for _, date := range before.Dates {
		dates[date] = true
	}
	return l.Objects.WriteJSON(touchedRef(l, erasure, table),
		touched{slices.Sorted(maps.Keys(hours)), slices.Sorted(maps.Keys(dates))})
}

// findTouched is what all tables noted.
func findTouched(l *lake.Lake, erasure string) (hours map[telemetry.Hour]bool, dates map[int32]bool, err error) {
	hours, dates = map[telemetry.Hour]bool{}, map[int32]bool{}
	for _, definition := range lake.UserTables {
		var each touched
		if err := l.Objects.ReadJSON(touchedRef(l, erasure, definition.Name), &each); err != nil &&
			!objects.IsMissing(err) {
			return nil, nil, err
		}
		for _, hour := range each.Hours {
			hours[hour] = true
		}
		for _, date := range each.Dates {
			dates[date] = true
		}
	}
	return hours, dates, nil
}

// SweepForgotten removes what runs of hours and rounds of gold staged before the erasure: they find it gone, and
// begin anew.
func SweepForgotten(ctx context.Context, l *lake.Lake, erasure string) (folders int64, err error) {
	current, err := forgotten.ErasuresAt(ctx, l)
	if err != nil {
		return 0, err
	}
	root := l.StagingFolder() + "/"
	staged := map[string]bool{}
	if err := l.Objects.Walk(ctx, l.StagingFolder(), func(object string, _ int64) error {
		parts := strings.SplitN(strings.TrimPrefix(object, root), "/", 3)
		if !strings.HasPrefix(parts[0], "forget-") {
			staged[strings.Join(parts[:min(2, len(parts))], "/")] = true
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, folder := range slices.Sorted(maps.Keys(staged)) {
		if strings.HasPrefix(folder, "hour-") {
			var plan hours.StagedPlan
			err := l.Objects.ReadJSON(root+folder+"/plan.json", &plan)
			if err == nil && plan.Erasures == current {
				continue
			}
			if err != nil && !objects.IsMissing(err) {
				return folders, err
			}
		}
		if err := l.Objects.RemoveAll(ctx, root+folder); err != nil {
			return folders, err
		}
		folders++
	}
	return folders, nil
}

// FinishForget notes that the proof held, and drops who was meant. It returns the erasure. ErrStale: hours brought
// new sessions of the user, which are not gone yet.
func FinishForget(ctx context.Context, l *lake.Lake, erasureName string, tables []ErasedTable,
	proof Proof) (forgotten.Erasure, error) {
	if len(proof.Remains) > 0 {
		return forgotten.Erasure{}, errors.New("the user is still there")
	}
	who, documents, err := readSubject(ctx, l, erasureName)
	if errors.Is(err, lake.ErrNotForgetting) {
		// Done before: by an attempt whose answer was lost, or by another run of the erasure.
		return EndedErasure(ctx, l, erasureName)
	}
	if err != nil {
		return forgotten.Erasure{}, err
	}
	var looked subject
	if err := l.Objects.ReadJSON(forgotten.ForgetFolder(l, erasureName)+"/"+subjectName,
		&looked); objects.IsMissing(err) {
		return forgotten.Erasure{}, fmt.Errorf("%w: another run of the erasure ended, and it was asked for once more",
			lake.ErrStale)
	} else if err != nil {
		return forgotten.Erasure{}, err
	}
	if !slices.Equal(looked.Sessions, who.Sessions) {
		return forgotten.Erasure{}, fmt.Errorf("%w: and hours brought new sessions", lake.ErrStale)
	}
	if err := forgotten.ChangeErasure(ctx, l, erasureName, func(rows []lake.ErasureRow) ([]lake.ErasureRow, error) {
		for i := range rows {
			row := &rows[i]
			if row.Kind != forgotten.ForgottenUser || row.State == forgotten.ErasureDone {
				continue
			}
			now := time.Now().UnixMicro()
			row.State, row.FinishedAt, row.Objects, row.Bytes = forgotten.ErasureDone, &now, proof.Objects, proof.Bytes
			for _, each := range tables {
				row.Rows, row.Files = row.Rows+each.Rows, row.Files+each.Files
			}
		}
		return rows, nil
	}); err != nil {
		return forgotten.Erasure{}, err
	}
	// Only what was looked at: an hour may bring a session just now.
	if err := l.Objects.Remove(ctx, append(documents, touchedRefs(l, erasureName)...)); err != nil {
		return forgotten.Erasure{}, err
	}
	if err := l.Objects.RemoveAll(ctx, forgetVersions(l, erasureName)); err != nil {
		return forgotten.Erasure{}, err
	}
	return erasure(ctx, l, erasureName)
}

// EndedErasure reads an erasure that is not under way any more, and removes what a run that came too late noted.
func EndedErasure(ctx context.Context, l *lake.Lake, id string) (forgotten.Erasure, error) {
	erasure, err := erasure(ctx, l, id)
	if err != nil {
		return erasure, err
	}
	if erasure.State != forgotten.ErasureDone {
		return erasure, fmt.Errorf("%w: %s", lake.ErrNotForgetting, id)
	}
	return erasure, l.Objects.Remove(ctx, touchedRefs(l, id))
}

func touchedRefs(l *lake.Lake, erasure string) (refs []string) {
	for _, definition := range append([]lake.TableDefinition{lake.GoldVersions}, lake.UserTables...) {
		refs = append(refs, touchedRef(l, erasure, definition.Name))
	}
	return refs
}

// erasure reads one erasure.
func erasure(ctx context.Context, l *lake.Lake, id string) (forgotten.Erasure, error) {
	all, err := forgotten.Erasures(ctx, l)
	if err != nil {
		return forgotten.Erasure{}, err
	}
	at := slices.IndexFunc(all, func(e forgotten.Erasure) bool { return e.ID == id })
	if at < 0 {
		return forgotten.Erasure{}, fmt.Errorf("%w: %s", lake.ErrNotForgetting, id)
	}
	return all[at], nil
}

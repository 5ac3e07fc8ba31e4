package lake

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

	"github.com/versionlake/versionlake/telemetry"
)

// Forgetting a user takes steps, each of which may be done again (docs/ARCHITECTURE.md, Erasure): BeginForget, FindSessions,
// EraseTable for each of ErasableTables, RecountErased, SweepForgotten, ProveForgotten, FinishForget. Only the erasure's name
// travels between them, which is a keyed hash; who is meant lies in the warehouse until the end.

// What an erasure's folder has of its subject: who was to be forgotten, each time that it was asked for; sessions that were
// found; and sessions that hours brought.
const (
	askedPrefix = "asked-"
	subjectName = "subject.json"
	latePrefix  = "late-"
)

// subject is who is being forgotten, as it lies in the erasure's folder.
type subject struct {
	User     string   `json:"user"` // as telemetry names the user
	Sessions []string `json:"sessions"`
}

func (l *Lake) forgetFolder(erasure string) string {
	return l.objects.root + "/_staging/" + ForgetName(erasure)
}

// ForgetName names an erasure's work: its folder, and its workflow.
func ForgetName(erasure string) string { return "forget-" + erasure }

// namedAs is what telemetry calls a user of gold: history.UserID the other way round.
func namedAs(user string) (string, error) {
	rest, prefixed := strings.CutPrefix(user, "user:")
	switch {
	case user == "" || strings.HasPrefix(user, "session:"):
		return "", fmt.Errorf("%w: %q names no user: an anonymous session is forgotten with its user", ErrConfig, user)
	case prefixed && (strings.HasPrefix(rest, "session:") || strings.HasPrefix(rest, "user:")):
		return rest, nil
	}
	return user, nil
}

// BeginForget remembers a user, by gold's user_id, as forgotten: from now on nothing of the user comes into the lake.
func (l *Lake) BeginForget(ctx context.Context, user string) (erasure string, err error) {
	name, err := namedAs(user)
	if err != nil {
		return "", err
	}
	key, err := l.erasureKey(ctx, true)
	if err != nil {
		return "", err
	}
	id := hashID(hmac.New(sha256.New, key), forgottenUser, name)
	// In this order, and under a name of its own: an erasure of the same user that ends just now removes what it has seen, and
	// notes that it is done before.
	if err := l.rememberUser(ctx, id, len(name)); err != nil {
		return "", fmt.Errorf("remember who is forgotten: %w", err)
	}
	ref := fmt.Sprintf("%s/%s%d.json", l.forgetFolder(id.String()), askedPrefix, time.Now().UnixNano())
	return id.String(), l.objects.writeJSON(ref, subject{User: name})
}

// subject reads who is being forgotten, with the sessions that came since, and where that lies.
func (l *Lake) subject(ctx context.Context, erasure string) (who subject, documents []string, err error) {
	if err := l.objects.walk(ctx, l.forgetFolder(erasure), func(object string, _ int64) error {
		if name := object[strings.LastIndexByte(object, '/')+1:]; name == subjectName || strings.HasPrefix(name, askedPrefix) || strings.HasPrefix(name, latePrefix) {
			documents = append(documents, object)
		}
		return nil
	}); err != nil {
		return who, nil, err
	}
	for _, document := range documents {
		var part subject
		if err := l.objects.readJSON(document, &part); isMissing(err) {
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
		return who, nil, fmt.Errorf("%w: %s", ErrNotForgetting, erasure)
	}
	slices.Sort(who.Sessions)
	who.Sessions = slices.Compact(who.Sessions)
	return who, documents, nil
}

// sessionSearches is how often silver is read again because files go that other erasures or maintenance replaced.
const sessionSearches = 5

// FindSessions remembers the sessions that any version of silver knows of the user, and who else was named in them.
func (l *Lake) FindSessions(ctx context.Context, erasure string, parsing telemetry.Options) (sessions int64, err error) {
	who, _, err := l.subject(ctx, erasure)
	if err != nil {
		return 0, err
	}
	parser, err := parserFor(parsing)
	if err != nil {
		return 0, err
	}
	facts, err := l.namings(ctx, who, parser)
	for tries := 1; isMissing(err) && tries < sessionSearches; tries++ {
		facts, err = l.namings(ctx, who, parser)
	}
	if err != nil {
		return 0, fmt.Errorf("find the sessions of erasure %s: %w", erasure, err)
	}
	// Once more: another run of the erasure may have found them before, and taken them out of silver.
	if who, _, err = l.subject(ctx, erasure); err != nil {
		return 0, err
	}
	for _, f := range facts {
		if f.side == sideSubject {
			who.Sessions = append(who.Sessions, f.session)
		}
	}
	slices.Sort(who.Sessions)
	who.Sessions = slices.Compact(who.Sessions)
	// First who is looked for, then that they are known: once silver is written anew it knows them no longer.
	if err := l.objects.writeJSON(l.forgetFolder(erasure)+"/"+subjectName, who); err != nil {
		return 0, err
	}
	return int64(len(who.Sessions)), l.rememberSessions(ctx, erasure, facts, false)
}

// namings reads what the user's sessions say about whose they are, in any version of silver. Sessions that only a run which
// never ended knew are found in what it left.
func (l *Lake) namings(ctx context.Context, who subject, parser *telemetry.Parser) (facts []named, err error) {
	sessions := map[string]bool{}
	for _, session := range who.Sessions {
		sessions[session] = true
	}
	committed, loose, err := l.filesEver(ctx, silverBindings)
	if err != nil {
		return nil, err
	}
	note := func(session string, at int64, user string) {
		if user == who.User && session != "" {
			sessions[strings.Clone(session)] = true
			facts = append(facts, named{session: strings.Clone(session), at: at, side: sideSubject})
		}
	}
	noteBinding := func(row *bindingRow) {
		if row.Kind == bindingUser {
			note(row.SessionID, row.Time, row.Value)
		}
	}
	for _, file := range committed {
		if err := eachRowOf(ctx, l, file, noteBinding); err != nil {
			return nil, err
		}
	}
	for _, file := range loose {
		if err := eachRowOf(ctx, l, file, noteBinding); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	// A run may have died before it came to silver.
	_, looseLines, err := l.filesEver(ctx, bronzeEvents)
	if err != nil {
		return nil, err
	}
	lines := &lineFacts{parser: parser}
	for _, file := range looseLines {
		if err := eachRowOf(ctx, l, file, func(row *eventRow) {
			f := lines.of(row)
			note(f.session, f.time, f.user)
		}); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	for _, file := range committed {
		var ours bindingRow // of a line that names the user, the ending is the user's, too
		if err := eachRowOf(ctx, l, file, func(row *bindingRow) {
			switch {
			case row.Kind != bindingUser || !sessions[row.SessionID]:
			case row.Value == who.User:
				ours = bindingRow{FileName: strings.Clone(row.FileName), LineNumber: row.LineNumber}
			case row.Value != "":
				facts = append(facts, named{session: strings.Clone(row.SessionID), at: row.Time})
			case row.LineNumber != ours.LineNumber || row.FileName != ours.FileName:
				facts = append(facts, named{session: strings.Clone(row.SessionID), at: row.Time, side: sideNobody})
			}
		}); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

// filesEver are the data files of a table that any snapshot has, and those in its folder that none has.
func (l *Lake) filesEver(ctx context.Context, definition tableDefinition) (committed, loose []iceberg.DataFile, err error) {
	// Listed before the table is loaded: what is committed meanwhile is in the table.
	there := map[string]looseFile{}
	if err := l.objects.walk(ctx, l.tableFolder(definition)+"/data", func(object string, size int64) error {
		if strings.HasSuffix(object, ".parquet") {
			there[object] = looseFile{path: object, size: size}
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	loaded, err := l.load(ctx, definition)
	if err != nil {
		return nil, nil, err
	}
	if loaded.CurrentSnapshot() != nil {
		history, err := l.readHistory(ctx, loaded)
		if err != nil {
			return nil, nil, err
		}
		for path, file := range history.live {
			committed = append(committed, file)
			delete(there, path)
		}
	}
	for _, file := range there {
		loose = append(loose, file)
	}
	return committed, loose, nil
}

func eachRowOf[T any](ctx context.Context, l *Lake, file iceberg.DataFile, each func(*T)) error {
	return scanRows(ctx, l, file, func(rows []T) error {
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

func (l *Lake) touchedRef(erasure, table string) string {
	return l.forgetFolder(erasure) + "/touched-" + table + ".json"
}

// noteTouched keeps what a table's rewriting touches, before it does.
func (l *Lake) noteTouched(erasure, table string, hours map[telemetry.Hour]bool, dates map[int32]bool) error {
	var before touched
	if err := l.objects.readJSON(l.touchedRef(erasure, table), &before); err != nil && !isMissing(err) {
		return err
	}
	for _, hour := range before.Hours {
		hours[hour] = true
	}
	for _, date := range before.Dates {
		dates[date] = true
	}
	return l.objects.writeJSON(l.touchedRef(erasure, table), touched{slices.Sorted(maps.Keys(hours)), slices.Sorted(maps.Keys(dates))})
}

// touched is what all tables noted.
func (l *Lake) touched(erasure string) (hours map[telemetry.Hour]bool, dates map[int32]bool, err error) {
	hours, dates = map[telemetry.Hour]bool{}, map[int32]bool{}
	for _, definition := range erasable {
		var each touched
		if err := l.objects.readJSON(l.touchedRef(erasure, definition.name), &each); err != nil && !isMissing(err) {
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

// SweepForgotten removes what runs of hours and rounds of gold staged before the erasure: they find it gone, and begin anew.
func (l *Lake) SweepForgotten(ctx context.Context, erasure string) (folders int64, err error) {
	current, err := l.erasuresAt(ctx)
	if err != nil {
		return 0, err
	}
	root := l.objects.root + "/_staging/"
	staged := map[string]bool{}
	if err := l.objects.walk(ctx, strings.TrimSuffix(root, "/"), func(object string, _ int64) error {
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
			var plan stagedPlan
			err := l.objects.readJSON(root+folder+"/plan.json", &plan)
			if err == nil && plan.Erasures == current {
				continue
			}
			if err != nil && !isMissing(err) {
				return folders, err
			}
		}
		if err := l.objects.removeAll(ctx, root+folder); err != nil {
			return folders, err
		}
		folders++
	}
	return folders, nil
}

// FinishForget notes that the proof held, and drops who was meant. It returns the erasure. ErrStale: hours brought new sessions
// of the user, which are not gone yet.
func (l *Lake) FinishForget(ctx context.Context, erasure string, tables []ErasedTable, proof Proof) (Erasure, error) {
	if len(proof.Remains) > 0 {
		return Erasure{}, errors.New("the user is still there")
	}
	who, documents, err := l.subject(ctx, erasure)
	if errors.Is(err, ErrNotForgetting) {
		// Done before: by an attempt whose answer was lost, or by another run of the erasure.
		return l.EndedErasure(ctx, erasure)
	}
	if err != nil {
		return Erasure{}, err
	}
	var looked subject
	if err := l.objects.readJSON(l.forgetFolder(erasure)+"/"+subjectName, &looked); isMissing(err) {
		return Erasure{}, fmt.Errorf("%w: another run of the erasure ended, and it was asked for once more", ErrStale)
	} else if err != nil {
		return Erasure{}, err
	}
	if !slices.Equal(looked.Sessions, who.Sessions) {
		return Erasure{}, fmt.Errorf("%w: and hours brought new sessions", ErrStale)
	}
	if err := l.changeErasure(ctx, erasure, func(rows []erasureRow) ([]erasureRow, error) {
		for i := range rows {
			row := &rows[i]
			if row.Kind != forgottenUser || row.State == ErasureDone {
				continue
			}
			now := time.Now().UnixMicro()
			row.State, row.FinishedAt, row.Objects, row.Bytes = ErasureDone, &now, proof.Objects, proof.Bytes
			for _, each := range tables {
				row.Rows, row.Files = row.Rows+each.Rows, row.Files+each.Files
			}
		}
		return rows, nil
	}); err != nil {
		return Erasure{}, err
	}
	// Only what was looked at: an hour may bring a session just now.
	if err := l.objects.remove(ctx, append(documents, l.touchedRefs(erasure)...)); err != nil {
		return Erasure{}, err
	}
	if err := l.objects.removeAll(ctx, l.forgetVersions(erasure)); err != nil {
		return Erasure{}, err
	}
	return l.erasure(ctx, erasure)
}

// EndedErasure reads an erasure that is not under way any more, and removes what a run that came too late noted.
func (l *Lake) EndedErasure(ctx context.Context, id string) (Erasure, error) {
	erasure, err := l.erasure(ctx, id)
	if err != nil {
		return erasure, err
	}
	if erasure.State != ErasureDone {
		return erasure, fmt.Errorf("%w: %s", ErrNotForgetting, id)
	}
	return erasure, l.objects.remove(ctx, l.touchedRefs(id))
}

func (l *Lake) touchedRefs(erasure string) (refs []string) {
	for _, definition := range append([]tableDefinition{goldVersions}, erasable...) {
		refs = append(refs, l.touchedRef(erasure, definition.name))
	}
	return refs
}

// erasure reads one erasure.
func (l *Lake) erasure(ctx context.Context, id string) (Erasure, error) {
	all, err := l.Erasures(ctx)
	if err != nil {
		return Erasure{}, err
	}
	at := slices.IndexFunc(all, func(e Erasure) bool { return e.ID == id })
	if at < 0 {
		return Erasure{}, fmt.Errorf("%w: %s", ErrNotForgetting, id)
	}
	return all[at], nil
}

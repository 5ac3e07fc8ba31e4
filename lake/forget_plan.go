package lake

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// ForgetPlan is what forgetting a user would touch.
type ForgetPlan struct {
	Sessions int64         `json:"sessions"` // that named the user
	Shared   int64         `json:"shared"`   // of these, those that named others, too: they are split by time
	Hours    int64         `json:"hours"`    // that lose lines
	Tables   []ErasedTable `json:"tables"`
}

// PlanForget says what forgetting a user, by gold's user_id, would touch. It only reads.
func (l *Lake) PlanForget(ctx context.Context, user string, parsing telemetry.Options, progress func(table string, files int64)) (plan ForgetPlan, err error) {
	name, err := namedAs(user)
	if err != nil {
		return plan, err
	}
	parser, err := parserFor(parsing)
	if err != nil {
		return plan, err
	}
	facts, err := l.namings(ctx, subject{User: name}, parser)
	if err != nil {
		return plan, err
	}
	known := imagine(name, facts)
	for _, session := range known.sessions {
		plan.Sessions++
		if session.shared {
			plan.Shared++
		}
	}
	hours := map[telemetry.Hour]bool{}
	for _, definition := range erasable {
		s := &search{eraser: &eraser{lake: l, known: known, parser: parser}, table: definition, become: map[string]newFile{}, clean: map[string]bool{},
			tell: func(files int64) { progress(definition.name, files) }}
		each, err := l.planTable(ctx, s, hours)
		if err != nil {
			return plan, err
		}
		plan.Tables = append(plan.Tables, each)
	}
	plan.Hours = int64(len(hours))
	return plan, nil
}

// imagine is what ops.erasures would know, under a key of the moment.
func imagine(user string, facts []named) *forgotten {
	f := &forgotten{key: make([]byte, sha256.Size), users: map[idHash]string{}, sessions: map[idHash]*forgottenNaming{}, lengths: []int{len(user)}}
	rand.Read(f.key)
	mac := hmac.New(sha256.New, f.key)
	const erasure = "imagined"
	f.users[hashID(mac, forgottenUser, user)] = erasure
	bySession := map[string][]named{}
	for _, fact := range facts {
		bySession[fact.session] = append(bySession[fact.session], fact)
	}
	for session, facts := range bySession {
		for _, run := range runsOfNames(facts) {
			f.addRun(hashID(mac, forgottenSession, session), erasure, &run)
		}
		if !slices.Contains(f.lengths, len(session)) {
			f.lengths = append(f.lengths, len(session))
		}
	}
	slices.Sort(f.lengths)
	f.settle()
	return f
}

func (l *Lake) planTable(ctx context.Context, s *search, hours map[telemetry.Hour]bool) (result ErasedTable, err error) {
	loaded, err := l.load(ctx, s.table)
	result = ErasedTable{Table: s.table.name}
	if err != nil || loaded.CurrentSnapshot() == nil {
		return result, err
	}
	history, err := l.readHistory(ctx, loaded)
	if err != nil {
		return result, err
	}
	if err := s.files(ctx, history.live); err != nil {
		return result, err
	}
	result.OfFiles, result.Versions = int64(len(history.live)), int64(len(history.lists))
	for _, ref := range maps.Collect(loaded.Metadata().Refs()) {
		if ref.SnapshotRefType == table.TagRef {
			result.Tags++
		}
	}
	for path, became := range s.become {
		result.Files++
		if !history.head[path] {
			continue
		}
		result.Rows += became.rows
		maps.Copy(hours, became.touches(history.live[path]))
	}
	return result, nil
}

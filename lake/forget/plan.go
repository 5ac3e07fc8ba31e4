package forget

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/telemetry"
)

// Plan is what forgetting a user would touch.
type Plan struct {
	Sessions int64         `json:"sessions"` // that named the user
	Shared   int64         `json:"shared"`   // of these, those that named others, too: they are split by time
	Hours    int64         `json:"hours"`    // that lose lines
	Tables   []ErasedTable `json:"tables"`
}

// PlanForget says what forgetting users, by gold's user_ids, would touch. It only reads.
func PlanForget(ctx context.Context, l *lake.Lake, users []string, parsing telemetry.Options,
	progress func(table string, files int64)) (plan Plan, err error) {
	parties := make([]party, len(users))
	for i, user := range users {
		if parties[i].who.User, err = forgotten.NameOf(user); err != nil {
			return plan, err
		}
	}
	parser, err := forgotten.ParserFor(parsing)
	if err != nil {
		return plan, err
	}
	facts, err := namings(ctx, l, parties, parser)
	if err != nil {
		return plan, err
	}
	known := imagine(parties, facts)
	for _, session := range known.Sessions {
		plan.Sessions++
		if session.Shared {
			plan.Shared++
		}
	}
	hours := map[telemetry.Hour]bool{}
	for _, definition := range lake.UserTables {
		s := newSearch(&forgotten.Eraser{Lake: l, Known: known, Parser: parser}, definition,
			func(files int64) { progress(definition.Name, files) })
		each, err := planTable(ctx, l, s, hours)
		if errors.Is(err, lake.ErrNoLake) {
			continue // nothing has opened the lake to write since there is this table
		}
		if err != nil {
			return plan, err
		}
		plan.Tables = append(plan.Tables, each)
	}
	plan.Hours = int64(len(hours))
	return plan, nil
}

// imagine is what ops.erasures would know, under a key of the moment.
func imagine(parties []party, facts [][]forgotten.Named) *forgotten.Set {
	f := &forgotten.Set{Key: make([]byte, sha256.Size), Users: map[forgotten.IdHash]string{},
		Sessions: map[forgotten.IdHash]*forgotten.ForgottenNaming{}}
	rand.Read(f.Key)
	mac := hmac.New(sha256.New, f.Key)
	for i, party := range parties {
		erasure := fmt.Sprint("imagined-", i)
		f.Users[forgotten.HashID(mac, forgotten.ForgottenUser, party.who.User)] = erasure
		f.Lengths = append(f.Lengths, len(party.who.User))
		bySession := map[string][]forgotten.Named{}
		for _, fact := range facts[i] {
			bySession[fact.Session] = append(bySession[fact.Session], fact)
		}
		for session, facts := range bySession {
			for _, run := range forgotten.RunsOfNames(facts) {
				f.AddRun(forgotten.HashID(mac, forgotten.ForgottenSession, session), erasure, &run)
			}
			f.Lengths = append(f.Lengths, len(session))
		}
	}
	slices.Sort(f.Lengths)
	f.Lengths = slices.Compact(f.Lengths)
	f.Settle()
	return f
}

func planTable(ctx context.Context, l *lake.Lake, s *search,
	hours map[telemetry.Hour]bool) (result ErasedTable, err error) {
	loaded, err := l.Load(ctx, s.table)
	result = ErasedTable{Table: s.table.Name}
	if err != nil || loaded.CurrentSnapshot() == nil {
		return result, err
	}
	history, err := ReadHistory(ctx, l, loaded)
	if err != nil {
		return result, err
	}
	if err := s.files(ctx, history.Live); err != nil {
		return result, err
	}
	result.OfFiles, result.Versions = int64(len(history.Live)), int64(len(history.lists))
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
		result.Rows += became.Rows
		maps.Copy(hours, became.Touches(history.Live[path]))
	}
	return result, nil
}

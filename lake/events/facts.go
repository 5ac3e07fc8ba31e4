package events

import (
	"context"
	"math"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

var (
	sessionTimeSchema = parquet.SchemaOf(struct {
		SessionID string `parquet:"session_id,optional,id(2)"`
		Time      int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
	}{})
	keyTimeSchema = parquet.SchemaOf(struct {
		SessionKey int64 `parquet:"session_key,delta,id(1)"`
		Time       int64 `parquet:"event_timestamp_utc,timestamp(microsecond)"`
	}{})
)

// changedSessions are those of which a sighting or a binding came or went.
func changedSessions(ctx context.Context, t *turn) (sessions.SessionSet, error) {
	changed := objects.NewLanes[sessions.SessionSet]()
	for i := 1; i < len(lake.SilverTables); i++ {
		changes, err := t.silver[i].Changes(ctx, t.lake)
		if err != nil {
			return sessions.SessionSet{}, err
		}
		reader := sessions.Reader{Lake: t.lake}
		if err := reader.Rows(ctx, slices.Concat(changes.Added, changes.Removed), keyTimeSchema,
			func(row parquet.Row) error {
				sessions.NoteSession(changed, &sessions.SessionRow{Key: row[0].Int64(), Time: row[1].Int64()})
				return nil
			}); err != nil {
			return sessions.SessionSet{}, err
		}
	}
	return sessions.MergeSessions(changed), nil
}

// facts are the sightings and bindings by which a turn resolves events, by session.
type facts struct {
	join     *sessions.Join
	sections *sessions.Sections
	some     *sessions.Section // in place of these: all of them, or what is known of a few sessions
}

// only is what is known of some sessions: the rows of a file may name them in any order.
func (f *facts) only(keys sessions.KeySet) (*facts, error) {
	if f.some != nil {
		return f, nil
	}
	some := &sessions.Section{}
	for at := 0; at < len(keys); {
		number := f.sections.Of(keys[at])
		var section sessions.Section // of its own: rows stay where they were read
		if err := f.sections.Read(number, &section); err != nil {
			return nil, err
		}
		wanted := sessions.KeyCursor{Set: keys}
		for i := range section.Rows {
			if wanted.Contains(section.Rows[i].Key) {
				some.Rows = append(some.Rows, section.Rows[i])
			}
		}
		for at < len(keys) && f.sections.Of(keys[at]) == number {
			at++
		}
	}
	return &facts{some: some}, nil
}

// findFacts gathers what is known of the sessions of events that come, and of sessions that changed.
func findFacts(ctx context.Context, t *turn) (found *facts, err error) {
	coming := objects.NewLanes[sessions.SessionSet]()
	if err := each(ctx, t.come, func(ctx context.Context, file iceberg.DataFile) error {
		var last int64 // mostly, events of a session follow each other
		return t.lake.ScanRaw(ctx, file, sessionTimeSchema, func(row parquet.Row) error {
			key := int64(xxhash.Sum64(row[0].ByteArray()))
			return coming.With(func(set *sessions.SessionSet) error {
				if len(set.Keys) == 0 {
					set.Times = sessions.Span{Low: math.MaxInt64, High: math.MinInt64}
				}
				if len(set.Keys) == 0 || key != last {
					set.Keys, last = append(set.Keys, key), key
				}
				set.Times.Include(row[1].Int64())
				return nil
			})
		})
	}); err != nil {
		return nil, err
	}
	come := sessions.MergeSessions(coming)
	keys := sessions.NewKeySet(slices.Concat(come.Keys, t.changed.Keys))
	near := come.Times
	if len(t.changed.Keys) > 0 {
		checked := t.changed.Times.Widened(slices.Max(lake.Reaches[:]))
		near.Low, near.High = min(near.Low, checked.Low), max(near.High, checked.High)
	}
	f := &facts{}
	if f.join, err = sessions.NewJoin(t.lake, sessions.JoinSections); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	add := func(row sessions.SessionRow) error {
		if row.Session == "" {
			return nil // it says nothing of other events
		}
		return f.join.Add(row)
	}
	reader := sessions.Reader{Lake: t.lake, Keys: keys}
	for i, read := range []func(context.Context, []iceberg.DataFile, byte, func(sessions.SessionRow) error) error{
		reader.Sightings, reader.Bindings,
	} {
		files, err := sessions.FilesNear(ctx, t.silver[i+1].Table, t.to.Of()[i+1], near.Widened(lake.Reaches[i+1]), nil)
		if err != nil {
			return nil, err
		}
		if err := read(ctx, files, sessions.RowKept, add); err != nil {
			return nil, err
		}
	}
	if f.sections, err = f.join.Open(); err != nil {
		return nil, err
	}
	if f.join.Rows.Load() <= factsInMemory {
		f.some, err = f.sections.All()
	}
	return f, err
}

// factsInMemory is how many sightings and bindings are held at once; of more, one section per processor is.
const factsInMemory = 300_000

func (f *facts) close() {
	if f.sections != nil {
		f.sections.Close()
	}
	f.join.Close()
}

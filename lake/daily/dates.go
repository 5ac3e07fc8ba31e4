package daily

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// touchedDates are those whose events came or went, or may belong to another user, device or version than before.
// Of frozen ones nobody knows the events any more.
func touchedDates(ctx context.Context, l *lake.Lake, s dailySource, progress func(int64)) (map[int32]bool, error) {
	dates := newDateSet(s.frozen, progress)
	bases := map[ledger.DailyState]bool{}
	for _, loaded := range s.daily {
		state, known := ledger.DailyStateOf(loaded)
		if !known || !s.known {
			return dates.dates, allDates(ctx, l, s, dates)
		}
		// A crash may have left the one table ahead of the other: what changed since either is counted in both.
		state.Users = 0
		bases[state] = true
		erased, err := ledger.ErasedDates(loaded)
		if err != nil {
			return nil, err
		}
		dates.add(erased, 0)
	}
	for base := range bases {
		changes, err := ledger.ChangesBetween(ctx, l, s.silver[0], base.Events, s.to.Events)
		if err != nil {
			return nil, err
		}
		if err := addDates(ctx, l, slices.Concat(changes.Added, changes.Removed), timeSchema, dateOfTime,
			dates); err != nil {
			return nil, err
		}
	}
	return dates.dates, addBeside(ctx, l, s, bases, dates)
}

// allDates are those of all events, and all that were counted.
func allDates(ctx context.Context, l *lake.Lake, s dailySource, dates *dateSet) error {
	changes, err := ledger.ChangesBetween(ctx, l, s.silver[0], 0, s.to.Events)
	if err != nil {
		return err
	}
	if err := addDates(ctx, l, changes.Added, timeSchema, dateOfTime, dates); err != nil {
		return err
	}
	for _, loaded := range s.daily {
		files, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return err
		}
		if err := addDates(ctx, l, files, dateSchema, func(row parquet.Row) int32 { return row[0].Int32() },
			dates); err != nil {
			return err
		}
	}
	return nil
}

// addBeside adds the dates of events that did not change themselves: their sessions have other sightings or
// bindings within reach. Mostly there are none, but for sessions around midnight.
func addBeside(
	ctx context.Context, l *lake.Lake, s dailySource, bases map[ledger.DailyState]bool, dates *dateSet,
) error {
	maybe, sessionKeys := objects.NewLanes[map[int32]bool](), objects.NewLanes[sessions.SessionSet]()
	reader := sessions.Reader{Lake: l}
	for base := range bases {
		for i := 1; i < len(lake.SilverTables); i++ {
			changes, err := ledger.ChangesBetween(ctx, l, s.silver[i], base.Of()[i], s.to.Of()[i])
			if err != nil {
				return err
			}
			if err := reader.Moments(ctx, slices.Concat(changes.Added, changes.Removed),
				func(changed *sessions.SessionRow) error {
					beside := dates.beside(changed.Time, ledger.Reaches[i])
					if len(beside) == 0 {
						return nil
					}
					sessions.NoteSession(sessionKeys, changed)
					return maybe.With(func(found *map[int32]bool) error {
						if *found == nil {
							*found = map[int32]bool{}
						}
						for _, date := range beside {
							(*found)[date] = true
						}
						return nil
					})
				}); err != nil {
				return err
			}
		}
	}
	wanted := map[int32]bool{}
	for _, found := range maybe.All() {
		maps.Copy(wanted, *found)
	}
	return addIfHas(ctx, l, s, sessions.MergeSessions(sessionKeys), wanted, dates)
}

// addIfHas adds those of some dates on which one of the sessions has an event.
func addIfHas(ctx context.Context, l *lake.Lake, s dailySource, sessionKeys sessions.SessionSet, wanted map[int32]bool,
	dates *dateSet) error {
	if len(wanted) == 0 || s.to.Events == 0 {
		return nil
	}
	live, err := lake.LiveFiles(ctx, s.silver[0], table.WithSnapshotID(s.to.Events))
	if err != nil {
		return err
	}
	near := sessionKeys.Times.Widened(slices.Max(ledger.Reaches[:]))
	// The dates lie around some that are counted anyway, whose files need no look.
	mayHave := func(file iceberg.DataFile) bool {
		low, high := lake.Bounds(file, lake.EventTimeField)
		for date := range wanted {
			if lake.DateOf(low) <= date && date <= lake.DateOf(high) {
				return true
			}
		}
		return false
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range near.Within(live, lake.EventTimeField) {
		if !mayHave(file) {
			continue
		}
		work.Go(func() error {
			keys, found := sessions.KeyCursor{Set: sessionKeys.Keys}, map[int32]bool{}
			err := l.ScanRaw(ctx, file, sessionTimeSchema, func(row parquet.Row) error {
				date := lake.DateOf(row[1].Int64())
				if wanted[date] && !found[date] && keys.Contains(int64(xxhash.Sum64(row[0].ByteArray()))) {
					if found[date] = true; len(found) == len(wanted) {
						return lake.ErrStop
					}
				}
				return nil
			})
			if err != nil && !errors.Is(err, lake.ErrStop) {
				return err
			}
			dates.add(found, file.Count())
			return nil
		})
	}
	return work.Wait()
}

var (
	timeSchema = parquet.SchemaOf(struct {
		Time int64 `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
	}{})
	sessionTimeSchema = parquet.SchemaOf(struct {
		SessionID string `parquet:"session_id,optional,id(2)"`
		Time      int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
	}{})
	dateSchema = parquet.SchemaOf(struct {
		Date int32 `parquet:"date_utc,date,id(1)"`
	}{})
)

func dateOfTime(row parquet.Row) int32 { return lake.DateOf(row[0].Int64()) }

// addDates reads one column of files.
func addDates(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, column *parquet.Schema,
	dateOf func(parquet.Row) int32, dates *dateSet) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			found := map[int32]bool{}
			if err := l.ScanRaw(ctx, file, column, func(row parquet.Row) error {
				found[dateOf(row)] = true
				return nil
			}); err != nil {
				return err
			}
			dates.add(found, file.Count())
			return nil
		})
	}
	return work.Wait()
}

// dateSet is a set of dates, from a first one on, that several goroutines fill.
type dateSet struct {
	mutex    sync.Mutex
	first    int32
	dates    map[int32]bool
	rows     int64
	progress func(int64)
}

func newDateSet(first int32, progress func(int64)) *dateSet {
	return &dateSet{first: first, dates: map[int32]bool{}, progress: progress}
}

func (s *dateSet) add(dates map[int32]bool, rows int64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for date := range dates {
		if date >= s.first {
			s.dates[date] = true
		}
	}
	s.rows += rows
	s.progress(s.rows)
}

// beside are the dates within reach of a time that are not in the set, and may be. Nobody may add to the set meanwhile.
func (s *dateSet) beside(time, reach int64) (dates []int32) {
	for date := lake.DateOf(time - reach); date <= lake.DateOf(time+reach); date++ {
		if date >= s.first && !s.dates[date] {
			dates = append(dates, date)
		}
	}
	return dates
}

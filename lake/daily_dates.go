package lake

import (
	"context"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// touchedDates are those whose events came or went, or may belong to another user, device or version than before. Of frozen ones
// nobody knows the events any more.
func (l *Lake) touchedDates(ctx context.Context, s dailySource, progress func(int64)) (map[int32]bool, error) {
	dates := newDateSet(s.frozen, progress)
	bases := map[dailyState]bool{}
	for _, loaded := range s.daily {
		state, known := dailyStateOf(loaded)
		if !known || !s.known {
			return dates.dates, l.allDates(ctx, s, dates)
		}
		// A crash may have left the one table ahead of the other: what changed since either is counted in both.
		state.Users = 0
		bases[state] = true
		erased, err := erasedDates(loaded)
		if err != nil {
			return nil, err
		}
		dates.add(erased, 0)
	}
	for base := range bases {
		changes, err := l.changesBetween(ctx, s.silver[0], base.Events, s.to.Events)
		if err != nil {
			return nil, err
		}
		if err := l.addDates(ctx, slices.Concat(changes.added, changes.removed), timeSchema, dateOfTime, dates); err != nil {
			return nil, err
		}
	}
	return dates.dates, l.addBeside(ctx, s, bases, dates)
}

// allDates are those of all events, and all that were counted.
func (l *Lake) allDates(ctx context.Context, s dailySource, dates *dateSet) error {
	changes, err := l.changesBetween(ctx, s.silver[0], 0, s.to.Events)
	if err != nil {
		return err
	}
	if err := l.addDates(ctx, changes.added, timeSchema, dateOfTime, dates); err != nil {
		return err
	}
	for _, loaded := range s.daily {
		files, err := liveFiles(ctx, loaded)
		if err != nil {
			return err
		}
		if err := l.addDates(ctx, files, dateSchema, func(row parquet.Row) int32 { return row[0].Int32() }, dates); err != nil {
			return err
		}
	}
	return nil
}

// addBeside adds the dates of events that did not change themselves: their sessions have other sightings or bindings within
// reach. Mostly there are none, but for sessions around midnight.
func (l *Lake) addBeside(ctx context.Context, s dailySource, bases map[dailyState]bool, dates *dateSet) error {
	maybe, sessions := newLanes[map[int32]bool](), newLanes[sessionSet]()
	for base := range bases {
		for i := 1; i < len(silverTables); i++ {
			changes, err := l.changesBetween(ctx, s.silver[i], base.of()[i], s.to.of()[i])
			if err != nil {
				return err
			}
			if err := l.sessionRowsOf(ctx, slices.Concat(changes.added, changes.removed), keyTimeSchema, nil, func(row parquet.Row) error {
				changed, noted := sessionRow{key: row[0].Int64(), time: row[1].Int64()}, false
				for date := dateOf(changed.time - reaches[i]); date <= dateOf(changed.time+reaches[i]); date++ {
					if date >= s.frozen && !dates.dates[date] {
						if !noted {
							noteSession(sessions, &changed)
							noted = true
						}
						_ = maybe.with(func(found *map[int32]bool) error { // never fails
							if *found == nil {
								*found = map[int32]bool{}
							}
							(*found)[date] = true
							return nil
						})
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	wanted := map[int32]bool{}
	for _, found := range maybe.all() {
		maps.Copy(wanted, *found)
	}
	return l.addIfHas(ctx, s, mergeSessions(sessions), wanted, dates)
}

// addIfHas adds those of some dates on which one of the sessions has an event.
func (l *Lake) addIfHas(ctx context.Context, s dailySource, sessions sessionSet, wanted map[int32]bool, dates *dateSet) error {
	if len(wanted) == 0 || s.to.Events == 0 {
		return nil
	}
	live, err := liveFiles(ctx, s.silver[0], table.WithSnapshotID(s.to.Events))
	if err != nil {
		return err
	}
	days := span{math.MaxInt64, math.MinInt64}
	for date := range wanted {
		days.include(int64(date) * microsPerDay)
		days.include(int64(date+1)*microsPerDay - 1)
	}
	near := sessions.times.widened(slices.Max(reaches[:]))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range near.within(days.within(live, eventTimeField), eventTimeField) {
		work.Go(func() error {
			keys, found := keyCursor{set: sessions.keys}, map[int32]bool{}
			err := l.scanRaw(ctx, file, sessionTimeSchema, func(row parquet.Row) error {
				date := dateOf(row[1].Int64())
				if wanted[date] && !found[date] && keys.contains(int64(xxhash.Sum64(row[0].ByteArray()))) {
					if found[date] = true; len(found) == len(wanted) {
						return errStop
					}
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStop) {
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
	keyTimeSchema = parquet.SchemaOf(struct {
		SessionKey int64 `parquet:"session_key,delta,id(1)"`
		Time       int64 `parquet:"event_timestamp_utc,timestamp(microsecond)"`
	}{})
)

func dateOfTime(row parquet.Row) int32 { return dateOf(row[0].Int64()) }

// addDates reads one column of files.
func (l *Lake) addDates(ctx context.Context, files []iceberg.DataFile, column *parquet.Schema, dateOf func(parquet.Row) int32, dates *dateSet) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			found := map[int32]bool{}
			if err := l.scanRaw(ctx, file, column, func(row parquet.Row) error {
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

package daily

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// What follows from events for a date: gold.events says whose each is. Its events are counted as they are read; which
// keys a session has, and which a user has, is brought together by session and by user, since they have events in
// several files, and count once.

// events counts the events of the dates.
func (c *dayCounting) events(ctx context.Context, progress func(int64)) error {
	span := sessions.Span{Low: math.MaxInt64, High: math.MinInt64}
	for date, each := range c.dates {
		if each.Events {
			span.Include(int64(date) * lake.MicrosPerDay)
			span.Include(int64(date+1)*lake.MicrosPerDay - 1)
		}
	}
	if span.Low > span.High {
		return nil
	}
	files, size, err := eventFiles(ctx, c.lake, c.staged, span)
	if err != nil {
		return err
	}
	if done, err := c.summarized(ctx, files, progress); done || err != nil {
		return err
	}
	c.keys = daycounts.NewTable()
	for _, spill := range []**objects.Spill{&c.bySession, &c.byUser} {
		if *spill, err = c.lake.NewSpill(countSections(size)); err != nil {
			return err
		}
		defer (*spill).Close()
	}
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		work.Go(func() error {
			if err := c.countFile(workCtx, file); err != nil {
				return fmt.Errorf("count %s: %w", file.FilePath(), err)
			}
			progress(lake.CountOf(files[:i+1]))
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	c.keys.Order()
	if err := c.together(ctx, c.bySession, countSession); err != nil {
		return err
	}
	return c.together(ctx, c.byUser, countUser)
}

// countSections makes sections of about a MiB of gold.events, as it is stored; a power of two.
func countSections(bytes int64) int {
	sections := sessions.JoinSections
	for sections < 4096 && bytes/int64(sections) > 1<<20 {
		sections *= 2
	}
	return sections
}

// eventFiles are the files of gold.events that may hold events of a span, and their size.
func eventFiles(ctx context.Context, l *lake.Lake, staged *stagedDaily,
	span sessions.Span) (files []iceberg.DataFile, size int64, err error) {
	if staged.Resolved == nil {
		return nil, 0, fmt.Errorf("%w: the plan is one of an earlier version", lake.ErrConflict)
	}
	if *staged.Resolved == 0 {
		return nil, 0, nil
	}
	loaded, err := l.Load(ctx, lake.GoldEvents)
	if err != nil {
		return nil, 0, err
	}
	if loaded.SnapshotByID(*staged.Resolved) == nil {
		return nil, 0, fmt.Errorf("%w: snapshot %d of gold.events was expired", lake.ErrConflict, *staged.Resolved)
	}
	live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(*staged.Resolved))
	if err != nil {
		return nil, 0, err
	}
	files = span.Within(live, lake.ResolvedTimeField)
	for _, file := range files {
		size += file.FileSizeBytes()
	}
	return files, size, nil
}

// having is a session, or a user, and keys that it has.
type having struct {
	name string
	keys []*daycounts.Keyed
}

// together brings all keys of each session, or user, together, and counts them.
func (c *dayCounting) together(ctx context.Context, spill *objects.Spill,
	count func(*daycounts.Counter, *daycounts.Marks, bool, []*daycounts.Keyed) error) error {
	counters := objects.NewLanes[*daycounts.Counter]()
	if err := spill.Each(ctx, func() func([]byte) error {
		var all []having
		var keys, mine []*daycounts.Keyed
		m := &daycounts.Marks{}
		return func(data []byte) error {
			all, keys, m.Others = all[:0], keys[:0], nil
			d := objects.Decoder{Data: data}
			for len(d.Data) > 0 {
				name, n := d.Text(), d.Uvarint()
				start := len(keys)
				for ; n > 0 && !d.Failed; n-- {
					keys = append(keys, m.One(c.keys.DecodeKeyed(&d)))
				}
				all = append(all, having{name, keys[start:len(keys):len(keys)]})
			}
			if d.Failed {
				return objects.ErrDamaged
			}
			slices.SortFunc(all, func(a, b having) int { return strings.Compare(a.name, b.name) })
			return counters.With(func(counter **daycounts.Counter) error {
				if *counter == nil {
					*counter = daycounts.NewCounter(c.keys, c.add)
				}
				for start := 0; start < len(all); {
					m.Next()
					end := start
					for mine = mine[:0]; end < len(all) && all[end].name == all[start].name; end++ {
						for _, k := range all[end].keys {
							if m.Add(k) {
								mine = append(mine, k)
							}
						}
					}
					anonymous := history.KindOf(all[start].name) == history.KindSession
					if err := count(*counter, m, anonymous, mine); err != nil {
						return err
					}
					start = end
				}
				return nil
			})
		}
	}); err != nil {
		return err
	}
	return flushAll(counters)
}

// flushAll hands on the sums of several counters.
func flushAll(counters objects.Lanes[*daycounts.Counter]) error {
	for _, counter := range counters.All() {
		if *counter != nil {
			if err := (*counter).Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// countSession counts a session once a key.
func countSession(c *daycounts.Counter, m *daycounts.Marks, _ bool, keys []*daycounts.Keyed) error {
	for _, k := range keys {
		if err := c.Add(k, daycounts.Sessions, 1); err != nil {
			return err
		}
		if m.Add(k.OfVersion) {
			if err := c.Add(k.OfVersion, lake.CountVersionSessions, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// countUser counts a user once a key, and once a service and a version: in the first row, in the order of keys, that
// the user has of it.
func countUser(c *daycounts.Counter, m *daycounts.Marks, anonymous bool, keys []*daycounts.Keyed) error {
	var versions []*daycounts.Keyed
	for _, k := range keys {
		if err := c.Add(k, daycounts.Users, 1); err != nil {
			return err
		}
		if m.Add(k.OfVersion) {
			versions = append(versions, k.OfVersion)
		}
	}
	slices.SortFunc(versions, daycounts.CompareKeyed)
	for i, version := range versions {
		places := append(make([]int, 0, 4), lake.CountActiveUsers)
		if anonymous {
			places = append(places, lake.CountAnonymousUsers)
		}
		sameService := i > 0 && version.Date == versions[i-1].Date && version.Service == versions[i-1].Service
		if !sameService {
			places = append(places, lake.CountServiceUsers)
		}
		if !sameService || version.Version != versions[i-1].Version {
			places = append(places, lake.CountVersionUsers)
		}
		for _, place := range places {
			if err := c.Add(version, place, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

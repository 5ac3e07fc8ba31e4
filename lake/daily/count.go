package daily

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// What follows from silver for a date: its events are brought together by session, which tells their user, device
// and version; what that gives by user, which tells how many users there are.

// events counts the events of the dates.
func (c *dayCounting) events(ctx context.Context, state ledger.DailyState, progress func(int64)) error {
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
	files, size, err := dailyFiles(ctx, c.lake, state, span)
	if err != nil {
		return err
	}
	j, err := sessions.NewJoin(c.lake, countSections(size))
	if err != nil {
		return err
	}
	defer j.Close()
	near := func(reach int64) func(sessions.SessionRow) error {
		return func(row sessions.SessionRow) error {
			progress(j.Rows.Load())
			for date := lake.DateOf(row.Time - reach); date <= lake.DateOf(row.Time+reach); date++ {
				if c.counted(date) {
					return j.Add(row)
				}
			}
			return nil
		}
	}
	reader := sessions.Reader{Lake: c.lake}
	if err := reader.Sightings(ctx, files[1], sessions.RowAdded, near(lake.Reaches[1])); err != nil {
		return err
	}
	if err := reader.Bindings(ctx, files[2], sessions.RowAdded, near(lake.Reaches[2])); err != nil {
		return err
	}
	if err := dailyEvents(ctx, c.lake, files[0], c.counted, j.Add); err != nil {
		return err
	}
	users, err := c.lake.NewSpill(countSections(size))
	if err != nil {
		return err
	}
	defer users.Close()
	if err := c.sessions(ctx, j, users); err != nil {
		return err
	}
	return c.users(ctx, users)
}

// countSections makes sections of about a MiB of silver.events, as it is stored; a power of two.
func countSections(bytes int64) int {
	sections := sessions.JoinSections
	for sections < 4096 && bytes/int64(sections) > 1<<20 {
		sections *= 2
	}
	return sections
}

// dailyFiles are the files of each silver table that may hold what counts for events of a span, and the size of
// those events.
func dailyFiles(ctx context.Context, l *lake.Lake, state ledger.DailyState,
	events sessions.Span) (files [3][]iceberg.DataFile, size int64, err error) {
	for i, snapshot := range state.Of() {
		if snapshot == 0 {
			continue
		}
		loaded, err := l.Load(ctx, lake.SilverTables[i])
		if err != nil {
			return files, 0, err
		}
		if loaded.SnapshotByID(snapshot) == nil {
			return files, 0, fmt.Errorf("%w: snapshot %d of %s was expired", lake.ErrConflict, snapshot,
				lake.SilverTables[i].Name)
		}
		live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
		if err != nil {
			return files, 0, err
		}
		files[i] = events.Widened(lake.Reaches[i]).Within(live, lake.SilverTables[i].FieldID("event_timestamp_utc"))
	}
	for _, file := range files[0] {
		size += file.FileSizeBytes()
	}
	return files, size, nil
}

// users counts each user once a key.
func (c *dayCounting) users(ctx context.Context, users *objects.Spill) error {
	type of struct {
		user string
		key  dayKey
	}
	tallies := objects.NewLanes[*tally]()
	if err := users.Each(ctx, func() func([]byte) error {
		var all []of
		return func(data []byte) error {
			all = all[:0]
			d := objects.Decoder{Data: data}
			for len(d.Data) > 0 {
				all = append(all, of{d.Text(), decodeDayKey(&d)})
			}
			if d.Failed {
				return objects.ErrDamaged
			}
			slices.SortFunc(all, func(a, b of) int {
				if c := strings.Compare(a.user, b.user); c != 0 {
					return c
				}
				return a.key.compare(&b.key)
			})
			return tallies.With(func(tally **tally) error {
				if *tally == nil {
					*tally = newTally(c.add)
				}
				var before of
				for i, each := range all {
					same := i > 0 && each.user == before.user
					if same && each.key == before.key {
						continue
					}
					isSession := history.KindOf(each.user) == history.KindSession
					if err := countUser(*tally, &each.key, &before.key, same, isSession); err != nil {
						return err
					}
					before = each
				}
				return nil
			})
		}
	}); err != nil {
		return err
	}
	for _, tally := range tallies.All() {
		if *tally != nil {
			if err := (*tally).flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// countUser counts a user for a key; before is the same user's last key, in order, if there is one.
func countUser(t *tally, key, before *dayKey, same, anonymous bool) error {
	if err := t.add(key, countUsers, 1); err != nil {
		return err
	}
	version, last := key.ofVersion(), before.ofVersion()
	if same && version == last {
		return nil
	}
	places := []int{lake.CountActiveUsers}
	if anonymous {
		places = append(places, lake.CountAnonymousUsers)
	}
	sameService := same && version.date == last.date && version.Service == last.Service
	if !sameService {
		places = append(places, lake.CountServiceUsers)
	}
	if !sameService || version.Version != last.Version {
		places = append(places, lake.CountVersionUsers)
	}
	for _, place := range places {
		if err := t.add(&version, place, 1); err != nil {
			return err
		}
	}
	return nil
}

package verify

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/plain"
)

// Rule 1, once more: the daily aggregates are made again from the silver and the gold that they reflect, by the
// definitions of docs/METRICS.md, and compared row by row.

// dailyFact is what concerns one date: one of the four.
type dailyFact struct {
	Date    int32
	Event   *plain.Event
	Move    *plain.Move
	Version *lake.VersionDailyRow // as it is
	Daily   *lake.EventDailyRow   // as it is
}

// dailyCheck compares the daily aggregates as of one state.
type dailyCheck struct {
	v      *verifier
	state  ledger.DailyState
	tables map[string]*table.Table // without gold.event_daily where it reflects another state
	facts  *objects.Partitions     // by date
	frozen int32                   // of dates before it only moves can be counted
	// waiting are dates that are to be counted anew since a user was forgotten.
	waiting map[int32]bool
}

// dailyDate is what was found of a date.
type dailyDate struct {
	want     *plain.Day
	versions []lake.VersionDailyRow
	events   []lake.EventDailyRow
}

func (d *dailyDate) add(fact dailyFact) {
	switch {
	case fact.Event != nil:
		d.want.AddEvent(fact.Event)
	case fact.Move != nil:
		d.want.AddMove(*fact.Move)
	case fact.Version != nil:
		d.versions = append(d.versions, *fact.Version)
	default:
		d.events = append(d.events, *fact.Daily)
	}
}

func (v *verifier) verifyDaily(ctx context.Context) error {
	if v.lacks("the daily aggregates were", append([]lake.TableDefinition{lake.GoldUsers, lake.GoldVersionDaily,
		lake.GoldEventDaily}, lake.SilverTables[:]...)...) {
		return nil
	}
	c, err := v.loadDaily(ctx)
	if err != nil || c == nil {
		return err
	}
	if c.facts, err = objects.NewPartitions(v.lake.Objects.Scratch, v.silverEvents()); err != nil {
		return err
	}
	defer c.facts.Close()
	if complete, err := c.gather(ctx); err != nil || !complete {
		return err
	}
	if err := c.gatherRows(ctx); err != nil {
		return err
	}
	for part := range c.facts.Len() {
		v.progress("comparing the daily aggregates", part, c.facts.Len(), "parts")
		dates := map[int32]*dailyDate{}
		if err := objects.EachSpilled(ctx, c.facts, part, func(fact dailyFact) error {
			if dates[fact.Date] == nil {
				dates[fact.Date] = &dailyDate{want: plain.NewDay(fact.Date)}
			}
			dates[fact.Date].add(fact)
			return nil
		}); err != nil {
			return err
		}
		for _, date := range slices.Sorted(maps.Keys(dates)) {
			if !c.waiting[date] {
				c.compareDay(date, dates[date])
			}
		}
	}
	return nil
}

// silverEvents are how many rows silver.events has now.
func (v *verifier) silverEvents() (rows int64) {
	for _, files := range v.files[lake.SilverEvents.Name] {
		rows += lake.CountOf(files)
	}
	return rows
}

// loadDaily finds out what can be compared; nil: nothing.
func (v *verifier) loadDaily(ctx context.Context) (_ *dailyCheck, err error) {
	c := &dailyCheck{v: v, tables: map[string]*table.Table{}, waiting: map[int32]bool{}}
	for _, definition := range lake.DailyTables {
		if c.tables[definition.Name], err = v.lake.Load(ctx, definition); err != nil {
			return nil, err
		}
	}
	var known bool
	if c.state, known = ledger.DailyStateOf(c.tables[lake.GoldVersionDaily.Name]); !known {
		if v.silverEvents() > 0 {
			v.note("the daily aggregates were not counted yet")
		}
		return nil, nil
	}
	if c.frozen, err = ledger.FrozenBefore(c.tables[lake.GoldVersionDaily.Name]); err != nil {
		return nil, err
	}
	if ahead, _ := ledger.DailyStateOf(c.tables[lake.GoldEventDaily.Name]); ahead != c.state {
		v.note("a refresh of the daily aggregates is half committed: gold.event_daily reflects other snapshots " +
			"than gold.version_daily, and is not compared")
		delete(c.tables, lake.GoldEventDaily.Name)
	}
	for _, loaded := range c.tables {
		erased, err := ledger.ErasedDates(loaded)
		if err != nil {
			return nil, err
		}
		maps.Copy(c.waiting, erased)
	}
	return c, nil
}

func (c *dailyCheck) add(fact dailyFact) error {
	return c.facts.Add(strconv.Itoa(int(fact.Date)), fact)
}

// gather finds all that is to be counted, as of the state; false if that state is gone.
func (c *dailyCheck) gather(ctx context.Context) (complete bool, err error) {
	v := c.v
	var files [4][]iceberg.DataFile
	var lags []string
	for i, part := range []struct {
		definition lake.TableDefinition
		snapshot   int64
	}{{lake.SilverEvents, c.state.Events}, {lake.SilverSightings, c.state.Sightings},
		{lake.SilverBindings, c.state.Bindings}, {lake.GoldUsers, c.state.Users}} {
		loaded, err := v.lake.Load(ctx, part.definition)
		if err != nil {
			return false, err
		}
		if part.snapshot != lake.HeadOf(loaded) {
			lags = append(lags, part.definition.Name)
		}
		if part.snapshot == 0 {
			continue
		}
		if loaded.SnapshotByID(part.snapshot) == nil {
			v.note("the daily aggregates reflect snapshot %d of %s, which was expired: they can't be compared "+
				"before their next refresh", part.snapshot, part.definition.Name)
			return false, nil
		}
		if files[i], err = v.filesAt(ctx, loaded, part.snapshot); err != nil {
			return false, err
		}
	}
	if len(lags) > 0 {
		v.note("the daily aggregates lag behind %s; they are compared with what they reflect", strings.Join(lags, ", "))
	}
	if err := v.eachSession(ctx, "finding the users of events", files[0], files[1], files[2],
		func(s *plain.Session) error {
			for _, event := range s.Happened() {
				if err := c.add(dailyFact{Date: plain.Date(event.Row.Time), Event: &event}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
		return false, err
	}
	return true, eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldUsers.Name}, files[3],
		func(row *lake.UserRow) error {
			for _, move := range plain.Moves(row) {
				if err := c.add(dailyFact{Date: move.Date, Move: &move.Move}); err != nil {
					return err
				}
			}
			return nil
		})
}

// gatherRows adds the rows that there are.
func (c *dailyCheck) gatherRows(ctx context.Context) error {
	if len(c.waiting) > 0 {
		c.v.note("%d dates of the daily aggregates wait to be counted anew since a user was forgotten, and are not "+
			"compared", len(c.waiting))
	}
	files, err := lake.LiveFiles(ctx, c.tables[lake.GoldVersionDaily.Name])
	if err != nil {
		return err
	}
	if err := eachRow(ctx, c.v, Difference{Rule: 1, Table: lake.GoldVersionDaily.Name}, files,
		func(row *lake.VersionDailyRow) error { return c.add(dailyFact{Date: row.Date, Version: row}) }); err != nil {
		return err
	}
	if c.tables[lake.GoldEventDaily.Name] == nil {
		return nil
	}
	if files, err = lake.LiveFiles(ctx, c.tables[lake.GoldEventDaily.Name]); err != nil {
		return err
	}
	return eachRow(ctx, c.v, Difference{Rule: 1, Table: lake.GoldEventDaily.Name}, files,
		func(row *lake.EventDailyRow) error { return c.add(dailyFact{Date: row.Date, Daily: row}) })
}

// compareDay holds the rows of a date against what was counted. Of a frozen date only moves can be.
func (c *dailyCheck) compareDay(date int32, day *dailyDate) {
	versions, events := day.want.Rows()
	frozen := date < c.frozen
	c.v.checked.Daily += int64(len(day.versions) + len(day.events))
	for _, text := range plain.VersionDailyDifferences(date, frozen, day.versions, versions) {
		c.v.differ(Difference{Rule: 1, Table: lake.GoldVersionDaily.Name}, "%s", text)
	}
	if !frozen && c.tables[lake.GoldEventDaily.Name] != nil {
		for _, text := range plain.EventDailyDifferences(date, day.events, events) {
			c.v.differ(Difference{Rule: 1, Table: lake.GoldEventDaily.Name}, "%s", text)
		}
	}
}

package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// Rule 1, once more: the daily aggregates are made again from the silver and the gold that they reflect, by the
// definitions of docs/METRICS.md, and compared row by row.

// dailyFact is what concerns one date.
type dailyFact struct {
	Date    int32
	Event   *plainEvent
	Move    *plainMove
	Version *lake.VersionDailyRow // as it is
	Daily   *lake.EventDailyRow   // as it is
}

func (v *Verifier) verifyDaily(ctx context.Context) error {
	daily := map[string]*table.Table{}
	for _, definition := range lake.DailyTables {
		loaded, err := v.Lake.Load(ctx, definition)
		if err != nil {
			return err
		}
		daily[definition.Name] = loaded
	}
	state, known := lake.DailyStateOf(daily[lake.GoldVersionDaily.Name])
	if !known {
		if lake.CountOf(slices.Concat(slices.Collect(maps.Values(v.files[lake.SilverEvents.Name]))...)) > 0 {
			v.note("the daily aggregates were not counted yet")
		}
		return nil
	}
	if ahead, _ := lake.DailyStateOf(daily[lake.GoldEventDaily.Name]); ahead != state {
		v.note("a refresh of the daily aggregates is half committed: gold.event_daily reflects other snapshots " +
			"than gold.version_daily, and is not compared")
		delete(daily, lake.GoldEventDaily.Name)
	}
	facts, err := v.newPartitions(
		lake.CountOf(slices.Concat(slices.Collect(maps.Values(v.files[lake.SilverEvents.Name]))...)))
	if err != nil {
		return err
	}
	defer facts.close()
	add := func(fact dailyFact) error { return facts.add(strconv.Itoa(int(fact.Date)), fact) }
	if complete, err := v.dailyFacts(ctx, state, add); err != nil || !complete {
		return err
	}
	if err := v.dailyAsIs(ctx, daily, add); err != nil {
		return err
	}
	frozen, err := lake.FrozenBefore(daily[lake.GoldVersionDaily.Name])
	if err != nil {
		return err
	}
	waiting := map[int32]bool{}
	for _, loaded := range daily {
		erased, err := lake.ErasedDates(loaded)
		if err != nil {
			return err
		}
		maps.Copy(waiting, erased)
	}
	if len(waiting) > 0 {
		v.note(
			"%d dates of the daily aggregates wait to be counted anew since a user was forgotten, and are not compared",
			len(waiting))
	}
	for part := range facts.files {
		v.progress("comparing the daily aggregates", part, len(facts.files), "parts")
		dates := map[int32]*plainDay{}
		if err := eachSpilled(ctx, facts, part, func(fact dailyFact) error {
			if dates[fact.Date] == nil {
				dates[fact.Date] = &plainDay{}
			}
			dates[fact.Date].add(fact)
			return nil
		}); err != nil {
			return err
		}
		for _, date := range slices.Sorted(maps.Keys(dates)) {
			if waiting[date] {
				continue
			}
			if err := v.compareDay(date, dates[date], date < frozen,
				daily[lake.GoldEventDaily.Name] != nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// dailyFacts finds all that is to be counted, as of a state; false if that state is gone.
func (v *Verifier) dailyFacts(ctx context.Context, state lake.DailyState,
	add func(dailyFact) error) (complete bool, err error) {
	var files [4][]iceberg.DataFile
	var lags []string
	for i, part := range []struct {
		definition lake.TableDefinition
		snapshot   int64
	}{{lake.SilverEvents, state.Events}, {lake.SilverSightings, state.Sightings}, {lake.SilverBindings, state.Bindings},
		{lake.GoldUsers, state.Users}} {
		loaded, err := v.Lake.Load(ctx, part.definition)
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
		if files[i], err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(part.snapshot)); err != nil {
			return false, err
		}
	}
	if len(lags) > 0 {
		v.note("the daily aggregates lag behind %s; they are compared with what they reflect", strings.Join(lags, ", "))
	}
	if err := v.plainEvents(ctx, files[0], files[1], files[2], add); err != nil {
		return false, err
	}
	return true, eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldUsers.Name}, files[3],
		func(row *lake.UserRow) error {
			for i, interval := range row.History {
				move := plainMove{Service: interval.Service, Device: interval.Device, After: interval.Version,
					Anonymous: row.UserKind == "session"}
				for _, earlier := range row.History[:i] {
					if earlier.Service == interval.Service && earlier.Device == interval.Device {
						move.Before = earlier.Version // the last one stays
					}
				}
				if err := add(dailyFact{Date: plainDate(interval.ValidFrom), Move: &move}); err != nil {
					return err
				}
			}
			return nil
		})
}

// dailyAsIs adds the rows that there are.
func (v *Verifier) dailyAsIs(ctx context.Context, daily map[string]*table.Table, add func(dailyFact) error) error {
	files, err := lake.LiveFiles(ctx, daily[lake.GoldVersionDaily.Name])
	if err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldVersionDaily.Name}, files,
		func(row *lake.VersionDailyRow) error {
			return add(dailyFact{Date: row.Date, Version: row})
		}); err != nil || daily[lake.GoldEventDaily.Name] == nil {
		return err
	}
	if files, err = lake.LiveFiles(ctx, daily[lake.GoldEventDaily.Name]); err != nil {
		return err
	}
	return eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldEventDaily.Name},
		files, func(row *lake.EventDailyRow) error {
			return add(dailyFact{Date: row.Date, Daily: row})
		})
}

// compareDay counts a date anew, set by set, and compares. Of a frozen date only moves can be counted.
func (v *Verifier) compareDay(date int32, day *plainDay, frozen, both bool) error {
	versions, events := day.count(date)
	is, want := map[string]lake.VersionDailyRow{}, map[string]lake.VersionDailyRow{}
	for _, row := range day.versions {
		key := fmt.Sprintf("%q %q %q", row.Service, row.Version, row.Device)
		if _, twice := is[key]; twice {
			if err := v.differ(Difference{Rule: 1, Table: lake.GoldVersionDaily.Name}, "%s has two rows of %s",
				lake.FormatDate(date), key); err != nil {
				return err
			}
		}
		is[key] = row
	}
	for _, row := range versions {
		want[fmt.Sprintf("%q %q %q", row.Service, row.Version, row.Device)] = row
	}
	keys := maps.Clone(is)
	maps.Copy(keys, want)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		a, b := is[key], want[key]
		var texts []string
		have, should := a.Counts(), b.Counts()
		names := lake.GoldVersionDaily.Schema().Fields()[4:]
		for i := range have {
			if frozen && i < lake.FirstMove {
				continue
			}
			if *have[i] != *should[i] {
				texts = append(texts, fmt.Sprintf("%s is %d and should be %d", names[i].Name, *have[i], *should[i]))
			}
		}
		if len(texts) > 0 {
			if err := v.differ(Difference{Rule: 1, Table: lake.GoldVersionDaily.Name}, "%s %s: %s",
				lake.FormatDate(date), key, strings.Join(texts, "; ")); err != nil {
				return err
			}
		}
	}
	v.checked.Daily += int64(len(day.versions) + len(day.daily))
	if frozen || !both {
		return nil
	}
	return v.compareEvents(date, day.daily, events)
}

func (v *Verifier) compareEvents(date int32, is, want []lake.EventDailyRow) error {
	count := map[lake.EventDailyRow]int{}
	for _, row := range is {
		count[row]++
	}
	for _, row := range want {
		count[row]--
	}
	for row, n := range count {
		text := fmt.Sprintf("%s %q %q %q %s %q %q: %d events, %d users, %d sessions", lake.FormatDate(date),
			row.Service, row.Version, row.Device, row.EventName,
			row.Name, row.Detail, row.Events, row.Users, row.Sessions)
		if n != 0 {
			if err := v.differ(Difference{Rule: 1, Table: lake.GoldEventDaily.Name}, "%s, %s", text,
				map[bool]string{true: "which should not be", false: "which is not there, and should be there"}[n > 0]); err != nil {
				return err
			}
		}
	}
	return nil
}

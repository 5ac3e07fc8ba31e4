package published

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// overdue is how many days after a day an hour must lie for what is missing of the day to be waited for no more.
const overdue = 2

// ended finds the days and months that ended and were not published.
func (p *publisher) ended(ctx context.Context) (days, months []int32, err error) {
	// The ledger first: a run that it has is in the logs of silver that are read after it.
	there, err := p.readLedger(ctx)
	if err != nil {
		return nil, nil, err
	}
	waiting, known, err := p.waiting(ctx)
	if err != nil || !known {
		return nil, nil, err
	}
	newest, any := p.days.last()
	for date := range there {
		if !any || date > newest {
			newest, any = date, true
		}
	}
	for _, date := range slices.Sorted(maps.Keys(there)) {
		if !waiting[date] && (there[date] == 24 || newest >= date+overdue) {
			days = append(days, date)
		}
	}
	return days, p.endedMonths(p.days.with(days), there, waiting, newest), nil
}

// endedMonths are the months whose last day has ended, and of which nothing waits. The published days are given with
// those to come.
func (p *publisher) endedMonths(published spans, there map[int32]int, waiting map[int32]bool,
	newest int32) (months []int32) {
	candidates := map[int32]bool{}
	for _, span := range published {
		for date := span[0]; date <= span[1]; date++ {
			candidates[ledger.MonthOf(date)] = true
		}
	}
	for _, month := range slices.Sorted(maps.Keys(candidates)) {
		first, next := ledger.DatesOf(month)
		last := next - 1
		over := published.has(last) || newest >= last+overdue
		for date := first; date <= last; date++ {
			over = over && !waiting[date] && (there[date] == 0 || published.has(date))
		}
		if over && !p.months.has(month) {
			months = append(months, month)
		}
	}
	return months
}

// readLedger counts the hours of each day that was not published, of days of which an hour has files.
func (p *publisher) readLedger(ctx context.Context) (map[int32]int, error) {
	loaded, err := p.lake.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	hours, filled := map[int32]map[int64]bool{}, map[int32]bool{}
	state, known := loaded.Schema().FindFieldByName("state")
	if !known {
		return nil, errors.New("ops.hours has no column state")
	}
	candidates := map[int32]bool{} // days of which an hour may have files, as statistics tell
	for _, file := range live {
		if date, ok := file.Partition()[lake.PartitionFieldID].(iceberg.Date); !ok || !onlyEmpty(file, state.ID) {
			candidates[int32(date)] = true
		}
	}
	live = slices.DeleteFunc(live, func(file iceberg.DataFile) bool {
		date, ok := file.Partition()[lake.PartitionFieldID].(iceberg.Date)
		return ok && (p.days.has(int32(date)) || !candidates[int32(date)])
	})
	if err := lake.EachRow(ctx, p.lake, live, func(row *lake.HourRow) error {
		if hours[row.IngestDate] == nil {
			hours[row.IngestDate] = map[int64]bool{}
		}
		hours[row.IngestDate][row.HourStart] = true
		filled[row.IngestDate] = filled[row.IngestDate] || row.State != ledger.HourEmpty
		return nil
	}); err != nil {
		return nil, err
	}
	there := map[int32]int{}
	for date := range filled {
		if filled[date] {
			there[date] = len(hours[date])
		}
	}
	return there, nil
}

// onlyEmpty tells whether all rows of a file of the ledger are of hours without files: a lake with years of days that
// never have any would else read them at each refresh.
func onlyEmpty(file iceberg.DataFile, state int) bool {
	return string(file.LowerBoundValues()[state]) == ledger.HourEmpty &&
		string(file.UpperBoundValues()[state]) == ledger.HourEmpty
}

// waiting are the days of which silver holds what the daily aggregates do not count yet; not known where they count
// nothing, or begin anew.
func (p *publisher) waiting(ctx context.Context) (dates map[int32]bool, known bool, err error) {
	if p.daily, err = p.lake.Load(ctx, lake.GoldVersionDaily); err != nil {
		return nil, false, err
	}
	state, known := ledger.DailyStateOf(p.daily)
	if !known {
		return nil, false, nil
	}
	if dates, err = ledger.ErasedDates(p.daily); err != nil {
		return nil, false, err
	}
	users, err := p.lake.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, false, err
	}
	p.users = state.Users
	base := ledger.Base{}
	for at := users.SnapshotByID(state.Users); at != nil && !base.Known; {
		base = ledger.BaseOf(at)
		if at.ParentSnapshotID == nil {
			break
		}
		at = users.SnapshotByID(*at.ParentSnapshotID) // compaction says nothing
	}
	if !base.Known && state.Users != 0 {
		return nil, false, nil
	}
	for _, log := range []ledger.Reached{
		{Definition: lake.SilverEvents, Snapshot: state.Events},
		{Definition: lake.SilverSightings, Snapshot: state.Sightings},
		{Definition: lake.SilverBindings, Snapshot: state.Bindings},
		{Definition: lake.SilverSightings, Snapshot: base.Sightings},
		{Definition: lake.SilverBindings, Snapshot: base.Bindings},
	} {
		loaded, err := p.lake.Load(ctx, log.Definition)
		if err != nil {
			return nil, false, err
		}
		entries, found := ledger.Since(loaded, log.Snapshot)
		if !found {
			return nil, false, nil
		}
		for _, entry := range entries {
			for _, run := range entry.Runs {
				dates[run.Hour.Date()] = true
			}
		}
	}
	return dates, true, nil
}

func firstDates(months []int32) (dates []int32) {
	for _, month := range months {
		first, _ := ledger.DatesOf(month)
		dates = append(dates, first)
	}
	return dates
}

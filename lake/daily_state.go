package lake

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Keys of table properties of the daily aggregates: what each of the two tables reflects. They are properties, and not in the
// summaries of snapshots, since a refresh that changes no row must be noted too, and no expiry may lose them.
const (
	propertyEvents    = "versionlake.events-snapshot"
	propertySightings = summarySightings
	propertyBindings  = summaryBindings
	propertyUsers     = "versionlake.users-snapshot"
	propertyRound     = summaryRound
	propertyRules     = "versionlake.rules"
	propertyFrozen    = "versionlake.frozen-before" // of gold.version_daily; a UTC date, 2022-05-27
	propertyErased    = "versionlake.erased-dates"  // lost events of a forgotten user, which no log of silver tells
)

// dailyRules is the version of what docs/METRICS.md says each number counts. With another one, all dates that are not frozen are
// counted anew.
const dailyRules = "2"

// dailyTables are the daily aggregates in the order of their commits. The state of the last one is the base of a refresh.
var dailyTables = []tableDefinition{goldEventDaily, goldVersionDaily}

// dailyState is what a table of daily aggregates reflects: snapshots of silver's tables and of gold.users, 0 for none.
type dailyState struct {
	Events    int64 `json:"events"`
	Sightings int64 `json:"sightings"`
	Bindings  int64 `json:"bindings"`
	Users     int64 `json:"users"`
}

// dailyStateOf reads a table's state; not known where nothing was counted yet.
func dailyStateOf(loaded *table.Table) (state dailyState, known bool) {
	known = loaded.Properties()[propertyRules] == dailyRules
	for key, id := range map[string]*int64{
		propertyEvents: &state.Events, propertySightings: &state.Sightings, propertyBindings: &state.Bindings, propertyUsers: &state.Users,
	} {
		value, err := strconv.ParseInt(loaded.Properties()[key], 10, 64)
		*id, known = value, known && err == nil
	}
	return state, known
}

func (s dailyState) properties(round string) iceberg.Properties {
	text := func(id int64) string { return strconv.FormatInt(id, 10) }
	return iceberg.Properties{
		propertyEvents: text(s.Events), propertySightings: text(s.Sightings), propertyBindings: text(s.Bindings), propertyUsers: text(s.Users),
		propertyRound: round, propertyRules: dailyRules,
	}
}

// silverTables are those whose logs the daily aggregates follow.
var silverTables = [...]tableDefinition{silverEvents, silverSightings, silverBindings}

// reaches is how far from a row, by silverTables, events lie that it counts for: a binding may be that of a sighting which tells an
// event's device.
var reaches = [...]int64{0, windowMicros, 2 * windowMicros}

// of are the snapshots in the order of silverTables.
func (s dailyState) of() [3]int64 { return [3]int64{s.Events, s.Sightings, s.Bindings} }

// frozenBefore is the first date that is still counted anew: of those before it, events may have been dropped.
func frozenBefore(loaded *table.Table) (int32, error) {
	text := loaded.Properties()[propertyFrozen]
	if text == "" {
		return math.MinInt32, nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("the property %s of gold.version_daily is %q and not a date: set it right in the catalog", propertyFrozen, text)
	}
	return dateOf(date.UnixMicro()), nil
}

// dailyBehind tells whether a refresh would have anything to look at.
func (l *Lake) dailyBehind(ctx context.Context) (bool, error) {
	daily, err := l.load(ctx, goldVersionDaily)
	if err != nil {
		return false, err
	}
	if daily.Properties()[propertyErased] != "" {
		return true, nil
	}
	state, _ := dailyStateOf(daily)
	for definition, reached := range map[*tableDefinition]int64{
		&silverEvents: state.Events, &silverSightings: state.Sightings, &silverBindings: state.Bindings, &goldUsers: state.Users,
	} {
		loaded, err := l.load(ctx, *definition)
		if err != nil {
			return false, err
		}
		if ahead(loaded, reached) {
			return true, nil
		}
	}
	return false, nil
}

// ahead tells whether a table has changed a row since a snapshot.
func ahead(loaded *table.Table, reached int64) bool {
	entries, ok := log(loaded, reached)
	return !ok || slices.ContainsFunc(entries, func(entry logEntry) bool { return !entry.compaction })
}

// erasedDates are those that a table of daily aggregates has to count anew since a user was forgotten.
func erasedDates(loaded *table.Table) (map[int32]bool, error) {
	dates := map[int32]bool{}
	for _, text := range strings.Fields(loaded.Properties()[propertyErased]) {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, fmt.Errorf("the property %s of %s holds %q, which is no date: set it right in the catalog", propertyErased, loaded.Identifier(), text)
		}
		dates[dateOf(date.UnixMicro())] = true
	}
	return dates, nil
}

// recountDates asks for dates to be counted anew with the next refresh.
func (l *Lake) recountDates(ctx context.Context, dates map[int32]bool) error {
	for _, definition := range dailyTables {
		if err := l.commit(ctx, definition, func(loaded *table.Table) (*change, error) {
			if _, known := dailyStateOf(loaded); !known {
				return nil, nil // all dates are to be counted
			}
			all, err := erasedDates(loaded)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, dates)
			var texts []string
			for _, date := range slices.Sorted(maps.Keys(all)) {
				texts = append(texts, formatDate(date))
			}
			return metadataChange(loaded, iceberg.Properties{propertyErased: strings.Join(texts, " ")}), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// FreezeDates keeps what was counted of the dates before one, whatever becomes of their events: it must be called before rows of
// silver.events are dropped, with the day after the latest of them. It never turns back. ErrConflict: the daily aggregates do
// not reflect all of silver.events yet; refresh them first.
func (l *Lake) FreezeDates(ctx context.Context, before int32) error {
	err := l.commit(ctx, goldVersionDaily, func(loaded *table.Table) (*change, error) {
		frozen, err := frozenBefore(loaded)
		if err != nil || frozen >= before {
			return nil, err
		}
		state, _ := dailyStateOf(loaded)
		events, err := l.load(ctx, silverEvents)
		if err != nil {
			return nil, err
		}
		if ahead(events, state.Events) {
			return nil, fmt.Errorf("%w: the daily aggregates are behind silver.events", ErrConflict)
		}
		return metadataChange(loaded, iceberg.Properties{propertyFrozen: formatDate(before)}), nil
	})
	if err != nil {
		return fmt.Errorf("freeze the daily aggregates before %s: %w", formatDate(before), err)
	}
	return nil
}

// metadataChange sets properties, if the table's head is still the one that was looked at.
func metadataChange(loaded *table.Table, properties iceberg.Properties) *change {
	current := loaded.Properties()
	properties = maps.Clone(properties)
	maps.DeleteFunc(properties, func(key, value string) bool { return current[key] == value })
	if len(properties) == 0 {
		return nil
	}
	var head *int64
	if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
		head = &snapshot.SnapshotID
	}
	return &change{
		updates:      []table.Update{table.NewSetPropertiesUpdate(properties)},
		requirements: []table.Requirement{table.AssertRefSnapshotID(table.MainBranch, head)},
	}
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// dateOf is the UTC date of a moment, in days since 1970.
func dateOf(micros int64) int32 {
	date := micros / microsPerDay
	if micros%microsPerDay < 0 {
		date--
	}
	return int32(date)
}

func formatDate(date int32) string {
	return time.Unix(int64(date)*24*60*60, 0).UTC().Format(time.DateOnly)
}

// monthOf is the month of a date, in months since January 1970: Iceberg's month transform.
func monthOf(date int32) int32 {
	year, month, _ := time.Unix(int64(date)*24*60*60, 0).UTC().Date()
	return int32(year-1970)*12 + int32(month) - 1
}

// datesOf are the dates of a month, [from, to).
func datesOf(month int32) (from, to int32) {
	first := func(month int32) int32 {
		return dateOf(time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	}
	return first(month), first(month + 1)
}

func monthPartition(month int32) partition {
	from, _ := datesOf(month)
	return partition{folder: "date_utc_month=" + formatDate(from)[:7], values: map[int]any{partitionFieldID: month}}
}

// monthFiles are the live files of a snapshot of a daily table, by month; 0 is no snapshot.
func monthFiles(ctx context.Context, loaded *table.Table, snapshot int64) (map[int32][]iceberg.DataFile, error) {
	files := map[int32][]iceberg.DataFile{}
	if snapshot == 0 {
		return files, nil
	}
	live, err := liveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		month, ok := file.Partition()[partitionFieldID].(int32)
		if !ok {
			return nil, fmt.Errorf("file %s has no month: %v", file.FilePath(), file.Partition())
		}
		files[month] = append(files[month], file)
	}
	return files, nil
}

func headOf(loaded *table.Table) int64 {
	if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
		return snapshot.SnapshotID
	}
	return 0
}

package ledger

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

const (
	propertyEvents    = "versionlake.events-snapshot"
	propertySightings = lake.SummarySightings
	propertyBindings  = lake.SummaryBindings
	propertyUsers     = "versionlake.users-snapshot"
	PropertyRound     = lake.SummaryRound
	PropertyFrozen    = "versionlake.frozen-before" // of gold.version_daily; a UTC date, 2022-05-27
	PropertyErased    = "versionlake.erased-dates"  // lost events of a forgotten user, which no log of silver tells
)

// dailyRules is the version of what docs/METRICS.md says each number counts. With another one, all dates that are
// not frozen are counted anew.
const dailyRules = "2"

// DailyState is what a table of daily aggregates reflects: snapshots of silver's tables and of gold.users, 0 for none.
type DailyState struct {
	Events    int64 `json:"events"`
	Sightings int64 `json:"sightings"`
	Bindings  int64 `json:"bindings"`
	Users     int64 `json:"users"`
}

// DailyStateOf reads a table's state; not known where nothing was counted yet.
func DailyStateOf(loaded *table.Table) (state DailyState, known bool) {
	known = loaded.Properties()[lake.PropertyRules] == dailyRules
	for key, id := range map[string]*int64{
		propertyEvents: &state.Events, propertySightings: &state.Sightings, propertyBindings: &state.Bindings,
		propertyUsers: &state.Users,
	} {
		value, err := strconv.ParseInt(loaded.Properties()[key], 10, 64)
		*id, known = value, known && err == nil
	}
	return state, known
}

// Note makes a change of a table of daily aggregates that leads to the state; nil where the table has it.
func (s DailyState) Note(loaded *table.Table, round string) *lake.Change {
	change := lake.MetadataChange(loaded, s.properties(round))
	if change != nil {
		turnOn(loaded, change)
	}
	return change
}

func (s DailyState) properties(round string) iceberg.Properties {
	text := func(id int64) string { return strconv.FormatInt(id, 10) }
	return iceberg.Properties{
		propertyEvents: text(s.Events), propertySightings: text(s.Sightings), propertyBindings: text(s.Bindings),
		propertyUsers: text(s.Users),
		PropertyRound: round, lake.PropertyRules: dailyRules,
	}
}

// Of are the snapshots in the order of SilverTables.
func (s DailyState) Of() [3]int64 { return [3]int64{s.Events, s.Sightings, s.Bindings} }

// FrozenBefore is the first date that is still counted anew: of those before it, events may have been dropped.
func FrozenBefore(loaded *table.Table) (int32, error) {
	text := loaded.Properties()[PropertyFrozen]
	if text == "" {
		return math.MinInt32, nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("the property %s of gold.version_daily is %q and not a date: set it right in the catalog",
			PropertyFrozen, text)
	}
	return lake.DateOf(date.UnixMicro()), nil
}

// ErasedDates are those that a table of daily aggregates has to count anew since a user was forgotten.
func ErasedDates(loaded *table.Table) (map[int32]bool, error) {
	dates := map[int32]bool{}
	for _, text := range strings.Fields(loaded.Properties()[PropertyErased]) {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, fmt.Errorf("the property %s of %s holds %q, which is no date: set it right in the catalog",
				PropertyErased, loaded.Identifier(), text)
		}
		dates[lake.DateOf(date.UnixMicro())] = true
	}
	return dates, nil
}

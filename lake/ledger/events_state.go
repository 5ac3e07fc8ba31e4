package ledger

import (
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// eventsRules is the version of what gold.events makes of silver's rows. With another one, or with other Rules, the
// table is made anew.
const eventsRules = 1

// PropertyFilling is an hour, 2022-05-27T05, while gold.events is being filled: it has the hours before it.
const PropertyFilling = "versionlake.filled-before"

// EventsState is what gold.events reflects: snapshots of silver's tables, 0 for none.
type EventsState struct {
	Events, Sightings, Bindings int64
	// Filling: the hours from Next on are not in yet.
	Filling bool
	Next    telemetry.Hour
}

// EventsStateOf reads the state of gold.events; not known where it has to be made from nothing.
func EventsStateOf(loaded *table.Table) (state EventsState, known bool) {
	properties := loaded.Properties()
	known = properties[lake.PropertyRules] == rulesOfEvents()
	for key, id := range map[string]*int64{
		propertyEvents: &state.Events, propertySightings: &state.Sightings, propertyBindings: &state.Bindings,
	} {
		value, err := strconv.ParseInt(properties[key], 10, 64)
		*id, known = value, known && err == nil
	}
	if text := properties[PropertyFilling]; text != "" {
		hour, err := telemetry.ParseHour(text)
		state.Filling, state.Next, known = true, hour, known && err == nil
	}
	return state, known
}

func rulesOfEvents() string { return fmt.Sprintf("%d.%d", lake.Rules, eventsRules) }

// Of are the snapshots in the order of SilverTables.
func (s EventsState) Of() [3]int64 { return [3]int64{s.Events, s.Sightings, s.Bindings} }

// Note adds to a change of gold.events that it leads to the state.
func (s EventsState) Note(loaded *table.Table, round string) *lake.Change {
	text := func(id int64) string { return strconv.FormatInt(id, 10) }
	properties := iceberg.Properties{
		propertyEvents: text(s.Events), propertySightings: text(s.Sightings), propertyBindings: text(s.Bindings),
		PropertyRound: round, lake.PropertyRules: rulesOfEvents(),
	}
	if s.Filling {
		properties[PropertyFilling] = s.Next.String()
	}
	change := lake.MetadataChange(loaded, properties)
	if !s.Filling && loaded.Properties()[PropertyFilling] != "" {
		change.Updates = append(change.Updates, table.NewRemovePropertiesUpdate([]string{PropertyFilling}))
	}
	turnOn(loaded, change)
	change.Summary = iceberg.Properties{lake.SummaryRound: round}
	return change
}

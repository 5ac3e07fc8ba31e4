package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// PropertyOff is "true" on a table of gold that is not kept up to date on purpose: a worker was told so. It goes when
// the table follows again.
const PropertyOff = "versionlake.off"

// IsOff tells whether a table is not kept up to date on purpose.
func IsOff(loaded *table.Table) bool { return loaded.Properties()[PropertyOff] != "" }

// TurnOff notes that a table is not kept up to date from now on.
func TurnOff(ctx context.Context, l *lake.Lake, definition lake.TableDefinition) error {
	return l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		return lake.MetadataChange(loaded, iceberg.Properties{PropertyOff: "true"}), nil
	})
}

// turnOn takes part in a change of a table that follows.
func turnOn(loaded *table.Table, change *lake.Change) {
	if IsOff(loaded) {
		change.Updates = append(change.Updates, table.NewRemovePropertiesUpdate([]string{PropertyOff}))
	}
}

// EventsLag is what gold.events does not show yet.
type EventsLag struct {
	Behind bool
	Off    bool             // on purpose
	Hours  []telemetry.Hour // that came or changed since, in order; whatever else changed is compaction
}

// LagOfEvents compares gold.events with silver.
func LagOfEvents(ctx context.Context, l *lake.Lake) (lag EventsLag, err error) {
	var state EventsState
	known := false
	loaded, err := l.Load(ctx, lake.GoldEvents)
	switch {
	case err == nil:
		lag.Off = IsOff(loaded)
		state, known = EventsStateOf(loaded)
	case !errors.Is(err, lake.ErrNoLake): // else the lake is older than the table, and was not opened for writing since
		return lag, err
	}
	waiting := map[telemetry.Hour]bool{}
	for i, definition := range lake.SilverTables {
		silver, err := l.Load(ctx, definition)
		if err != nil {
			return lag, err
		}
		entries, found := Since(silver, state.Of()[i])
		if known = known && found; !known || state.Filling {
			lag.Behind = lag.Behind || silver.CurrentSnapshot() != nil
			continue
		}
		for _, entry := range entries {
			lag.Behind = lag.Behind || !entry.Compaction
			for _, run := range entry.Runs {
				waiting[run.Hour] = waiting[run.Hour] || !entry.Compaction
			}
		}
	}
	if lag.Behind && (!known || state.Filling) {
		err = allHours(ctx, l, state, waiting)
	}
	for hour, waits := range waiting {
		if waits {
			lag.Hours = append(lag.Hours, hour)
		}
	}
	slices.Sort(lag.Hours)
	return lag, err
}

// allHours adds those of silver.events that a table which is being filled lacks.
func allHours(ctx context.Context, l *lake.Lake, state EventsState, hours map[telemetry.Hour]bool) error {
	silver, err := l.Load(ctx, lake.SilverEvents)
	if err != nil {
		return err
	}
	files, err := lake.LiveFiles(ctx, silver)
	if err != nil {
		return err
	}
	for _, file := range files {
		hour, err := lake.HourOfFile(file)
		if err != nil {
			return err
		}
		if !state.Filling || hour >= state.Next {
			hours[hour] = true
		}
	}
	return nil
}

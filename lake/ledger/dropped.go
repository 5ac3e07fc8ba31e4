package ledger

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Begun tells whether a run has committed anything.
func Begun(ctx context.Context, l *lake.Lake, run lake.Run) (bool, error) {
	for _, definition := range lake.HourTables {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return false, err
		}
		if _, begun := lake.RunSnapshot(loaded, run); begun {
			return true, nil
		}
	}
	return false, nil
}

// Layers whose hours may be dropped. Sightings and bindings stay as long as gold keeps history, and so does the ledger.
const (
	LayerBronze = "bronze" // bronze.events and bronze.rejects
	LayerEvents = "events" // silver.events
)

// Layers are the tables of each layer.
var Layers = map[string][]lake.TableDefinition{
	LayerBronze: {lake.BronzeEvents, lake.BronzeRejects},
	LayerEvents: {lake.SilverEvents},
}

// PropertyDropped is the table property that says which hours are gone on purpose: those before it.
const PropertyDropped = "versionlake.dropped-before"

// DroppedBefore reads what a table says of dropped hours.
func DroppedBefore(loaded *table.Table) (telemetry.Hour, bool) {
	hour, err := telemetry.ParseHour(loaded.Properties()[PropertyDropped])
	return hour, err == nil
}

// IsDropped tells whether a table keeps no rows of an hour any more.
func IsDropped(loaded *table.Table, hour telemetry.Hour) bool {
	before, ok := DroppedBefore(loaded)
	return ok && hour < before
}

// RefuseDropped looks at every layer that may be dropped: an hour that was must not come back. A run that had committed
// something by then goes on, and leaves those layers out, since gold waits for what is half committed.
func RefuseDropped(ctx context.Context, l *lake.Lake, run lake.Run) error {
	dropped, err := LastDropped(ctx, l)
	if err != nil {
		return err
	}
	return RefuseIfDropped(ctx, l, dropped, run)
}

// LastDropped is the table that dropped the latest hours; nil: nothing was dropped.
func LastDropped(ctx context.Context, l *lake.Lake) (last *table.Table, err error) {
	for _, tables := range Layers {
		loaded, err := l.Load(ctx, tables[0])
		if err != nil {
			return nil, err
		}
		before, dropped := DroppedBefore(loaded)
		if dropped && (last == nil || !IsDropped(last, before-1)) {
			last = loaded
		}
	}
	return last, nil
}

func RefuseIfDropped(ctx context.Context, l *lake.Lake, dropped *table.Table, run lake.Run) error {
	if dropped == nil || !IsDropped(dropped, run.Hour) {
		return nil
	}
	if begun, err := Begun(ctx, l, run); begun || err != nil {
		return err
	}
	before, _ := DroppedBefore(dropped)
	return fmt.Errorf("%w: the rows of %s before %s were dropped, and hour %s would bring some back: it can't be "+
		"ingested again",
		lake.ErrDropped, lake.TableName(dropped), before, run.Hour)
}

package lake

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// Layers whose hours may be dropped. Sightings and bindings stay as long as gold keeps history, and so does the ledger.
const (
	LayerBronze = "bronze" // bronze.events and bronze.rejects
	LayerEvents = "events" // silver.events
)

// layers are the tables of each layer.
var layers = map[string][]tableDefinition{
	LayerBronze: {bronzeEvents, bronzeRejects},
	LayerEvents: {silverEvents},
}

// propertyDropped is the table property that says which hours are gone on purpose: those before it.
const propertyDropped = "versionlake.dropped-before"

// DropBefore drops a layer's rows of all hours before one, in a commit a table, and remembers it: those hours are not
// ingested again. Their bytes go when the snapshots that show them are expired. ErrConflict: the daily aggregates have not
// counted all events yet; nothing was dropped.
func (l *Lake) DropBefore(ctx context.Context, layer string, before telemetry.Hour, dryRun bool) ([]Saving, error) {
	tables, ok := layers[layer]
	if !ok {
		return nil, fmt.Errorf("%w: there is no layer %q to be dropped, only %s and %s", ErrConfig, layer, LayerBronze, LayerEvents)
	}
	var savings []Saving
	for _, definition := range tables {
		saving := Saving{Table: definition.name, Step: StepDrop, What: "files"}
		if definition.name == silverEvents.name && !dryRun {
			if err := l.freezeDaily(ctx, before); err != nil {
				return savings, err
			}
		}
		err := l.change(ctx, definition, dryRun, func(loaded *table.Table) (*change, error) {
			old, live, err := filesBefore(ctx, loaded, before)
			if err != nil {
				return nil, err
			}
			if err := l.checkFrozen(ctx, definition, old, dryRun); err != nil {
				return nil, err
			}
			saving.Before, saving.After, saving.Bytes = int64(live), int64(live-len(old)), bytesOf(old)
			wanted := &change{remove: old, summary: iceberg.Properties{propertyDropped: before.String()}}
			if until, ok := droppedBefore(loaded); !ok || until < before {
				wanted.updates = []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{propertyDropped: before.String()})}
			}
			return wanted, nil
		})
		if err != nil {
			return savings, fmt.Errorf("drop hours before %s: %w", before, err)
		}
		savings = append(savings, saving)
	}
	return savings, nil
}

// freezeDaily lets the daily aggregates keep what they counted of events that are about to go. ErrConflict: they have not counted
// all of them yet.
func (l *Lake) freezeDaily(ctx context.Context, before telemetry.Hour) error {
	events, err := l.load(ctx, silverEvents)
	if err != nil {
		return err
	}
	old, _, err := filesBefore(ctx, events, before)
	if err != nil || len(old) == 0 {
		return err
	}
	day, err := dayAfter(old)
	if err != nil {
		return err
	}
	return l.FreezeDates(ctx, day)
}

// checkFrozen refuses to drop events that came since their dates were frozen. ErrConflict: freeze again.
func (l *Lake) checkFrozen(ctx context.Context, definition tableDefinition, old []iceberg.DataFile, dryRun bool) error {
	if definition.name != silverEvents.name || len(old) == 0 || dryRun {
		return nil
	}
	daily, err := l.load(ctx, goldVersionDaily)
	if err != nil {
		return err
	}
	frozen, err := frozenBefore(daily)
	if err != nil {
		return err
	}
	day, err := dayAfter(old)
	if err == nil && frozen < day {
		err = fmt.Errorf("%w: events came that the daily aggregates have not counted", ErrConflict)
	}
	return err
}

// dayAfter is the date after that of the last event of files.
func dayAfter(files []iceberg.DataFile) (int32, error) {
	last := int32(math.MinInt32)
	for _, file := range files {
		_, high := bounds(file, eventTimeField)
		if high == math.MaxInt64 {
			return 0, fmt.Errorf("%s does not say when its last event was", file.FilePath())
		}
		last = max(last, dateOf(high))
	}
	return last + 1, nil
}

// filesBefore are the live files of the hours before one, and the number of all live files.
func filesBefore(ctx context.Context, loaded *table.Table, before telemetry.Hour) (old []iceberg.DataFile, live int, err error) {
	files, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, 0, err
	}
	old = slices.DeleteFunc(slices.Clone(files), func(file iceberg.DataFile) bool {
		hour, err := hourOfFile(file)
		return err != nil || hour >= before
	})
	return old, len(files), nil
}

// droppedBefore reads what a table says of dropped hours.
func droppedBefore(loaded *table.Table) (telemetry.Hour, bool) {
	hour, err := telemetry.ParseHour(loaded.Properties()[propertyDropped])
	return hour, err == nil
}

// isDropped tells whether a table keeps no rows of an hour any more.
func isDropped(loaded *table.Table, hour telemetry.Hour) bool {
	before, ok := droppedBefore(loaded)
	return ok && hour < before
}

// refuseDropped looks at every layer that may be dropped: an hour that was must not come back. A run that had committed
// something by then goes on, and leaves those layers out, since gold waits for what is half committed.
func (l *Lake) refuseDropped(ctx context.Context, run Run) error {
	dropped, err := l.lastDropped(ctx)
	if err != nil {
		return err
	}
	return l.refuseIfDropped(ctx, dropped, run)
}

// DroppedBefore is the hour before which hours are gone on purpose, and can't be ingested again; false: none are.
func (l *Lake) DroppedBefore(ctx context.Context) (before telemetry.Hour, dropped bool, err error) {
	last, err := l.lastDropped(ctx)
	if err != nil || last == nil {
		return 0, false, err
	}
	before, dropped = droppedBefore(last)
	return before, dropped, nil
}

// lastDropped is the table that dropped the latest hours; nil: nothing was dropped.
func (l *Lake) lastDropped(ctx context.Context) (last *table.Table, err error) {
	for _, tables := range layers {
		loaded, err := l.load(ctx, tables[0])
		if err != nil {
			return nil, err
		}
		before, dropped := droppedBefore(loaded)
		if dropped && (last == nil || !isDropped(last, before-1)) {
			last = loaded
		}
	}
	return last, nil
}

func (l *Lake) refuseIfDropped(ctx context.Context, dropped *table.Table, run Run) error {
	if dropped == nil || !isDropped(dropped, run.Hour) {
		return nil
	}
	if begun, err := l.begun(ctx, run); begun || err != nil {
		return err
	}
	before, _ := droppedBefore(dropped)
	return fmt.Errorf("%w: the rows of %s before %s were dropped, and hour %s would bring some back: it can't be ingested again",
		ErrDropped, tableName(dropped), before, run.Hour)
}

func bytesOf(files []iceberg.DataFile) (bytes int64) {
	for _, file := range files {
		bytes += file.FileSizeBytes()
	}
	return bytes
}

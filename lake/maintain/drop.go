package maintain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// DropBefore drops a layer's rows of all hours before one, in a commit a table, and remembers it: those hours are
// not ingested again. Their bytes go when the snapshots that show them are expired. ErrConflict: the daily
// aggregates have not counted all events yet; nothing was dropped.
func DropBefore(ctx context.Context, l *lake.Lake, layer string, before telemetry.Hour, dryRun bool) ([]Saving, error) {
	tables, ok := ledger.Layers[layer]
	if !ok {
		return nil, fmt.Errorf("%w: there is no layer %q to be dropped, only %s and %s", objects.ErrConfig,
			layer, ledger.LayerBronze, ledger.LayerEvents)
	}
	var savings []Saving
	for _, definition := range tables {
		saving := Saving{Table: definition.Name, Step: StepDrop, What: "files"}
		if definition.Name == lake.SilverEvents.Name && !dryRun {
			if err := freezeDaily(ctx, l, before); err != nil {
				return savings, err
			}
		}
		err := change(ctx, l, definition, dryRun, func(loaded *table.Table) (*lake.Change, error) {
			old, live, err := filesBefore(ctx, loaded, before)
			if err != nil {
				return nil, err
			}
			if err := checkFrozen(ctx, l, definition, old, dryRun); err != nil {
				return nil, err
			}
			saving.Before, saving.After, saving.Bytes = int64(live), int64(live-len(old)), bytesOf(old)
			wanted := &lake.Change{Remove: old, Summary: iceberg.Properties{ledger.PropertyDropped: before.String()}}
			if until, ok := ledger.DroppedBefore(loaded); !ok || until < before {
				wanted.Updates = []table.Update{
					table.NewSetPropertiesUpdate(iceberg.Properties{ledger.PropertyDropped: before.String()})}
			}
			return wanted, nil
		})
		if err != nil {
			return savings, fmt.Errorf("drop hours before %s: %w", before, err)
		}
		savings = append(savings, saving)
	}
	if layer == ledger.LayerEvents {
		done, err := events.DropBefore(ctx, l, before, dryRun)
		if err != nil {
			return savings, fmt.Errorf("drop events of hours before %s: %w", before, err)
		}
		savings = append(savings, Saving{Table: lake.GoldEvents.Name, Step: StepDrop, What: "files",
			Before: done.Before, After: done.After, Bytes: done.Bytes})
	}
	return savings, nil
}

// freezeDaily lets the daily aggregates keep what they counted of events that are about to go. ErrConflict: they
// have not counted all of them yet.
func freezeDaily(ctx context.Context, l *lake.Lake, before telemetry.Hour) error {
	silver, err := l.Load(ctx, lake.SilverEvents)
	if err != nil {
		return err
	}
	old, _, err := filesBefore(ctx, silver, before)
	if err != nil || len(old) == 0 {
		return err
	}
	day, err := dayAfter(old)
	if err != nil {
		return err
	}
	return daily.FreezeDates(ctx, l, day)
}

// checkFrozen refuses to drop events that came since their dates were frozen. ErrConflict: freeze again.
func checkFrozen(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, old []iceberg.DataFile,
	dryRun bool) error {
	if definition.Name != lake.SilverEvents.Name || len(old) == 0 || dryRun {
		return nil
	}
	daily, err := l.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return err
	}
	frozen, err := ledger.FrozenBefore(daily)
	if err != nil {
		return err
	}
	day, err := dayAfter(old)
	if err == nil && frozen < day {
		err = fmt.Errorf("%w: events came that the daily aggregates have not counted", lake.ErrConflict)
	}
	return err
}

// dayAfter is the date after that of the last event of files.
func dayAfter(files []iceberg.DataFile) (int32, error) {
	last := int32(math.MinInt32)
	for _, file := range files {
		_, high := lake.Bounds(file, lake.EventTimeField)
		if high == math.MaxInt64 {
			return 0, fmt.Errorf("%s does not say when its last event was", file.FilePath())
		}
		last = max(last, lake.DateOf(high))
	}
	return last + 1, nil
}

// filesBefore are the live files of the hours before one, and the number of all live files.
func filesBefore(ctx context.Context, loaded *table.Table,
	before telemetry.Hour) (old []iceberg.DataFile, live int, err error) {
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, 0, err
	}
	old = slices.DeleteFunc(slices.Clone(files), func(file iceberg.DataFile) bool {
		hour, err := lake.HourOfFile(file)
		return err != nil || hour >= before
	})
	return old, len(files), nil
}

// DroppedBefore is the hour before which hours are gone on purpose, and can't be ingested again; false: none are.
func DroppedBefore(ctx context.Context, l *lake.Lake) (before telemetry.Hour, dropped bool, err error) {
	last, err := ledger.LastDropped(ctx, l)
	if err != nil || last == nil {
		return 0, false, err
	}
	before, dropped = ledger.DroppedBefore(last)
	return before, dropped, nil
}

func bytesOf(files []iceberg.DataFile) (bytes int64) {
	for _, file := range files {
		bytes += file.FileSizeBytes()
	}
	return bytes
}

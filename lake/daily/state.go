package daily

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Behind tells whether a refresh would have anything to look at.
func Behind(ctx context.Context, l *lake.Lake) (bool, error) {
	daily, err := l.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return false, err
	}
	if daily.Properties()[ledger.PropertyErased] != "" {
		return true, nil
	}
	state, _ := ledger.DailyStateOf(daily)
	for definition, reached := range map[*lake.TableDefinition]int64{
		&lake.SilverEvents: state.Events, &lake.SilverSightings: state.Sightings,
		&lake.SilverBindings: state.Bindings, &lake.GoldUsers: state.Users,
	} {
		loaded, err := l.Load(ctx, *definition)
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
	entries, ok := ledger.Since(loaded, reached)
	return !ok || slices.ContainsFunc(entries, func(entry ledger.LogEntry) bool { return !entry.Compaction })
}

// RecountDates asks for dates to be counted anew with the next refresh.
func RecountDates(ctx context.Context, l *lake.Lake, dates map[int32]bool) error {
	for _, definition := range lake.DailyTables {
		if err := l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
			if _, known := ledger.DailyStateOf(loaded); !known {
				return nil, nil // all dates are to be counted
			}
			all, err := ledger.ErasedDates(loaded)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, dates)
			var texts []string
			for _, date := range slices.Sorted(maps.Keys(all)) {
				texts = append(texts, lake.FormatDate(date))
			}
			return lake.MetadataChange(loaded, iceberg.Properties{ledger.PropertyErased: strings.Join(texts, " ")}), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// FreezeDates keeps what was counted of the dates before one, whatever becomes of their events: it must be called
// before rows of silver.events are dropped, with the day after the latest of them. It never turns back.
// ErrConflict: the daily aggregates do not reflect all of silver.events yet; refresh them first.
func FreezeDates(ctx context.Context, l *lake.Lake, before int32) error {
	err := l.Commit(ctx, lake.GoldVersionDaily, func(loaded *table.Table) (*lake.Change, error) {
		frozen, err := ledger.FrozenBefore(loaded)
		if err != nil || frozen >= before {
			return nil, err
		}
		state, _ := ledger.DailyStateOf(loaded)
		events, err := l.Load(ctx, lake.SilverEvents)
		if err != nil {
			return nil, err
		}
		if ahead(events, state.Events) {
			return nil, fmt.Errorf("%w: the daily aggregates are behind silver.events", lake.ErrConflict)
		}
		return lake.MetadataChange(loaded, iceberg.Properties{ledger.PropertyFrozen: lake.FormatDate(before)}), nil
	})
	if err != nil {
		return fmt.Errorf("freeze the daily aggregates before %s: %w", lake.FormatDate(before), err)
	}
	return nil
}

// monthFiles are the live files of a snapshot of a daily table, by month; 0 is no snapshot.
func monthFiles(ctx context.Context, loaded *table.Table, snapshot int64) (map[int32][]iceberg.DataFile, error) {
	files := map[int32][]iceberg.DataFile{}
	if snapshot == 0 {
		return files, nil
	}
	live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		month, ok := file.Partition()[lake.PartitionFieldID].(int32)
		if !ok {
			return nil, fmt.Errorf("file %s has no month: %v", file.FilePath(), file.Partition())
		}
		files[month] = append(files[month], file)
	}
	return files, nil
}

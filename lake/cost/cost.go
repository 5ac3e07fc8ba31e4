// Package cost weighs a lake: what its tables hold and have held, what the warehouse holds, what a day adds, and
// what that costs.
package cost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Size is a number of objects with their bytes.
type Size struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (s *Size) add(bytes int64) { s.Objects, s.Bytes = s.Objects+1, s.Bytes+bytes }

// Table is what a table weighs.
type Table struct {
	Layer string `json:"layer"`
	Name  string `json:"table"`
	// Live are the data files of the newest snapshot; Named those that any snapshot names, the newest among them.
	Live  Size `json:"live"`
	Named Size `json:"snapshots"`
	// Held is all that lies in the table's folder: metadata, too, and what maintenance has not swept yet.
	Held Size `json:"held"`
	// DayBytes are what a day of hours adds to Live.
	DayBytes int64 `json:"day_bytes"`
	// KeptFor is the layer of retention that the rows go with: ledger.LayerBronze, LayerEvents; "" is for ever.
	KeptFor string `json:"kept_for,omitempty"`
}

// Weight is what a lake weighs.
type Weight struct {
	Tables []Table `json:"tables"`
	// Other is what lies in the warehouse beside the tables: staged work, and notes of maintenance.
	Other Size `json:"other"`
	// Hours is how many there are from the first hour to the newest.
	Hours int64 `json:"hours"`
}

// recentHours is of how many of the newest hours it is measured what a day adds.
const recentHours = 7 * 24

// Weigh reads the tables' metadata, and lists the warehouse.
func Weigh(ctx context.Context, l *lake.Lake) (*Weight, error) {
	hours, err := ledger.Hours(ctx, l, telemetry.Hour(-1<<20), telemetry.Hour(1<<26))
	if err != nil {
		return nil, err
	}
	w := &Weight{}
	var newest telemetry.Hour
	if len(hours) > 0 {
		newest = hours[len(hours)-1].Hour
		w.Hours = int64(newest-hours[0].Hour) + 1
	}
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(ctx, definition)
		if errors.Is(err, lake.ErrNoLake) {
			continue // a lake that is older than the table
		}
		if err != nil {
			return nil, err
		}
		t := Table{Name: definition.Name, KeptFor: keptFor(definition)}
		t.Layer, _, _ = strings.Cut(t.Name, ".")
		if t.Named, err = named(ctx, l, loaded); err != nil {
			return nil, err
		}
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			t.Live.add(file.FileSizeBytes())
		}
		if t.DayBytes, err = w.dayBytes(definition, live, newest); err != nil {
			return nil, err
		}
		w.Tables = append(w.Tables, t)
	}
	return w, w.list(ctx, l)
}

// list adds what is held, by the folders of the tables.
func (w *Weight) list(ctx context.Context, l *lake.Lake) error {
	return l.Objects.Walk(ctx, l.Objects.Root, func(object string, size int64) error {
		name := strings.TrimPrefix(object, l.Objects.Root+"/")
		held := &w.Other
		for i, t := range w.Tables {
			if strings.HasPrefix(name, strings.ReplaceAll(t.Name, ".", "/")+"/") {
				held = &w.Tables[i].Held
			}
		}
		held.add(size)
		return nil
	})
}

// named measures the data files that any snapshot names.
func named(ctx context.Context, l *lake.Lake, loaded *table.Table) (all Size, err error) {
	manifests, files := map[string]bool{}, map[string]bool{}
	for _, snapshot := range loaded.Metadata().Snapshots() {
		list, err := snapshot.Manifests(l.Objects.IO)
		if err != nil {
			return all, fmt.Errorf("read the manifests of %s, snapshot %d: %w", lake.TableName(loaded),
				snapshot.SnapshotID, err)
		}
		for _, manifest := range list {
			if manifests[manifest.FilePath()] {
				continue
			}
			manifests[manifest.FilePath()] = true
			for entry, err := range manifest.Entries(l.Objects.IO, true) {
				if err != nil {
					return all, fmt.Errorf("read the manifest %s: %w", manifest.FilePath(), err)
				}
				if file := entry.DataFile(); !files[file.FilePath()] {
					files[file.FilePath()] = true
					all.add(file.FileSizeBytes())
				}
			}
			if err := ctx.Err(); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

func keptFor(definition lake.TableDefinition) string {
	if definition.Name == lake.GoldEvents.Name { // which goes with silver.events, by days of its own
		return ledger.LayerEvents
	}
	for layer, tables := range ledger.Layers {
		for _, each := range tables {
			if each.Name == definition.Name {
				return layer
			}
		}
	}
	return ""
}

// dayBytes is what 24 hours add: of tables by hour or by day what the newest ones have, of others what all have on
// the average.
func (w *Weight) dayBytes(definition lake.TableDefinition, live []iceberg.DataFile,
	newest telemetry.Hour) (int64, error) {
	if w.Hours == 0 {
		return 0, nil
	}
	hours, bytes := w.Hours, 0.0
	byTime := slices.Equal(definition.Partition, lake.HourPartition) ||
		slices.Equal(definition.Partition, lake.DayPartition)
	if byTime {
		hours = min(hours, recentHours)
	}
	for _, file := range live {
		share := 1.0
		if byTime {
			first, last, err := definition.HoursOf(file)
			if err != nil {
				return 0, err
			}
			if !definition.ByDay() && slices.Equal(definition.Partition, lake.DayPartition) {
				last += 23
			}
			last = min(last, newest)
			since := newest - telemetry.Hour(hours) + 1
			share = max(0, float64(last-max(first, since)+1)) / float64(max(1, last-first+1))
		}
		bytes += share * float64(file.FileSizeBytes())
	}
	return int64(bytes * 24 / float64(hours)), nil
}

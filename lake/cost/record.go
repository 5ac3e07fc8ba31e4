package cost

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/ops"
)

// Record keeps in ops.storage what a lake weighed at a time. Another weighing of the same UTC day is replaced, and
// each month keeps one file.
func Record(ctx context.Context, l *lake.Lake, w *Weight, at time.Time) error {
	at = at.UTC()
	rows := rowsOf(w, at)
	month := ledger.MonthOf(rows[0].Date)
	err := l.Commit(ctx, lake.OpsStorage, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		live = slices.DeleteFunc(live, func(file iceberg.DataFile) bool {
			return file.Partition()[lake.PartitionFieldID] != month
		})
		kept, err := lake.ReadRows[ops.StorageRow](ctx, l, live)
		if err != nil {
			return nil, err
		}
		kept = slices.DeleteFunc(kept, func(row ops.StorageRow) bool { return row.Date == rows[0].Date })
		whole := slices.SortedFunc(slices.Values(slices.Concat(kept, rows)), inOrder)
		written, err := ledger.WriteParts(ctx, l, lake.OpsStorage, map[int32][]ops.StorageRow{month: whole},
			ledger.MonthPartition, fmt.Sprintf("storage-%d", time.Now().UnixNano()))
		if err != nil {
			return nil, err
		}
		added, err := l.Entries(lake.OpsStorage, written[month])
		return &lake.Change{Remove: live, Add: added, Fresh: true}, err
	})
	if err != nil {
		return fmt.Errorf("record what the lake weighs: %w", err)
	}
	return nil
}

func rowsOf(w *Weight, at time.Time) (rows []ops.StorageRow) {
	add := func(t Table) {
		rows = append(rows, ops.StorageRow{Date: lake.DateOf(at.UnixMicro()), Layer: t.Layer, Table: t.Name,
			Files: t.Live.Objects, Bytes: t.Live.Bytes, SnapshotFiles: t.Named.Objects, SnapshotBytes: t.Named.Bytes,
			HeldObjects: t.Held.Objects, HeldBytes: t.Held.Bytes, DayBytes: t.DayBytes, WeighedAt: at.UnixMicro()})
	}
	for _, t := range w.Tables {
		add(t)
	}
	add(Table{Layer: ops.Beside, Name: ops.Beside, Held: w.Other})
	return rows
}

func inOrder(a, b ops.StorageRow) int {
	return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Table, b.Table))
}

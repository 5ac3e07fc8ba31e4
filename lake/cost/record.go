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
	"github.com/versionlake/versionlake/lake/weighing"
)

// Record keeps in ops.storage what a lake weighed at a time. Another weighing of the same UTC day is replaced, and
// each month keeps one file.
func Record(ctx context.Context, l *lake.Lake, w *Weight, at time.Time) error {
	at = at.UTC()
	month := int32(at.Year()-1970)*12 + int32(at.Month()) - 1 // Iceberg's month transform
	rows := rowsOf(w, at)
	err := l.Commit(ctx, lake.OpsStorage, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		live = slices.DeleteFunc(live, func(file iceberg.DataFile) bool {
			return file.Partition()[lake.PartitionFieldID] != month
		})
		kept, err := lake.ReadRows[weighing.StorageRow](ctx, l, live)
		if err != nil {
			return nil, err
		}
		kept = slices.DeleteFunc(kept, func(row weighing.StorageRow) bool { return row.Date == rows[0].Date })
		added, err := write(l, month, at, slices.Concat(kept, rows))
		return &lake.Change{Remove: live, Add: added, Fresh: true}, err
	})
	if err != nil {
		return fmt.Errorf("record what the lake weighs: %w", err)
	}
	return nil
}

func rowsOf(w *Weight, at time.Time) (rows []weighing.StorageRow) {
	add := func(t Table) {
		rows = append(rows, weighing.StorageRow{Date: lake.DateOf(at.UnixMicro()), Layer: t.Layer, Table: t.Name,
			Files: t.Live.Objects, Bytes: t.Live.Bytes, SnapshotFiles: t.Named.Objects, SnapshotBytes: t.Named.Bytes,
			HeldObjects: t.Held.Objects, HeldBytes: t.Held.Bytes, DayBytes: t.DayBytes, WeighedAt: at.UnixMicro()})
	}
	for _, t := range w.Tables {
		add(t)
	}
	add(Table{Layer: weighing.Beside, Name: weighing.Beside, Held: w.Other})
	return rows
}

func write(l *lake.Lake, month int32, at time.Time, rows []weighing.StorageRow) ([]iceberg.DataFile, error) {
	slices.SortFunc(rows, func(a, b weighing.StorageRow) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Table, b.Table))
	})
	writer, err := lake.NewDataWriter[weighing.StorageRow](l, lake.OpsStorage, lake.Partition{
		Folder: "date_utc_month=" + at.Format("2006-01"), Values: map[int]any{lake.PartitionFieldID: month}})
	if err != nil {
		return nil, err
	}
	if err := writer.Append(rows, 0); err != nil {
		writer.Abort()
		return nil, err
	}
	file, err := writer.Close(fmt.Sprintf("storage-%d", time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	return l.Entries(lake.OpsStorage, []lake.DataFile{*file})
}

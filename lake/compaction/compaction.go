// Package compaction puts data files together: several as one.
package compaction

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// CompareFiles orders the files of a partition as their rows follow each other.
func CompareFiles(d lake.TableDefinition, a, b iceberg.DataFile) int {
	var hourA, hourB telemetry.Hour
	if d.ByDay() {
		hourA, _, _ = d.HoursOf(a)
		hourB, _, _ = d.HoursOf(b)
	}
	var lowA, lowB int64
	if d.Compact == lake.CompactBySession || d.Compact == lake.CompactByHour {
		lowA, _ = lake.Bounds(a, 1)
		lowB, _ = lake.Bounds(b, 1)
	}
	return cmp.Or(cmp.Compare(hourA, hourB), cmp.Compare(lowA, lowB),
		strings.Compare(path.Base(a.FilePath()), path.Base(b.FilePath())))
}

// compactedName keeps what the name of the first file says of the order and of the cluster.
func compactedName(first string) string {
	parts := strings.Split(strings.TrimSuffix(path.Base(first), ".parquet"), "-")
	parts = parts[:len(parts)-1] // the digest
	mark := fmt.Sprintf("%s%d", lake.CompactedMark, time.Now().UnixNano())
	if len(parts) > 2 {
		parts[2] = mark // in the place of the time
	} else {
		parts = append(parts, mark)
	}
	return strings.Join(parts, "-")
}

// Together writes rows into one file of the partition that they belong to, each hour of a day in row groups of
// its own.
func Together(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	parts []lake.HourRows) (*lake.DataFile, error) {
	made, err := l.ListDigests(parts)
	if err != nil {
		return nil, err
	}
	schema := parquet.SchemaOf(definition.Row)
	writer, err := lake.NewDataWriter[any](l, definition, definition.At(parts[0].Hour), schema,
		parquet.KeyValueMetadata(lake.FooterDigests, made))
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		if i > 0 && part.Hour != parts[i-1].Hour {
			err = writer.EndGroup()
		}
		if err == nil {
			err = CopyRows(ctx, l, part.File, schema, writer)
		}
		if err != nil {
			writer.Abort()
			return nil, err
		}
	}
	return writer.Close(compactedName(parts[0].File.FilePath()))
}

// CopyRows adds the rows of a file to another one.
func CopyRows(ctx context.Context, l *lake.Lake, file iceberg.DataFile, schema *parquet.Schema,
	writer *lake.DataWriter[any]) error {
	const batch = 256
	rows := make([]parquet.Row, 0, batch)
	flush := func() error {
		err := writer.WriteRaw(rows)
		rows = rows[:0]
		return err
	}
	count := int64(0)
	err := l.ScanRaw(ctx, file, schema, func(row parquet.Row) error {
		count++
		if rows = append(rows, row.Clone()); len(rows) < batch { // its texts are the scan's
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && count != file.Count() {
		err = fmt.Errorf("%s has %d rows, and the table says %d", file.FilePath(), count, file.Count())
	}
	return err
}

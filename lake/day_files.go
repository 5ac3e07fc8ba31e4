package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/columnar"
	"github.com/versionlake/versionlake/telemetry"
)

// Tables whose rows stay for ever are partitioned by day. Their hours begin as files of their own; maintenance puts
// those of a day together, each hour in row groups of its own, so that an hour is read, compared and replaced
// without its neighbours.

// HourRows are an hour's rows in one file: the whole file, or part of it.
type HourRows struct {
	Hour telemetry.Hour
	File iceberg.DataFile
}

// PartOfFile is a data file of which only the rows of some hours count.
type PartOfFile struct {
	iceberg.DataFile
	day     telemetry.Hour // its first hour
	Hours   []int32        // of the day
	rows    int64
	digests []string      // of what an hour was put together from
	Whole   []*PartOfFile // all parts of the file, each of one hour
}

func (p *PartOfFile) Count() int64 { return p.rows }

func (p *PartOfFile) has(hour int32) bool { return slices.Contains(p.Hours, hour) }

// of says whether all rows of a row group count, and whether some may, which have to be looked at one by one.
func (p *PartOfFile) of(group parquet.RowGroup, hourLeaf int) (all, some bool) {
	low, high := hoursOfGroup(group, hourLeaf)
	some = slices.ContainsFunc(p.Hours, func(hour int32) bool { return hour >= low && hour <= high })
	return some && low == high, some
}

// hoursOfGroup are the first and the last hour of a row group, of any day.
func hoursOfGroup(group parquet.RowGroup, hourLeaf int) (low, high int32) {
	if chunk, ok := group.ColumnChunks()[hourLeaf].(*parquet.FileColumnChunk); ok {
		if low, high, ok := chunk.Bounds(); ok {
			return low.Int32(), high.Int32()
		}
	}
	return 0, 23
}

// scanPart does for a part of a file what ScanRows does.
func scanPart[T any](ctx context.Context, l *Lake, part *PartOfFile, each func([]T) error) error {
	err := l.EachGroup(part, func(group RowGroup) error {
		return columnar.ScanRows(ctx, parquet.NewGenericRowGroupReader[T](group), group.NumRows(),
			func(rows []T) error {
				if group.Whole {
					return each(rows)
				}
				return each(slices.DeleteFunc(rows,
					func(row T) bool { return !part.has(any(&row).(Hourly).Hour().OfDay()) }))
			})
	})
	return l.DamageOf(ctx, part, err)
}

// ByHour divides a file into its hours, in their order. A file of one hour is not opened.
func (l *Lake) ByHour(ctx context.Context, definition TableDefinition,
	file iceberg.DataFile) (hours []HourRows, err error) {
	first, last, err := definition.HoursOf(file)
	if err != nil {
		return nil, err
	}
	if first == last {
		return []HourRows{{first, file}}, nil
	}
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	leaf, ok := parsed.Schema().Lookup(hourColumn)
	if !ok {
		return nil, fmt.Errorf("read %s: it has no column %s", file.FilePath(), hourColumn)
	}
	rows := map[int32]int64{}
	for _, group := range parsed.RowGroups() {
		if low, high := hoursOfGroup(group, leaf.ColumnIndex); low == high {
			rows[low] += group.NumRows()
			continue
		}
		if err := columnar.ScanGroup(ctx, group, []int{leaf.ColumnIndex}, func(row parquet.Row) error {
			rows[row[0].Int32()]++
			return nil
		}); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.FilePath(), err)
		}
	}
	digests := digestsByHour(parsed)
	whole := make([]*PartOfFile, 0, len(rows))
	for _, hour := range slices.Sorted(maps.Keys(rows)) {
		part := &PartOfFile{DataFile: file, day: FirstHour(first.Date()), Hours: []int32{hour}, rows: rows[hour],
			digests: digests[hour]}
		if len(part.digests) == 0 {
			part.digests = []string{Digest(file.FilePath())}
		}
		whole = append(whole, part)
	}
	for _, part := range whole {
		part.Whole = whole
		hours = append(hours, part.hourRows())
	}
	return hours, nil
}

// Joined is several parts of a file as one.
func Joined(parts []*PartOfFile) *PartOfFile {
	one := &PartOfFile{DataFile: parts[0].DataFile, day: parts[0].day, Whole: parts[0].Whole}
	for _, part := range parts {
		one.Hours, one.rows = append(one.Hours, part.Hours...), one.rows+part.rows
	}
	return one
}

// Others is the part of a file that this is not; nil when this is all of it.
func (p *PartOfFile) Others() *PartOfFile {
	var others []*PartOfFile
	for _, part := range p.Whole {
		if !p.has(part.Hours[0]) {
			others = append(others, part)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return Joined(others)
}

// Parts are the hours of a part.
func (p *PartOfFile) Parts() (hours []HourRows) {
	for _, part := range p.Whole {
		if p.has(part.Hours[0]) {
			hours = append(hours, part.hourRows())
		}
	}
	return hours
}

// hourRows are the rows of a part of one hour.
func (p *PartOfFile) hourRows() HourRows { return HourRows{p.day + telemetry.Hour(p.Hours[0]), p} }

// HourFiles are the live files of an hour, or their parts that are of the hour.
func (l *Lake) HourFiles(ctx context.Context, loaded *table.Table, hour telemetry.Hour,
	options ...table.ScanOption) (files []iceberg.DataFile, err error) {
	definition, err := DefinitionOf(TableName(loaded))
	if err != nil {
		return nil, err
	}
	live, err := LiveFiles(ctx, loaded, append(options, OfHour(hour))...)
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		parts, err := l.ByHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.Hour == hour {
				files = append(files, part.File)
			}
		}
	}
	return files, nil
}

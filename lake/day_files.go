package lake

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/telemetry"
)

// Tables whose rows stay for ever are partitioned by day. Their hours begin as files of their own; maintenance puts those of a day
// together, each hour in row groups of its own, so that an hour is read, compared and replaced without its neighbours.

const hourColumn = "p_ingest_hour_utc"

// hourFields are the ids of the hour's column in the tables whose partitions hold several hours.
var hourFields = func() map[string]int {
	fields := map[string]int{}
	for _, definition := range tableDefinitions {
		if !slices.Equal(definition.partition, dayPartition) {
			continue
		}
		if field, ok := definition.schema().FindFieldByName(hourColumn); ok {
			fields[definition.name] = field.ID
		}
	}
	return fields
}()

// byDay tells that a file of the table may hold several hours.
func (d tableDefinition) byDay() bool { return hourFields[d.name] != 0 }

// at is where the rows of an hour belong.
func (d tableDefinition) at(hour telemetry.Hour) partition {
	if slices.Equal(d.partition, hourPartition) {
		return hourOf(hour)
	}
	return dayOf(hour)
}

// hoursOf are the first and the last hour that a file may have rows of. A file that is not divided by hours counts as the first one
// of its day.
func (d tableDefinition) hoursOf(file iceberg.DataFile) (first, last telemetry.Hour, err error) {
	if slices.Equal(d.partition, hourPartition) {
		hour, err := hourOfFile(file)
		return hour, hour, err
	}
	date, ok := file.Partition()[partitionFieldID].(iceberg.Date)
	if !d.byDay() {
		return firstHour(date), firstHour(date), nil
	}
	if !ok {
		return 0, 0, fmt.Errorf("file %s has no day: %v", file.FilePath(), file.Partition())
	}
	low, high := file.LowerBoundValues()[hourFields[d.name]], file.UpperBoundValues()[hourFields[d.name]]
	if len(low) != 4 || len(high) != 4 { // another engine's
		return firstHour(date), firstHour(date) + 23, nil
	}
	hour := func(bound []byte) telemetry.Hour {
		return firstHour(date) + telemetry.Hour(int32(binary.LittleEndian.Uint32(bound)))
	}
	return hour(low), hour(high), nil
}

// hourRows are an hour's rows in one file: the whole file, or part of it.
type hourRows struct {
	hour telemetry.Hour
	file iceberg.DataFile
}

// partOfFile is a data file of which only the rows of some hours count.
type partOfFile struct {
	iceberg.DataFile
	hours   []int32 // of the day
	rows    int64
	digests []string   // of what an hour was put together from
	whole   []hourRows // all parts of the file
}

func (p *partOfFile) Count() int64 { return p.rows }

func (p *partOfFile) has(hour int32) bool { return slices.Contains(p.hours, hour) }

// of says whether all rows of a row group count, and whether some may, which have to be looked at one by one.
func (p *partOfFile) of(group parquet.RowGroup, hourLeaf int) (all, some bool) {
	low, high := hoursOfGroup(group, hourLeaf)
	some = slices.ContainsFunc(p.hours, func(hour int32) bool { return hour >= low && hour <= high })
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

// hourly is a row that says its hour.
type hourly interface{ hour() telemetry.Hour }

func (r *sightingRow) hour() telemetry.Hour { return hourOfRow(r.IngestDate, r.IngestHourOfDay) }
func (r *bindingRow) hour() telemetry.Hour  { return hourOfRow(r.IngestDate, r.IngestHourOfDay) }
func (r *fileRow) hour() telemetry.Hour     { return hourOfRow(r.IngestDate, r.IngestHourOfDay) }

func hourOfRow(date, hourOfDay int32) telemetry.Hour {
	return firstHour(date) + telemetry.Hour(hourOfDay)
}

// scanPart does for a part of a file what scanRows does.
func scanPart[T any](ctx context.Context, l *Lake, part *partOfFile, each func([]T) error) error {
	return l.eachGroup(part, func(group rowGroup) error {
		return scanBatches(ctx, parquet.NewGenericRowGroupReader[T](group), group.NumRows(), func(rows []T) error {
			if group.whole {
				return each(rows)
			}
			return each(slices.DeleteFunc(rows, func(row T) bool { return !part.has(any(&row).(hourly).hour().OfDay()) }))
		})
	})
}

// byHour divides a file into its hours, in their order. A file of one hour is not opened.
func (l *Lake) byHour(ctx context.Context, definition tableDefinition, file iceberg.DataFile) (hours []hourRows, err error) {
	first, last, err := definition.hoursOf(file)
	if err != nil {
		return nil, err
	}
	if first == last {
		return []hourRows{{first, file}}, nil
	}
	parsed, closeFile, err := l.openParquet(file)
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
		if err := scanGroup(ctx, group, []int{leaf.ColumnIndex}, func(row parquet.Row) error {
			rows[row[0].Int32()]++
			return nil
		}); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.FilePath(), err)
		}
	}
	digests := digestsByHour(parsed)
	day := firstHour(first.Date())
	for _, hour := range slices.Sorted(maps.Keys(rows)) {
		part := &partOfFile{DataFile: file, hours: []int32{hour}, rows: rows[hour], digests: digests[hour]}
		if len(part.digests) == 0 {
			part.digests = []string{digest(file.FilePath())}
		}
		hours = append(hours, hourRows{day + telemetry.Hour(hour), part})
	}
	for _, each := range hours {
		each.file.(*partOfFile).whole = hours
	}
	return hours, nil
}

// digestsByHour reads the footer of a compacted file.
func digestsByHour(parsed *parquet.File) map[int32][]string {
	digests := map[int32][]string{}
	text, _ := parsed.Lookup(footerDigests)
	for field := range strings.FieldsSeq(text) {
		hour, digest, ok := strings.Cut(field, ":")
		if n, err := strconv.ParseInt(hour, 10, 32); ok && err == nil {
			digests[int32(n)] = append(digests[int32(n)], digest)
		}
	}
	return digests
}

// listDigests is what such a footer says.
func (l *Lake) listDigests(parts []hourRows) (string, error) {
	var fields []string
	for _, part := range parts {
		digests, err := l.digests(part.file)
		if err != nil {
			return "", err
		}
		for _, each := range digests {
			fields = append(fields, fmt.Sprintf("%d:%s", part.hour.OfDay(), each))
		}
	}
	return strings.Join(fields, " "), nil
}

// writeAnew writes a file again, with other rows: write is given those that are there, and says whether they stay the same. Hours of
// which that holds stay known by their digests.
func writeAnew[T any](ctx context.Context, l *Lake, definition tableDefinition, at partition, file iceberg.DataFile, write func(*dataWriter[T], []T) (same bool, err error)) (*dataFile, error) {
	hours, err := l.byHour(ctx, definition, file)
	if err != nil {
		return nil, err
	}
	var footer []parquet.WriterOption
	if len(hours) > 1 {
		footer = append(footer, parquet.KeyValueMetadata(footerDigests, "")) // which is known at the end
	}
	writer, err := newDataWriter[T](l, definition, at, footer...)
	if err != nil {
		return nil, err
	}
	name, unchanged := "erased", []hourRows{}
	for _, part := range hours {
		same := true
		err := scanRows(ctx, l, part.file, func(rows []T) error {
			stay, err := write(writer, rows)
			same = same && stay
			return err
		})
		if err == nil {
			err = writer.endGroup()
		}
		if err != nil {
			writer.abort()
			return nil, fmt.Errorf("write %s anew: %w", file.FilePath(), err)
		}
		if same {
			unchanged = append(unchanged, part)
		}
	}
	if len(hours) > 1 {
		name += "-" + compactedMark
		made, err := l.listDigests(unchanged)
		if err != nil {
			writer.abort()
			return nil, err
		}
		writer.rows.SetKeyValueMetadata(footerDigests, made)
	}
	return writer.close(name)
}

// cancelUnchanged takes out of what came and went each hour that is the same before and after: compaction, or the replacement of
// another hour of its day, put it into another file.
func (l *Lake) cancelUnchanged(ctx context.Context, definition tableDefinition, added, removed map[string]iceberg.DataFile) (changes changedFiles, err error) {
	sides := [...]struct {
		files map[string]iceberg.DataFile
		to    *[]iceberg.DataFile
		hours map[telemetry.Hour][]hourRows
	}{{added, &changes.added, map[telemetry.Hour][]hourRows{}}, {removed, &changes.removed, map[telemetry.Hour][]hourRows{}}}
	moved := slices.ContainsFunc(slices.Collect(maps.Keys(added)), isCompacted) || slices.ContainsFunc(slices.Collect(maps.Keys(removed)), isCompacted)
	for _, side := range sides {
		for _, file := range side.files {
			if !moved {
				*side.to = append(*side.to, file)
				continue
			}
			parts, err := l.byHour(ctx, definition, file)
			if err != nil {
				return changes, err
			}
			for _, part := range parts {
				side.hours[part.hour] = append(side.hours[part.hour], part)
			}
		}
	}
	came, went := sides[0].hours, sides[1].hours
	for hour := range came {
		same, err := l.sameDigests(came[hour], went[hour])
		if err != nil {
			return changes, err
		}
		if same {
			delete(came, hour)
			delete(went, hour)
		}
	}
	for _, side := range sides {
		if moved {
			*side.to = joinParts(side.hours)
		}
	}
	return changes, nil
}

func (l *Lake) sameDigests(a, b []hourRows) (bool, error) {
	var all [2][]string
	for i, parts := range [...][]hourRows{a, b} {
		for _, part := range parts {
			digests, err := l.digests(part.file)
			if err != nil {
				return false, err
			}
			all[i] = append(all[i], digests...)
		}
		slices.Sort(all[i])
	}
	return slices.Equal(all[0], all[1]), nil
}

// joinParts makes each file one again, of those of its hours that are left.
func joinParts(hours map[telemetry.Hour][]hourRows) (files []iceberg.DataFile) {
	parts := map[string][]*partOfFile{}
	for _, of := range hours {
		for _, each := range of {
			if part, ok := each.file.(*partOfFile); ok {
				parts[part.FilePath()] = append(parts[part.FilePath()], part)
			} else {
				files = append(files, each.file)
			}
		}
	}
	for _, of := range parts {
		files = append(files, joined(of))
	}
	return files
}

// joined is several parts of a file as one.
func joined(parts []*partOfFile) *partOfFile {
	one := &partOfFile{DataFile: parts[0].DataFile, whole: parts[0].whole}
	for _, part := range parts {
		one.hours, one.rows = append(one.hours, part.hours...), one.rows+part.rows
	}
	return one
}

// others is the part of a file that this is not; nil when this is all of it.
func (p *partOfFile) others() *partOfFile {
	var others []*partOfFile
	for _, each := range p.whole {
		if part := each.file.(*partOfFile); !p.has(part.hours[0]) {
			others = append(others, part)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return joined(others)
}

// parts are the hours of a part.
func (p *partOfFile) parts() []hourRows {
	return slices.DeleteFunc(slices.Clone(p.whole), func(each hourRows) bool { return !p.has(each.file.(*partOfFile).hours[0]) })
}

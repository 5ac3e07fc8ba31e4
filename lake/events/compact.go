package events

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/packed"
)

const (
	// looseFiles is how many files a day that was put together may get before that is done again.
	looseFiles = 4
	// partRows is about how many rows are sorted in memory.
	partRows = 100_000
	// groupRows is how many rows a row group of a day has: readers skip groups by their users and times.
	groupRows = 16 << 10
	// fileRows is how many rows a day's file has at most, give or take a part.
	fileRows = 4 << 20
)

// Compacted is what Compact did, or would do.
type Compacted struct {
	Before, After int64 // files
	Bytes         int64 // fewer than before
}

// Compact puts the files of each ingest day that is not among the newest ones together, sorted by user: first those
// whose events lie on the day, or on one beside it, then all others, in files of their own. It may be given up at
// any point.
func Compact(ctx context.Context, l *lake.Lake, openDays int, dryRun bool,
	progress func(done string)) (done Compacted, err error) {
	loaded, err := l.Load(ctx, lake.GoldEvents)
	if err != nil {
		return done, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return done, err
	}
	done.Before, done.After = int64(len(live)), int64(len(live))
	days, newest := map[iceberg.Date][]iceberg.DataFile{}, iceberg.Date(math.MinInt32)
	for _, file := range live {
		day, _ := file.Partition()[lake.PartitionFieldID].(iceberg.Date)
		days[day], newest = append(days[day], file), max(newest, day)
	}
	for day, files := range days {
		if int(newest-day) < openDays || !worthIt(files) {
			continue
		}
		if dryRun {
			done.After -= int64(len(files) - 1)
			continue
		}
		d := &dayFiles{lake: l, day: day, from: files}
		if err := d.write(ctx); err != nil {
			return done, fmt.Errorf("put the files of %s together: %w", lake.FormatDate(int32(day)), err)
		}
		committed, err := d.commit(ctx)
		if err != nil {
			return done, err
		}
		if committed {
			done.After += int64(len(d.to) - len(files))
			done.Bytes += d.saved()
		}
		progress("put the events of " + lake.FormatDate(int32(day)) + " together")
	}
	return done, nil
}

// worthIt tells whether a day is to be put together: it never was, or much came since.
func worthIt(files []iceberg.DataFile) bool {
	loose := 0
	for _, file := range files {
		if !lake.IsCompacted(file.FilePath()) {
			loose++
		}
	}
	return loose > 0 && (loose == len(files) || loose >= looseFiles)
}

// dayFiles are the files of an ingest day, and those that take their place.
type dayFiles struct {
	lake   *lake.Lake
	day    iceberg.Date
	from   []iceberg.DataFile
	bounds []string // the first user of each part but the first
	to     []lake.DataFile
}

func (d *dayFiles) saved() int64 {
	saved := int64(0)
	for _, file := range d.from {
		saved += file.FileSizeBytes()
	}
	for _, file := range d.to {
		saved -= file.Size
	}
	return saved
}

var userSchema = parquet.SchemaOf(struct {
	UserID string `parquet:"user_id,dict,id(4)"`
}{})

// divide finds users that divide the day's rows into parts of about the same size.
func (d *dayFiles) divide(ctx context.Context) error {
	rows := lake.CountOf(d.from)
	parts := int(rows/partRows) + 1
	if parts == 1 {
		return nil
	}
	step := max(rows/int64(64*parts), 1)
	var sample []string
	n := int64(0)
	for _, file := range d.from {
		if err := d.lake.ScanRaw(ctx, file, userSchema, func(row parquet.Row) error {
			if n++; n%step == 0 {
				sample = append(sample, strings.Clone(text(row[0])))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	slices.Sort(sample)
	for part := 1; part < parts && len(sample) > 0; part++ {
		d.bounds = append(d.bounds, sample[part*len(sample)/parts])
	}
	d.bounds = slices.Compact(d.bounds)
	return nil
}

// stray tells that an event lies far from the day it was ingested on.
func (d *dayFiles) stray(micros int64) bool {
	date := lake.DateOf(micros)
	return date < int32(d.day)-1 || date > int32(d.day)+1
}

// write sorts the rows of the day, part by part, and writes them.
func (d *dayFiles) write(ctx context.Context) error {
	if err := d.divide(ctx); err != nil {
		return err
	}
	parts := len(d.bounds) + 1
	spill, err := d.lake.NewSpill(2 * parts)
	if err != nil {
		return err
	}
	defer spill.Close()
	if err := each(ctx, d.from, func(ctx context.Context, file iceberg.DataFile) error {
		return d.lake.ScanRaw(ctx, file, goldSchema, func(row parquet.Row) error {
			part, found := slices.BinarySearch(d.bounds, text(row[goldUser]))
			if found {
				part++
			}
			if d.stray(row[goldTime].Int64()) {
				part += parts
			}
			return spill.Add(part, func(buffer []byte) []byte { return packed.AppendRow(buffer, row) })
		})
	}); err != nil {
		return err
	}
	sorted, err := spill.Open()
	if err != nil {
		return err
	}
	defer sorted.Close()
	for _, first := range []int{0, parts} {
		if err := d.writeParts(ctx, sorted, first, first+parts); err != nil {
			return err
		}
	}
	return nil
}

// writeParts writes some parts, one after the other.
func (d *dayFiles) writeParts(ctx context.Context, sorted interface {
	Read(section int, into []byte) ([]byte, error)
}, from, to int) (err error) {
	var writer *rowWriter
	defer func() {
		if err != nil && writer != nil {
			writer.Abort()
		}
	}()
	var data []byte
	for part := from; part < to; part++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if data, err = sorted.Read(part, data[:0]); err != nil {
			return err
		}
		rows, err := packed.DecodeRows(data, goldSchema)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, compareRows)
		for len(rows) > 0 {
			if writer == nil {
				at := lake.GoldEvents.At(lake.FirstHour(d.day))
				if writer, err = newRowWriter(d.lake, at); err != nil {
					return err
				}
			}
			n := min(len(rows), groupRows)
			if err := writer.WriteRaw(rows[:n]); err != nil {
				return err
			}
			if err := writer.EndGroup(); err != nil {
				return err
			}
			rows = rows[n:]
		}
		if writer != nil && (writer.Written >= fileRows || part == to-1) {
			file, err := writer.end(fmt.Sprintf("day-compacted%d", time.Now().UnixNano()))
			if writer = nil; err != nil {
				return err
			}
			d.to = append(d.to, *file)
		}
	}
	return nil
}

// compareRows orders the rows of a day: by user, service, and the order of time.
func compareRows(a, b parquet.Row) int {
	return cmp.Or(strings.Compare(text(a[goldUser]), text(b[goldUser])),
		strings.Compare(text(a[goldService]), text(b[goldService])),
		cmp.Compare(a[goldTime].Int64(), b[goldTime].Int64()),
		strings.Compare(text(a[goldSession]), text(b[goldSession])))
}

// commit puts the new files in the place of the old ones, unless one of these went meanwhile.
func (d *dayFiles) commit(ctx context.Context) (committed bool, err error) {
	err = d.lake.Commit(ctx, lake.GoldEvents, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		present := map[string]bool{}
		for _, file := range live {
			present[file.FilePath()] = true
		}
		committed = false
		if len(d.to) > 0 && present[d.to[0].Path] { // a second try of what succeeded
			committed = true
			return nil, nil
		}
		for _, file := range d.from {
			if !present[file.FilePath()] {
				return nil, nil
			}
		}
		wanted := &lake.Change{Rewrite: true, Remove: d.from}
		if wanted.Add, err = d.lake.Entries(lake.GoldEvents, d.to); err != nil {
			return nil, err
		}
		committed = true
		return wanted, nil
	})
	if !committed || err != nil {
		var paths []string
		for _, file := range d.to {
			paths = append(paths, file.Path)
		}
		if err == nil {
			err = d.lake.Objects.Remove(ctx, paths)
		}
	}
	return committed, err
}

package sessions

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// MostAlong is how many files are read side by side: each holds a page of every column in memory, some 2 MiB.
// LeastAlong is from how many rows on that pays: a file is opened twice. Variables for tests.
var (
	MostAlong        = 12
	LeastAlong int64 = 10_000
)

// alongFile is a file that a join reads along with its sections.
type alongFile struct {
	iceberg.DataFile
	table       string
	first, last int // sections that it has rows in
	unsorted    bool
}

// toldSchema are the columns that tell of a sighting's session; of a binding's, the key and the time do.
var toldSchema = parquet.SchemaOf(struct {
	SessionKey int64  `parquet:"session_key,delta,id(1)"`
	Time       int64  `parquet:"event_timestamp_utc,timestamp(microsecond)"`
	UserID     string `parquet:"user_id,optional,id(3)"`
	Device     string `parquet:"device,optional,dict,id(5)"`
}{})

// Along takes files of a table in as added, reads them with the sections that their rows belong to, and returns the
// others. Files of one hour lie in the order of sessions, and need no way through the spill, as long as they are few
// side by side. Of each of their rows, tell gets beforehand the key and the time, and of a sighting its kind, and the
// user and the device that it names; of several files at once.
func (j *Join) Along(ctx context.Context, definition lake.TableDefinition, files []iceberg.DataFile,
	tell func(*SessionRow)) (others []iceberg.DataFile, err error) {
	var taken []*alongFile
	for _, file := range files {
		first, last, err := definition.HoursOf(file)
		if err != nil {
			return nil, err
		}
		low, high := lake.Bounds(file, 1)
		along := &alongFile{DataFile: file, table: definition.Name,
			first: objects.SessionSection(low, j.Sections), last: objects.SessionSection(high, j.Sections)}
		_, part := file.(*lake.PartOfFile)
		if part || first != last || file.Count() < LeastAlong || !j.hasRoom(along) {
			others = append(others, file)
			continue
		}
		taken = append(taken, along)
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range taken {
		work.Go(func() error {
			err := file.tell(ctx, j.lake, tell)
			if file.unsorted = errors.Is(err, ErrUnsorted); file.unsorted {
				return nil
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for _, file := range taken {
		if file.unsorted {
			others = append(others, file.DataFile)
			continue
		}
		j.Rows.Add(file.Count())
		j.along = append(j.along, file)
	}
	return others, nil
}

// hasRoom tells whether a file can be read beside those that were taken in, and keeps its place.
func (j *Join) hasRoom(file *alongFile) bool {
	of := j.beside[file.first : file.last+1]
	if slices.Max(of) >= MostAlong {
		return false
	}
	for i := range of {
		of[i]++
	}
	return true
}

// tell tells of each row's session, and whether the rows are in order. Errors: ErrUnsorted.
func (f *alongFile) tell(ctx context.Context, l *lake.Lake, tell func(*SessionRow)) error {
	var row SessionRow
	schema := keyTimeSchema
	if f.table == lake.SilverSightings.Name {
		row.Kind, schema = 's', toldSchema
	}
	last := int64(math.MinInt64)
	return l.ScanRaw(ctx, f.DataFile, schema, func(columns parquet.Row) error {
		row.Key, row.Time = columns[0].Int64(), columns[1].Int64()
		if row.Key < last {
			return ErrUnsorted
		}
		last = row.Key
		if row.Kind == 's' {
			row.User = objects.UnsafeString(columns[2].ByteArray())
			row.Device = objects.UnsafeString(columns[3].ByteArray())
		}
		tell(&row)
		return nil
	})
}

// alongReader reads the files along with one section after the other.
type alongReader struct {
	join    *Join
	waiting []*alongFile // by their first sections
	open    []openAlong
}

type openAlong struct {
	*Ordered
	file *alongFile
}

// section hands out the rows of a section.
func (r *alongReader) section(ctx context.Context, number int, each func(SessionRow) error) error {
	for len(r.waiting) > 0 && r.waiting[0].first <= number {
		file := r.waiting[0]
		r.waiting = r.waiting[1:]
		ordered, err := OpenOrdered(r.join.lake, file.DataFile, file.table)
		if err != nil {
			return r.fault(ctx, file, err)
		}
		r.open = append(r.open, openAlong{ordered, file})
	}
	for i := len(r.open) - 1; i >= 0; i-- {
		at := r.open[i]
		for !at.Ended && objects.SessionSection(at.Key, r.join.Sections) == number {
			if err := each(at.Row(RowAdded)); err != nil {
				return err
			}
			if err := at.Next(); err != nil {
				return r.fault(ctx, at.file, err)
			}
		}
		if at.Ended {
			r.open = slices.Delete(r.open, i, i+1)
			if err := at.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *alongReader) close() (err error) {
	for _, at := range r.open {
		err = errors.Join(err, at.Close())
	}
	return err
}

// fault says what is wrong with a file that could not be read.
func (r *alongReader) fault(ctx context.Context, file *alongFile, err error) error {
	return fmt.Errorf("read %s: %w", file.FilePath(), r.join.lake.DamageOf(ctx, file.DataFile, err))
}

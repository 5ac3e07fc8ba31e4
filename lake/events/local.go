package events

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/packed"
	"github.com/versionlake/versionlake/lake/sessions"
)

// errUnsorted: a file is not in the order of its sessions, as another engine may have written it.
var errUnsorted = errors.New("not in the order of sessions")

// local are the sightings and bindings that came with the hour of a file of silver.events. They lie in the order of
// sessions, as its events do, and are read along with them.
type local struct {
	files []*factFile
	rows  []sessions.SessionRow // of the present session
	key   int64
	begun bool
	// also takes rows of sessions that earlier hours have events of
	also func(*sessions.SessionRow)
}

// factFile is a file of silver.sightings or silver.bindings that is read along.
type factFile struct {
	*packed.File
	decode func(parquet.Row, byte) sessions.SessionRow
	places []int
	whole  bool // it is read to its end, whatever events there are

	met    sessions.KeyCursor // sessions that earlier hours have events of, too
	group  int
	cursor *packed.Cursor
	batch  [][]parquet.Value
	at     int
	key    int64 // of the row at hand
	ended  bool
	row    parquet.Row
}

// firstPlaces are those of the columns that tell of a session: not those of the hour.
func firstPlaces(schema *parquet.Schema) (places []int) {
	for i := range len(schema.Columns()) - 2 {
		places = append(places, i)
	}
	return places
}

var (
	sightingSchema = parquet.SchemaOf(lake.SightingRow{})
	bindingSchema  = parquet.SchemaOf(lake.BindingRow{})
)

// openFacts opens a file of silver.sightings or silver.bindings, by their place in SilverTables.
func openFacts(l *lake.Lake, file iceberg.DataFile, table int, whole bool) (*factFile, error) {
	schema, decode := bindingSchema, sessions.BindingOf
	if lake.SilverTables[table].Name == lake.SilverSightings.Name {
		schema, decode = sightingSchema, sessions.SightingOf
	}
	opened, err := packed.Open(l, file, schema)
	if err != nil {
		return nil, err
	}
	f := &factFile{File: opened, decode: decode, places: firstPlaces(schema), whole: whole}
	f.row = make(parquet.Row, len(f.places))
	if err := f.fill(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fill reads the next batch.
func (f *factFile) fill() (err error) {
	for {
		if f.cursor == nil {
			if f.group == len(f.RowGroups()) {
				f.ended = true
				return nil
			}
			f.cursor = f.Cursor(f.group, f.places...)
			f.group++
		}
		if f.batch, err = f.cursor.Next(); err != nil {
			return err
		}
		if f.at = 0; f.batch != nil {
			f.key = f.batch[0][0].Int64()
			return nil
		}
		if err := f.cursor.Close(); err != nil {
			return err
		}
		f.cursor = nil
	}
}

// next goes to the next row.
func (f *factFile) next() error {
	last := f.key
	if f.at++; f.at == len(f.batch[0]) {
		if err := f.fill(); err != nil || f.ended {
			return err
		}
	}
	if f.key = f.batch[0][f.at].Int64(); f.key < last {
		return errUnsorted
	}
	return nil
}

// take is the row at hand.
func (f *factFile) take() sessions.SessionRow {
	for i := range f.row {
		f.row[i] = f.batch[i][f.at]
	}
	return f.decode(f.row, sessions.RowKept)
}

func (f *factFile) close() (err error) {
	if f.cursor != nil {
		err = f.cursor.Close()
	}
	return errors.Join(err, f.Close())
}

func (l *local) close() (err error) {
	for _, file := range l.files {
		err = errors.Join(err, file.close())
	}
	return err
}

// pass goes to the rows of a session, past those before it.
func (l *local) pass(f *factFile, key int64) error {
	for !f.ended && f.key < key {
		if f.met.Contains(f.key) {
			row := f.take()
			l.also(&row)
		}
		if err := f.next(); err != nil {
			return fmt.Errorf("read sightings and bindings: %w", err)
		}
	}
	return nil
}

// session are the rows of a session, beside some others. Sessions are asked for in the order of their keys.
func (l *local) session(key int64, session string, others []sessions.SessionRow) ([]sessions.SessionRow, error) {
	if l.begun && key < l.key {
		return nil, fmt.Errorf("resolve events: %w", errUnsorted)
	}
	if !l.begun || key != l.key {
		l.begun, l.key, l.rows = true, key, l.rows[:0]
		for _, file := range l.files {
			if err := l.pass(file, key); err != nil {
				return nil, err
			}
			for !file.ended && file.key == key {
				row := file.take()
				if file.met.Contains(key) {
					l.also(&row)
				}
				if row.Session != "" { // else it says nothing of other events
					l.rows = append(l.rows, row)
				}
				if err := file.next(); err != nil {
					return nil, fmt.Errorf("read sightings and bindings: %w", err)
				}
			}
		}
		slices.SortFunc(l.rows, compareFacts)
	}
	if len(others) == 0 && !slices.ContainsFunc(l.rows, func(row sessions.SessionRow) bool {
		return row.Session != session
	}) {
		return l.rows, nil
	}
	all := slices.Clone(others)
	for i := range l.rows { // keys are hashes
		if l.rows[i].Session == session {
			all = append(all, l.rows[i])
		}
	}
	slices.SortFunc(all, compareFacts)
	return all, nil
}

// compareFacts is SessionRow.Compare for the rows of one session.
func compareFacts(a, b sessions.SessionRow) int {
	if c := cmp.Or(strings.Compare(a.Session, b.Session), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Time, b.Time)); c != 0 {
		return c
	}
	return a.Compare(&b)
}

// end reads what is left to be read.
func (l *local) end() error {
	for _, file := range l.files {
		for file.whole && !file.ended {
			if file.met.Contains(file.key) {
				row := file.take()
				l.also(&row)
			}
			if err := file.next(); err != nil {
				return fmt.Errorf("read sightings and bindings: %w", err)
			}
		}
	}
	return nil
}

package sessions

import (
	"errors"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/packed"
)

// ErrUnsorted: a file is not in the order of its sessions, as another engine may have written it.
var ErrUnsorted = errors.New("not in the order of sessions")

// Ordered reads the rows of a file of silver.sightings or silver.bindings, which lie in the order of sessions, one
// after the other.
type Ordered struct {
	Key       int64 // session_key of the row at hand
	Ended     bool  // there is no row at hand
	Sightings bool  // it is a file of these

	file   *packed.File
	decode func(parquet.Row, byte) SessionRow
	places []int
	group  int
	cursor *packed.Cursor
	batch  [][]parquet.Value
	at     int
	row    parquet.Row
}

// OpenOrdered opens a file of a table. A file of which only a part counts can't be read like this.
func OpenOrdered(l *lake.Lake, file iceberg.DataFile, table string) (*Ordered, error) {
	schema, decode := bindingSchema, BindingOf
	if table == lake.SilverSightings.Name {
		schema, decode = sightingSchema, SightingOf
	}
	opened, err := packed.Open(l, file, schema)
	if err != nil {
		return nil, err
	}
	o := &Ordered{file: opened, decode: decode, Sightings: table == lake.SilverSightings.Name}
	for place := range len(schema.Columns()) - 2 { // those that tell of a session, and not of the hour
		o.places = append(o.places, place)
	}
	o.row = make(parquet.Row, len(o.places))
	if err := o.fill(); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return o, nil
}

// fill reads the next batch.
func (o *Ordered) fill() (err error) {
	for {
		if o.cursor == nil {
			if o.group == len(o.file.RowGroups()) {
				o.Ended = true
				return nil
			}
			o.cursor = o.file.Cursor(o.group, o.places...)
			o.group++
		}
		if o.batch, err = o.cursor.Next(); err != nil {
			return err
		}
		if o.at = 0; o.batch != nil {
			o.Key = o.batch[0][0].Int64()
			return nil
		}
		if err := o.cursor.Close(); err != nil {
			return err
		}
		o.cursor = nil
	}
}

// Next goes to the next row. Errors: ErrUnsorted.
func (o *Ordered) Next() error {
	last := o.Key
	if o.at++; o.at == len(o.batch[0]) {
		if err := o.fill(); err != nil || o.Ended {
			return err
		}
	}
	if o.Key = o.batch[0][o.at].Int64(); o.Key < last {
		return ErrUnsorted
	}
	return nil
}

// Row is the row at hand. Its texts live on.
func (o *Ordered) Row(state byte) SessionRow {
	for i := range o.row {
		o.row[i] = o.batch[i][o.at]
	}
	return o.decode(o.row, state)
}

// Close ends the reading.
func (o *Ordered) Close() (err error) {
	if o.cursor != nil {
		err = o.cursor.Close()
	}
	return errors.Join(err, o.file.Close())
}

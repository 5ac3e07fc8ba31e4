// Package packed reads data files column by column, and writes them from columns that are packed already.
package packed

import (
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/columnar"
	"github.com/versionlake/versionlake/lake/objects"
)

// Batch is how many values of a column a batch has at most.
const Batch = columnar.Batch

// File is a data file whose columns are read, or taken over packed as they are.
type File struct {
	*parquet.File
	Close   func() error
	schema  *parquet.Schema
	columns columnar.Columns
}

// Open opens a data file for the columns of schema. A file of which only a part counts can't be read like this.
func Open(l *lake.Lake, file iceberg.DataFile, schema *parquet.Schema) (*File, error) {
	if _, part := file.(*lake.PartOfFile); part {
		return nil, fmt.Errorf("%s counts in part", file.FilePath())
	}
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return nil, err
	}
	f := &File{File: parsed, Close: closeFile, schema: schema}
	if f.columns, err = columnar.ColumnsIn(parsed, schema); err != nil {
		_ = closeFile() // it was only read
		return nil, fmt.Errorf("read %s: %w", file.FilePath(), err)
	}
	return f, nil
}

// Cursor reads the columns of a row group, batch by batch.
type Cursor struct {
	*columnar.Cursor
	lifted []int
}

// Cursor begins a row group; of the schema's columns, only those at some places, all without any.
func (f *File) Cursor(group int, places ...int) *Cursor {
	leaves, lifted := f.columns.Leaves, f.columns.Lifted
	if len(places) > 0 {
		leaves, lifted = nil, nil
		for i, place := range places {
			leaves = append(leaves, f.columns.Leaves[place])
			for _, column := range f.columns.Lifted {
				if column == place {
					lifted = append(lifted, i)
				}
			}
		}
	}
	return &Cursor{columnar.NewCursor(f.RowGroups()[group], leaves), lifted}
}

// Next is that of a columnar.Cursor.
func (c *Cursor) Next() ([][]parquet.Value, error) {
	columns, err := c.Cursor.Next()
	if err != nil || columns == nil {
		return nil, err
	}
	for _, i := range c.lifted {
		for j, value := range columns[i] {
			columns[i][j] = value.Level(0, 1, value.Column())
		}
	}
	return columns, nil
}

// Chunks are the packed columns of a row group, in the order of the schema.
func (f *File) Chunks(group int) []Chunk {
	all := chunksOf(f.File, f.File, group)
	chunks := make([]Chunk, len(f.columns.Leaves))
	for i, leaf := range f.columns.Leaves {
		chunks[i] = all[leaf]
	}
	return chunks
}

// Alike tells whether a packed column, at its place in the schema, can be one of another schema.
func (f *File) Alike(column int, other *parquet.Schema, name string) bool {
	mine, ok := f.Schema().Lookup(f.schema.Columns()[column]...)
	wanted, known := other.Lookup(name)
	return ok && known && mine.Node.Type().Kind() == wanted.Node.Type().Kind() &&
		mine.MaxDefinitionLevel == wanted.MaxDefinitionLevel && mine.MaxRepetitionLevel == wanted.MaxRepetitionLevel
}

// Writer writes one data file of a table from packed columns.
type Writer struct {
	*Splicer
	lake       *lake.Lake
	definition lake.TableDefinition
	partition  lake.Partition
	object     *objects.Writer
}

// NewWriter begins a data file of a table whose columns have no bounds by page.
func NewWriter(l *lake.Lake, definition lake.TableDefinition, schema *parquet.Schema,
	p lake.Partition) (*Writer, error) {
	object := l.Objects.Create(l.DataFolder(definition, p))
	w, err := &Writer{lake: l, definition: definition, partition: p, object: object}, error(nil)
	if w.Splicer, err = NewSplicer(object, schema); err != nil {
		object.Abort()
		return nil, err
	}
	return w, nil
}

// Abort drops the file.
func (w *Writer) Abort() { w.object.Abort() }

// Close publishes the file, as that of a DataWriter does. It has rows.
func (w *Writer) Close(name string) (*lake.DataFile, error) {
	footer, err := w.End()
	if err != nil {
		w.Abort()
		return nil, fmt.Errorf("finish a file of %s: %w", w.definition.Name, err)
	}
	return w.lake.Publish(w.object, w.definition, w.partition, footer, name, w.Written)
}

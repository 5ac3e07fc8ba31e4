// Package columnar writes and reads the rows of Parquet files, and makes good what parquet-go 0.32.0 gets wrong. It
// knows no tables.
package columnar

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/parquet-go/parquet-go"
)

// Row groups of this many rows bound the memory of a writer; readers skip whole groups by their statistics.
const (
	rowsPerGroup  = 131072
	BytesPerGroup = 64 << 20
)

// CreatedBy is whom files name as their writer.
var CreatedBy = parquet.CreatedBy("versionlake", "1", "parquet-go")

// Kind is a kind of files that are all written alike.
type Kind struct {
	Name string // which errors name
	// SkipBounds: the bounds of pages are left out, and those of these columns altogether.
	SkipBounds bool
	Unbounded  []string
	Raw        *parquet.Schema // of rows that come in Parquet's own form alone
}

// Writer writes one Parquet file. parquet-go: a third of the time and memory of Iceberg's own writer (measured on an
// hour of two million lines), and writes copy, so that rows may alias reused buffers.
type Writer[T any] struct {
	kind    Kind
	out     io.Writer
	rows    *parquet.GenericWriter[T]
	pool    *sync.Pool
	texts   []uintptr // see SafeBatch
	Written int64     // rows
	waiting int       // bytes in the open row group
	grouped int       // rows in it
	size    int64     // bytes that went out
	ending  bool
	tail    bytes.Buffer // the footer and what lies before it, when ending
}

// pools keep parquet-go's writers between files, by the names of kinds: their buffers grow once.
var pools sync.Map

// ForgetWriters makes the next writer of a kind a new one.
func ForgetWriters(kind string) { pools.Delete(kind) }

// NewWriter begins a file. What extra options say is of this file alone.
func NewWriter[T any](out io.Writer, kind Kind, extra ...parquet.WriterOption) *Writer[T] {
	w := &Writer[T]{kind: kind, out: out, pool: new(sync.Pool), texts: OptionalTexts[T]()}
	if len(extra) == 0 {
		name := kind.Name
		if kind.Raw != nil {
			name += " raw"
		}
		pool, _ := pools.LoadOrStore(name, new(sync.Pool))
		w.pool = pool.(*sync.Pool)
	}
	if free, ok := w.pool.Get().(*parquet.GenericWriter[T]); ok {
		free.Reset(w)
		w.rows = free
		return w
	}
	options := append(extra,
		parquet.Compression(Codec),
		parquet.MaxRowsPerRowGroup(rowsPerGroup),
		CreatedBy,
		// in page headers: readers take those of the column index and of the row group
		parquet.DataPageStatistics(false))
	if kind.Raw != nil {
		options = append(options, kind.Raw)
	}
	for _, column := range kind.Unbounded {
		options = append(options, parquet.SkipPageBounds(column))
	}
	w.rows = parquet.NewGenericWriter[T](w, options...)
	return w
}

// Write takes the file's bytes from parquet-go.
func (w *Writer[T]) Write(data []byte) (int, error) {
	if w.ending {
		return w.tail.Write(data)
	}
	return w.send(data)
}

func (w *Writer[T]) send(data []byte) (int, error) {
	n, err := w.out.Write(data)
	w.size += int64(n)
	return n, err
}

// Append adds rows of about size bytes in all. A row group ends early when they are long: clients send lines of a MiB.
func (w *Writer[T]) Append(rows []T, size int) error {
	written := 0
	for written < len(rows) {
		// A batch that parquet-go cuts where the row group ends is not safe any more.
		left := min(len(rows)-written, rowsPerGroup-w.grouped)
		n, err := w.rows.Write(rows[written : written+SafeBatch(rows[written:written+left], w.texts)])
		written += n
		if w.grouped = (w.grouped + n) % rowsPerGroup; err != nil {
			return w.wrote(written, size, err)
		}
	}
	return w.wrote(written, size, nil)
}

// WriteRaw adds rows in Parquet's own form. One writer takes rows in one form only: parquet-go 0.32.0 silently drops
// what WriteRows was given when the first Write comes after it.
func (w *Writer[T]) WriteRaw(rows []parquet.Row) error {
	size := 0
	for _, row := range rows {
		size += 24 * len(row)
		for _, value := range row {
			if kind := value.Kind(); kind == parquet.ByteArray {
				size += len(value.ByteArray())
			}
		}
	}
	n, err := w.rows.WriteRows(rows)
	return w.wrote(n, size, err)
}

func (w *Writer[T]) wrote(rows, size int, err error) error {
	w.Written += int64(rows)
	if w.waiting += size; err != nil {
		return fmt.Errorf("write rows of %s: %w", w.kind.Name, err)
	}
	if w.waiting >= BytesPerGroup {
		return w.EndGroup()
	}
	return nil
}

// EndGroup ends the open row group, if it has rows.
func (w *Writer[T]) EndGroup() error {
	w.waiting, w.grouped = 0, 0
	if err := w.rows.Flush(); err != nil {
		return fmt.Errorf("write rows of %s: %w", w.kind.Name, err)
	}
	return nil
}

// SetFooter says something in the footer, under a key that the writer was made with.
func (w *Writer[T]) SetFooter(key, value string) { w.rows.SetKeyValueMetadata(key, value) }

// End writes what follows the row groups, and returns the metadata in the form that Iceberg's statistics are made
// from. A writer that fails must not be used again.
func (w *Writer[T]) End() (*metadata.FileMetaData, error) {
	if err := w.rows.Flush(); err != nil {
		return nil, err
	}
	w.ending = true // part of the last row group may still come: parquet-go has a buffer
	if err := w.rows.Close(); err != nil {
		return nil, err
	}
	tail, err := mendFooter(w.tail.Bytes(), w.rows.Schema().Columns(), w.kind.SkipBounds, w.size)
	if err != nil {
		return nil, err
	}
	if _, err := w.send(tail.bytes); err != nil {
		return nil, err
	}
	w.Recycle()
	return metadata.NewFileMetaData(tail.footer, nil)
}

// Recycle leaves the writer's buffers to the next one, after End or where nothing was written.
func (w *Writer[T]) Recycle() {
	w.rows.Reset(io.Discard)
	w.pool.Put(w.rows)
}

package packed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/versionlake/versionlake/lake/columnar"
)

// Chunk is a column chunk as it lies, packed, in a file.
type Chunk struct {
	From io.ReaderAt
	Meta *format.ColumnChunk
}

// chunksOf are the column chunks of a row group of a file that is open until they were written.
func chunksOf(file *parquet.File, from io.ReaderAt, group int) []Chunk {
	columns := file.Metadata().RowGroups[group].Columns
	chunks := make([]Chunk, len(columns))
	for i := range columns {
		chunks[i] = Chunk{from, &columns[i]}
	}
	return chunks
}

// Splicer writes a Parquet file of column chunks that are packed already: those of other files, which cost no more than
// their bytes, and those of a Fresh. It writes no indexes of pages.
type Splicer struct {
	out     io.Writer
	columns [][]string
	meta    format.FileMetaData
	size    int64
	Written int64 // rows
}

// emptyFooters are those of files without rows, by schema.
var emptyFooters sync.Map

func emptyFooter(schema *parquet.Schema) (*format.FileMetaData, error) {
	if known, ok := emptyFooters.Load(schema); ok {
		return known.(*format.FileMetaData), nil
	}
	var empty bytes.Buffer
	if err := parquet.NewGenericWriter[any](&empty, schema, columnar.CreatedBy).Close(); err != nil {
		return nil, err
	}
	opened, err := parquet.OpenFile(bytes.NewReader(empty.Bytes()), int64(empty.Len()))
	if err != nil {
		return nil, err
	}
	emptyFooters.Store(schema, opened.Metadata())
	return opened.Metadata(), nil
}

// NewSplicer begins a file of a schema.
func NewSplicer(out io.Writer, schema *parquet.Schema) (*Splicer, error) {
	empty, err := emptyFooter(schema)
	if err != nil {
		return nil, fmt.Errorf("make a footer: %w", err)
	}
	s := &Splicer{out: out, columns: schema.Columns(), meta: *empty}
	s.meta.RowGroups = nil
	return s, s.write([]byte(parquetMagic))
}

const parquetMagic = "PAR1"

func (s *Splicer) write(data []byte) error {
	n, err := s.out.Write(data)
	s.size += int64(n)
	return err
}

// Group writes a row group; its chunks are those of the schema's columns, in their order.
func (s *Splicer) Group(rows int64, chunks []Chunk) error {
	group := format.RowGroup{NumRows: rows, FileOffset: s.size, Ordinal: int16(len(s.meta.RowGroups)),
		Columns: make([]format.ColumnChunk, len(chunks))}
	for i, chunk := range chunks {
		if chunk.Meta.MetaData.NumValues != rows {
			return fmt.Errorf("column %v has %d values of %d rows", s.columns[i], chunk.Meta.MetaData.NumValues, rows)
		}
		written := &group.Columns[i]
		meta := chunk.Meta.MetaData
		start := meta.DataPageOffset
		if meta.DictionaryPageOffset != 0 {
			start = min(start, meta.DictionaryPageOffset)
			meta.DictionaryPageOffset += s.size - start
		}
		meta.DataPageOffset += s.size - start
		meta.PathInSchema = s.columns[i]
		meta.IndexPageOffset, meta.BloomFilterOffset, meta.BloomFilterLength = 0, 0, 0
		written.MetaData = meta
		group.TotalByteSize += meta.TotalUncompressedSize
		group.TotalCompressedSize += meta.TotalCompressedSize
		n, err := io.Copy(s.out, io.NewSectionReader(chunk.From, start, meta.TotalCompressedSize))
		s.size += n
		if err == nil && n != meta.TotalCompressedSize {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("copy column %v: %w", s.columns[i], err)
		}
	}
	s.meta.RowGroups = append(s.meta.RowGroups, group)
	s.Written += rows
	return nil
}

// End writes the footer, and returns the metadata in the form that Iceberg's statistics are made from.
func (s *Splicer) End() (*metadata.FileMetaData, error) {
	s.meta.NumRows = s.Written
	var protocol thrift.CompactProtocol
	footer, err := thrift.Marshal(&protocol, &s.meta)
	if err != nil {
		return nil, fmt.Errorf("write the footer: %w", err)
	}
	if err := s.write(append(binary.LittleEndian.AppendUint32(footer[:len(footer):len(footer)], uint32(len(footer))),
		parquetMagic...)); err != nil {
		return nil, err
	}
	return metadata.NewFileMetaData(footer, nil)
}

// Fresh makes column chunks of values, row group by row group, in memory: packed, they are small.
type Fresh struct {
	schema *parquet.Schema
	file   bytes.Buffer
	writer *parquet.GenericWriter[any]
	groups int
}

// freshWriters keep parquet-go's writers between files, by schema: their buffers grow once.
var freshWriters sync.Map

// NewFresh begins the columns of a schema. Bounded are those of whose values the smallest and the largest are noted.
func NewFresh(schema *parquet.Schema, bounded map[string]bool) *Fresh {
	f := &Fresh{schema: schema}
	pool, _ := freshWriters.LoadOrStore(schema, new(sync.Pool))
	if free, ok := pool.(*sync.Pool).Get().(*parquet.GenericWriter[any]); ok {
		free.Reset(&f.file)
		f.writer = free
		return f
	}
	options := []parquet.WriterOption{schema, columnar.CreatedBy,
		parquet.Compression(columnar.Codec),
		parquet.DataPageStatistics(false)}
	for _, column := range schema.Columns() {
		if !bounded[column[0]] {
			options = append(options, parquet.SkipPageBounds(column...))
		}
	}
	f.writer = parquet.NewGenericWriter[any](&f.file, options...)
	return f
}

// Write adds values of a column, one for each row.
func (f *Fresh) Write(column int, values []parquet.Value) error {
	_, err := f.writer.ColumnWriters()[column].WriteRowValues(values)
	return err
}

// EndGroup ends a row group.
func (f *Fresh) EndGroup() error {
	f.groups++
	return f.writer.Flush()
}

// End gives out the chunks, by row group. Nothing may be added any more.
func (f *Fresh) End() (groups [][]Chunk, err error) {
	if err := f.writer.Close(); err != nil {
		return nil, err
	}
	pool, _ := freshWriters.Load(f.schema)
	f.writer.Reset(io.Discard)
	pool.(*sync.Pool).Put(f.writer)
	from := bytes.NewReader(f.file.Bytes())
	opened, err := parquet.OpenFile(from, from.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if n := len(opened.RowGroups()); n != f.groups {
		return nil, fmt.Errorf("%d row groups became %d", f.groups, n)
	}
	for group := range f.groups {
		groups = append(groups, chunksOf(opened, from, group))
	}
	return groups, nil
}

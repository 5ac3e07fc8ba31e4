package columnar

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// ending is how a file ends: what follows the row groups, and the footer in it.
type ending struct{ bytes, footer []byte }

// mendFooter mends what parquet-go wrote behind the row groups, which begins at an offset in the file.
func mendFooter(tail []byte, columns [][]string, skipBounds bool, offset int64) (ending, error) {
	if len(tail) < 8 {
		return ending{}, io.ErrUnexpectedEOF
	}
	size := len(tail) - 8
	start := size - int(binary.LittleEndian.Uint32(tail[size:]))
	var protocol thrift.CompactProtocol
	var meta format.FileMetaData
	if err := thrift.Unmarshal(&protocol, tail[start:size], &meta); err != nil {
		return ending{}, fmt.Errorf("read the footer: %w", err)
	}
	tail = tail[:start]
	nameColumns(&meta, columns)
	if skipBounds {
		tail = dropColumnIndex(&meta, tail, offset)
	}
	footer, err := thrift.Marshal(&protocol, &meta)
	if err != nil {
		return ending{}, fmt.Errorf("write the footer: %w", err)
	}
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(footer)))
	return ending{bytes: slices.Concat(tail, footer, length, []byte("PAR1")), footer: footer}, nil
}

// nameColumns gives column chunks their names back: parquet-go 0.32.0 forgets them when a writer is reset
// (TestResetForgetsNames).
func nameColumns(meta *format.FileMetaData, paths [][]string) {
	for i := range meta.RowGroups {
		for j := range meta.RowGroups[i].Columns {
			meta.RowGroups[i].Columns[j].MetaData.PathInSchema = paths[j]
		}
	}
}

// dropColumnIndex takes the bounds of pages out of the tail, which begins at an offset in the file. For a column
// whose bounds it was told to skip, parquet-go 0.32.0 writes empty ones, by which a reader may skip pages that hold
// what it looks for; and its own reader wants either all columns' or none (TestSkippedBoundsAreEmpty).
func dropColumnIndex(meta *format.FileMetaData, tail []byte, offset int64) []byte {
	start, dropped := int64(math.MaxInt64), int64(0)
	columns := func(each func(*format.ColumnChunk)) {
		for i := range meta.RowGroups {
			for j := range meta.RowGroups[i].Columns {
				each(&meta.RowGroups[i].Columns[j])
			}
		}
	}
	columns(func(c *format.ColumnChunk) {
		start, dropped = min(start, c.ColumnIndexOffset-offset), dropped+int64(c.ColumnIndexLength)
	})
	columns(func(c *format.ColumnChunk) {
		c.ColumnIndexOffset, c.ColumnIndexLength = 0, 0
		c.OffsetIndexOffset -= dropped
	})
	return slices.Delete(tail, int(start), int(start+dropped))
}

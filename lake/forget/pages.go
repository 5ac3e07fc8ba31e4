package forget

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// findInPages reads a file of Parquet from its first byte to its last: packed pages unpacked, all other bytes as
// they are.
func findInPages(ctx context.Context, metadata *format.FileMetaData, file io.Reader, size int64,
	wanted *Needles) (where string, err error) {
	w := &pageWalk{file: bufio.NewReaderSize(file, int(min(size, streamPiece))), wanted: wanted}
	for _, chunk := range chunksOf(metadata) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if chunk.from < w.at {
			return "", fmt.Errorf("its column chunks overlap at %d", chunk.from)
		}
		if found, err := w.plain(ctx, chunk.from-w.at); found || err != nil {
			return "bytes", err
		}
		for w.at < chunk.to {
			if found, err := w.page(chunk.codec); found || err != nil {
				return fmt.Sprintf("a page before byte %d", w.at), err
			}
		}
		if w.at != chunk.to {
			return "", fmt.Errorf("a page ends at %d, and its column chunk at %d", w.at, chunk.to)
		}
	}
	found, err := w.plain(ctx, size-w.at)
	if found {
		where = "bytes"
	}
	return where, err
}

// packedChunk is where the pages of a column lie.
type packedChunk struct {
	from, to int64
	codec    format.CompressionCodec
}

// chunksOf are the column chunks of a file whose pages are packed.
func chunksOf(metadata *format.FileMetaData) (chunks []packedChunk) {
	for _, group := range metadata.RowGroups {
		for _, column := range group.Columns {
			meta := &column.MetaData
			if meta.Codec == format.Uncompressed || meta.TotalCompressedSize == 0 {
				continue
			}
			from := meta.DataPageOffset
			if dictionary := meta.DictionaryPageOffset; dictionary > 0 {
				from = min(from, dictionary)
			}
			chunks = append(chunks, packedChunk{from, from + meta.TotalCompressedSize, meta.Codec})
		}
	}
	slices.SortFunc(chunks, func(a, b packedChunk) int { return int(a.from - b.from) })
	return chunks
}

// pageWalk goes through a file's bytes once.
type pageWalk struct {
	file             *bufio.Reader
	at               int64
	wanted           *Needles
	packed, unpacked []byte
}

// plain looks at bytes that are not packed.
func (w *pageWalk) plain(ctx context.Context, size int64) (found bool, err error) {
	w.at += size
	if size > streamPiece {
		return w.wanted.inStream(ctx, io.LimitReader(w.file, size), streamPiece)
	}
	w.packed = slices.Grow(w.packed[:0], int(size))[:size]
	if _, err := io.ReadFull(w.file, w.packed); err != nil {
		return false, err
	}
	return w.wanted.in(w.packed), nil
}

const (
	maxPageHeader = 1 << 20 // it may have the page's smallest and largest value
	maxPage       = 1 << 30
)

// page unpacks the page that begins here.
func (w *pageWalk) page(packing format.CompressionCodec) (found bool, err error) {
	var header format.PageHeader
	var raw bytes.Buffer
	var protocol thrift.CompactProtocol
	if err := thrift.NewDecoder(protocol.NewReader(io.TeeReader(io.LimitReader(w.file, maxPageHeader),
		&raw))).Decode(&header); err != nil {
		return false, fmt.Errorf("read the header of a page at %d: %w", w.at, err)
	}
	w.at += int64(raw.Len())
	size := int64(header.CompressedPageSize)
	if size < 0 || size > maxPage || header.UncompressedPageSize < 0 || int64(header.UncompressedPageSize) > maxPage {
		return false, fmt.Errorf("a page at %d of %d bytes, unpacked %d", w.at, size, header.UncompressedPageSize)
	}
	if w.wanted.in(raw.Bytes()) {
		return true, nil
	}
	w.packed = slices.Grow(w.packed[:0], int(size))[:size]
	if _, err := io.ReadFull(w.file, w.packed); err != nil {
		return false, fmt.Errorf("read a page at %d: %w", w.at, err)
	}
	w.at += size
	levels, packed := int64(0), true
	if header.DataPageHeaderV2.Valid { // the levels in front are not packed
		v2 := &header.DataPageHeaderV2.V
		levels = int64(v2.DefinitionLevelsByteLength) + int64(v2.RepetitionLevelsByteLength)
		packed = !v2.IsCompressed.Valid || v2.IsCompressed.V
	}
	if levels < 0 || levels > size {
		return false, errors.New("the levels of a page are longer than it")
	}
	if !packed || levels == size {
		return w.wanted.in(w.packed), nil
	}
	w.unpacked = slices.Grow(w.unpacked[:0], int(header.UncompressedPageSize))
	w.unpacked, err = parquet.LookupCompressionCodec(packing).Decode(w.unpacked, w.packed[levels:])
	if err != nil {
		return false, fmt.Errorf("unpack a page before %d: %w", w.at, err)
	}
	return w.wanted.in(w.packed[:levels]) || w.wanted.in(w.unpacked), nil
}

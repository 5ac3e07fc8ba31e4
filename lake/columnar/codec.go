package columnar

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/huff0"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// Codec packs pages as Zstandard. Ids are random digits: what an encoder takes for repeats in them costs more than the
// digits do, and searching for it is most of its work. So a page in which a sample packs no better by its repeats
// than by how often each byte occurs is packed by the latter alone, in frames that any reader of Zstandard takes.
var Codec = &pageCodec{Codec: zstd.Codec{Level: zstd.SpeedFastest}}

type pageCodec struct {
	zstd.Codec
	scratch sync.Pool // of literals
}

const (
	// sampledBytes of a page tell how it is packed; what is not many times as long is packed by repeats, unasked.
	sampledBytes = 8 << 10
	literalBlock = 128 << 10 // the most that a block of Zstandard may hold
)

// Encode packs a page into dst's memory, where it has enough.
func (c *pageCodec) Encode(dst, src []byte) ([]byte, error) {
	if len(src) < 4*sampledBytes {
		return c.Codec.Encode(dst, src)
	}
	l, ok := c.scratch.Get().(*literals)
	if !ok {
		l = &literals{}
		l.huffman.Reuse = huff0.ReusePolicyNone
	}
	defer c.scratch.Put(l)
	// The middle: at the beginning lie lengths.
	start := (len(src) - sampledBytes) / 2
	sample := src[start : start+sampledBytes]
	table, data, _, err := huff0.EstimateSizes(sample, &l.huffman)
	if err != nil { // it is one letter, or noise
		return c.Codec.Encode(dst, src)
	}
	if l.sample, err = c.Codec.Encode(l.sample, sample); err != nil {
		return dst, err
	}
	if len(l.sample) < table+data {
		return c.Codec.Encode(dst, src)
	}
	return l.pack(dst[:0], src)
}

// literals packs bytes by how often each occurs, and nothing else: as frames of Zstandard without a sequence.
type literals struct {
	huffman huff0.Scratch
	sample  []byte
}

// Parts of the format, RFC 8878.
const (
	frameMagic       = 0xFD2FB528
	frameOneSegment  = 2<<6 | 1<<5 // the frame says its size in four bytes, and is read as a whole
	blockRaw         = 0
	blockRepeated    = 1
	blockCompressed  = 2
	literalsHuffman  = 2
	literalsLarge    = 3 // four streams, sizes of 18 bits
	literalsOverhead = 6 // five bytes of header, and that there is no sequence
)

func (l *literals) pack(dst, src []byte) ([]byte, error) {
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = append(dst, frameOneSegment)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	for len(src) > 0 {
		block := src[:min(len(src), literalBlock)]
		src = src[len(block):]
		last := uint32(0)
		if len(src) == 0 {
			last = 1
		}
		header := func(kind, size int) {
			bits := last | uint32(kind)<<1 | uint32(size)<<3
			dst = append(dst, byte(bits), byte(bits>>8), byte(bits>>16))
		}
		packed, _, err := huff0.Compress4X(block, &l.huffman)
		switch {
		case errors.Is(err, huff0.ErrUseRLE):
			header(blockRepeated, len(block))
			dst = append(dst, block[0])
		case errors.Is(err, huff0.ErrIncompressible) || err == nil && len(packed)+literalsOverhead >= len(block):
			header(blockRaw, len(block))
			dst = append(dst, block...)
		case err != nil:
			return dst, err
		default:
			header(blockCompressed, len(packed)+literalsOverhead)
			bits := literalsHuffman | literalsLarge<<2 | uint64(len(block))<<4 | uint64(len(packed))<<22
			dst = append(dst, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24), byte(bits>>32))
			dst = append(append(dst, packed...), 0)
		}
	}
	return dst, nil
}

package telemetry

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Short texts are searched eight bytes at a time: bytes.IndexByte is the fastest search only beyond some twenty bytes.
const (
	everyByte = 0x01_01_01_01_01_01_01_01
	highBits  = 0x80 * everyByte
)

// matches has the high bit of each of the first eight bytes of text that is c. Only the lowest one is sure to be
// right: a byte just above a match may be taken for one.
func matches(text []byte, c byte) uint64 {
	word := binary.LittleEndian.Uint64(text) ^ everyByte*uint64(c)
	return (word - everyByte) &^ word & highBits
}

// index is bytes.IndexByte(text[from:], c) + from, faster for what is near; -1 if there is none.
func index(text []byte, from int, c byte) int {
	for near := from + 16; from < near && from+8 <= len(text); from += 8 {
		if found := matches(text[from:], c); found != 0 {
			return from + bits.TrailingZeros64(found)/8
		}
	}
	if n := bytes.IndexByte(text[from:], c); n >= 0 {
		return from + n
	}
	return -1
}

// isASCII is the usual case, and told in a fraction of the time that utf8.Valid takes.
func isASCII(text []byte) bool {
	var or uint64
	for ; len(text) >= 32; text = text[32:] {
		or |= binary.NativeEndian.Uint64(text) | binary.NativeEndian.Uint64(text[8:]) |
			binary.NativeEndian.Uint64(text[16:]) | binary.NativeEndian.Uint64(text[24:])
	}
	for ; len(text) >= 8; text = text[8:] {
		or |= binary.NativeEndian.Uint64(text)
	}
	for _, c := range text {
		or |= uint64(c)
	}
	return or&highBits == 0
}

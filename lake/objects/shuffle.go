package objects

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// A shuffle divides records into sections by their session, so that all of a session come together again whatever
// chunk or file they came from. One object, blocks of one section each. shuffleBytes is the memory for blocks that
// fill, however many sections there are; blocks are not let become so small that they pack badly.
const (
	shuffleBytes = 4 << 20
	minBlockSize = 4 << 10
)

// SessionSection is the section of a session key: sections follow the order of keys. sections is a power of two.
func SessionSection(key int64, sections int) int {
	return int((uint64(key) + 1<<63) >> (64 - bits.TrailingZeros(uint(sections))) & uint64(sections-1))
}

// Shuffled is a written shuffle: the blocks of each section as (offset, length) pairs.
type Shuffled struct {
	Path     string    `json:"path"`
	Sections [][]int64 `json:"sections"`
	// Packed are the blocks themselves, where they are so few that an object would cost more: Path has none then.
	Packed []byte `json:"packed,omitempty"`
}

type ShuffleWriter struct {
	Object    *Writer
	blockSize int
	buffers   [][]byte
	sections  [][]int64
	packed    []byte
}

func (o *Store) NewShuffle(folder string, sections int) *ShuffleWriter {
	w := &ShuffleWriter{
		Object: o.createUnhashed(folder), blockSize: max(shuffleBytes/sections, minBlockSize),
		sections: make([][]int64, sections),
	}
	if free, ok := freeBuffers.Get().(*[][]byte); ok {
		w.buffers = *free
	}
	w.buffers = slices.Grow(w.buffers[:0], sections)[:sections]
	return w
}

// freeBuffers are the empty buffers of shuffles that were written: they grow once.
var freeBuffers sync.Pool

// leaveBuffers leaves them to the next shuffle, but for those that long records made large.
func (w *ShuffleWriter) leaveBuffers() {
	for i, buffer := range w.buffers {
		if cap(buffer) > 2*w.blockSize+minBlockSize {
			w.buffers[i] = nil
		}
	}
	free := w.buffers
	w.buffers = nil
	freeBuffers.Put(&free)
}

// Add hands out the buffer of a section to append one record to, and takes it back.
func (w *ShuffleWriter) Add(section int, encode func([]byte) []byte) error {
	w.buffers[section] = encode(w.buffers[section])
	if len(w.buffers[section]) < w.blockSize {
		return nil
	}
	return w.flush(section)
}

func (w *ShuffleWriter) flush(section int) error {
	if len(w.buffers[section]) == 0 {
		return nil
	}
	w.packed = s2.Encode(w.packed[:cap(w.packed)], w.buffers[section])
	w.sections[section] = append(w.sections[section], w.Object.Size, int64(len(w.packed)))
	w.buffers[section] = w.buffers[section][:0]
	if _, err := w.Object.Write(w.packed); err != nil {
		return fmt.Errorf("write a shuffle: %w", err)
	}
	return nil
}

func (w *ShuffleWriter) Close(path string) (Shuffled, error) {
	for section := range w.buffers {
		if err := w.flush(section); err != nil {
			w.Object.Abort()
			return Shuffled{}, err
		}
	}
	w.leaveBuffers()
	if packed, all := w.Object.Held(); all {
		return Shuffled{Path: path, Sections: w.sections, Packed: packed}, nil
	}
	if err := w.Object.Publish(path); err != nil {
		return Shuffled{}, err
	}
	return Shuffled{Path: path, Sections: w.sections}, nil
}

// empty tells that no section has a block.
func (s Shuffled) empty() bool {
	return !slices.ContainsFunc(s.Sections, func(blocks []int64) bool { return len(blocks) > 0 })
}

// Bytes is the packed size of each section.
func (s Shuffled) Bytes() []int64 {
	sizes := make([]int64, len(s.Sections))
	for section, blocks := range s.Sections {
		for i := 1; i < len(blocks); i += 2 {
			sizes[section] += blocks[i]
		}
	}
	return sizes
}

// Read appends the records of a section to a buffer, in the order in which they were added.
func (s Shuffled) Read(file Blocks, section int, into []byte) ([]byte, error) {
	var packed []byte
	blocks := s.Sections[section]
	for i := 0; i < len(blocks); i += 2 {
		if int64(cap(packed)) < blocks[i+1] {
			packed = make([]byte, blocks[i+1])
		}
		packed = packed[:blocks[i+1]]
		if _, err := file.ReadAt(packed, blocks[i]); err != nil && err != io.EOF {
			return nil, fmt.Errorf("read %s at %d: %w", s.Path, blocks[i], err)
		}
		size, err := s2.DecodedLen(packed)
		if err != nil {
			return nil, fmt.Errorf("unpack %s at %d: %w", s.Path, blocks[i], err)
		}
		start := len(into)
		into = append(into, make([]byte, size)...)
		if _, err := s2.Decode(into[start:], packed); err != nil {
			return nil, fmt.Errorf("unpack %s at %d: %w", s.Path, blocks[i], err)
		}
	}
	return into, nil
}

// Shuffles are shuffles of one number of sections, open to be read together.
type Shuffles []openShuffle

type openShuffle struct {
	index Shuffled
	file  Blocks
}

// Blocks are those of an open shuffle.
type Blocks interface {
	io.ReaderAt
	io.Closer
}

// OpenShuffle opens what Read reads from.
func (o *Store) OpenShuffle(s Shuffled) (Blocks, error) {
	if len(s.Packed) > 0 || s.empty() {
		return held{bytes.NewReader(s.Packed)}, nil
	}
	return o.Open(s.Path)
}

// held is what is read from memory.
type held struct{ *bytes.Reader }

func (held) Close() error { return nil }

func (o *Store) OpenShuffles(written []Shuffled) (Shuffles, error) {
	var open Shuffles
	for _, index := range written {
		file, err := o.OpenShuffle(index)
		if err != nil {
			open.Close()
			return nil, err
		}
		open = append(open, openShuffle{index: index, file: file})
	}
	return open, nil
}

// Read appends the records that all of them have of a section to a buffer.
func (s Shuffles) Read(section int, into []byte) (_ []byte, err error) {
	for _, shuffle := range s {
		if into, err = shuffle.index.Read(shuffle.file, section, into); err != nil {
			return nil, err
		}
	}
	return into, nil
}

// Each hands out these records some at a time; they live until it returns.
func (s Shuffles) Each(section int, each func([]byte) error) (err error) {
	var data []byte
	for _, shuffle := range s {
		blocks := shuffle.index.Sections[section]
		for i := 0; i < len(blocks); i += 2 {
			one := Shuffled{Path: shuffle.index.Path, Sections: [][]int64{blocks[i : i+2]}}
			if data, err = one.Read(shuffle.file, 0, data[:0]); err != nil {
				return err
			}
			if err := each(data); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes is the packed size of a section.
func (s Shuffles) Bytes(section int) (size int64) {
	for _, shuffle := range s {
		size += shuffle.index.Bytes()[section]
	}
	return size
}

func (s Shuffles) Close() {
	for _, shuffle := range s {
		shuffle.file.Close()
	}
}

// The encoding of records: varints, and texts after their length.

func AppendText[T string | []byte](buffer []byte, text T) []byte {
	return append(binary.AppendUvarint(buffer, uint64(len(text))), text...)
}

// Decoder reads what was appended. The data is our own and was hashed by nobody: a cut is an error, not a panic.
type Decoder struct {
	Data   []byte
	Failed bool
}

// DecodeAll reads all of data, and appends what it reads to into. Errors: ErrDamaged.
func DecodeAll[T any](data []byte, into []T, decode func(*Decoder) T) ([]T, error) {
	d := Decoder{Data: data}
	for len(d.Data) > 0 {
		into = append(into, decode(&d))
	}
	if d.Failed {
		return into, ErrDamaged
	}
	return into, nil
}

func (d *Decoder) Uvarint() uint64 {
	value, n := binary.Uvarint(d.Data)
	if n <= 0 {
		d.Failed, d.Data = true, nil
		return 0
	}
	d.Data = d.Data[n:]
	return value
}

func (d *Decoder) Varint() int64 {
	value, n := binary.Varint(d.Data)
	if n <= 0 {
		d.Failed, d.Data = true, nil
		return 0
	}
	d.Data = d.Data[n:]
	return value
}

// Text aliases the buffer.
func (d *Decoder) Text() string {
	n := d.Uvarint()
	if n > uint64(len(d.Data)) {
		d.Failed, d.Data = true, nil
		return ""
	}
	text := UnsafeString(d.Data[:n])
	d.Data = d.Data[n:]
	return text
}

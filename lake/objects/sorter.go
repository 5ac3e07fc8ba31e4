package objects

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Sections of a shuffle are sorted in memory, but for those with a session that has too much: LargeSection is from
// which packed size on a section goes through a Sorter, SortBytes how much of it is sorted at a time. Tests make them
// small.
var (
	LargeSection int64 = 24 << 20
	SortBytes          = 16 << 20
)

// Sorter sorts records that may be too many for memory: full buffers are sorted and written to a local file each, and
// merged in the end.
type Sorter[T any] struct {
	folder  string // "": the system's
	limit   int
	decode  func(*Decoder) T
	compare func(a, b *T) int

	data  []byte
	files []*os.File
}

// NewSorter makes a sorter that puts its files below a folder, the system's when empty. Its Close removes them.
func NewSorter[T any](folder string, limit int, decode func(*Decoder) T, compare func(a, b *T) int) *Sorter[T] {
	return &Sorter[T]{folder: folder, limit: limit, decode: decode, compare: compare}
}

// Add takes whole records, one after the other.
func (s *Sorter[T]) Add(records []byte) error {
	s.data = append(s.data, records...)
	if len(s.data) < s.limit {
		return nil
	}
	return s.spill()
}

// sortedRecord is a record and the bytes that it was decoded from.
type sortedRecord[T any] struct {
	value  T
	record []byte
}

func (s *Sorter[T]) sorted() ([]*sortedRecord[T], error) {
	var all []sortedRecord[T]
	d := Decoder{Data: s.data}
	for len(d.Data) > 0 {
		before := d.Data
		value := s.decode(&d)
		all = append(all, sortedRecord[T]{value, before[:len(before)-len(d.Data)]})
	}
	if d.Failed {
		return nil, ErrDamaged
	}
	order := make([]*sortedRecord[T], len(all))
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortFunc(order, func(a, b *sortedRecord[T]) int { return s.compare(&a.value, &b.value) })
	return order, nil
}

func (s *Sorter[T]) spill() (err error) {
	order, err := s.sorted()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(s.folder, "versionlake-sort-*")
	if err != nil {
		return fmt.Errorf("make a file to sort in: %w", err)
	}
	s.files = append(s.files, file)
	out := bufio.NewWriterSize(file, 256<<10)
	var header []byte
	for _, each := range order {
		header = binary.AppendUvarint(header[:0], uint64(len(each.record)))
		if _, err := out.Write(append(header, each.record...)); err != nil {
			return fmt.Errorf("write what is sorted: %w", err)
		}
	}
	s.data = s.data[:0]
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write what is sorted: %w", err)
	}
	return nil
}

// Each hands out all records in their order. A record lives as long as whoever gets it holds it.
func (s *Sorter[T]) Each(each func(*T) error) error {
	if len(s.files) == 0 {
		order, err := s.sorted()
		for _, record := range order {
			if err := each(&record.value); err != nil {
				return err
			}
		}
		return err
	}
	if err := s.spill(); err != nil {
		return err
	}
	s.data = nil
	merged := &sortedFiles[T]{compare: s.compare}
	for _, file := range s.files {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read what was sorted: %w", err)
		}
		one := &sortedFile[T]{reader: bufio.NewReaderSize(file, 64<<10), decode: s.decode}
		switch err := one.advance(); {
		case err == io.EOF:
		case err != nil:
			return err
		default:
			merged.files = append(merged.files, one)
		}
	}
	heap.Init(merged)
	for len(merged.files) > 0 {
		first := merged.files[0]
		if err := each(first.next); err != nil {
			return err
		}
		switch err := first.advance(); {
		case err == io.EOF:
			heap.Pop(merged)
		case err != nil:
			return err
		default:
			heap.Fix(merged, 0)
		}
	}
	return nil
}

// Close removes its files.
func (s *Sorter[T]) Close() {
	for _, file := range s.files {
		file.Close()
		os.Remove(file.Name())
	}
	s.files, s.data = nil, nil
}

type sortedFile[T any] struct {
	reader *bufio.Reader
	decode func(*Decoder) T
	next   *T
}

// advance reads the next record, into memory of its own; io.EOF at the end.
func (f *sortedFile[T]) advance() error {
	size, err := binary.ReadUvarint(f.reader)
	if err != nil {
		return err
	}
	record := make([]byte, size)
	if _, err := io.ReadFull(f.reader, record); err != nil {
		return fmt.Errorf("read what was sorted: %w", errors.Join(err, ErrDamaged))
	}
	d := Decoder{Data: record}
	value := f.decode(&d)
	if d.Failed {
		return ErrDamaged
	}
	f.next = &value
	return nil
}

type sortedFiles[T any] struct {
	files   []*sortedFile[T]
	compare func(a, b *T) int
}

func (f *sortedFiles[T]) Len() int { return len(f.files) }

func (f *sortedFiles[T]) Less(i, j int) bool { return f.compare(f.files[i].next, f.files[j].next) < 0 }

func (f *sortedFiles[T]) Swap(i, j int) { f.files[i], f.files[j] = f.files[j], f.files[i] }

func (f *sortedFiles[T]) Push(x any) { f.files = append(f.files, x.(*sortedFile[T])) }

func (f *sortedFiles[T]) Pop() any {
	last := f.files[len(f.files)-1]
	f.files = f.files[:len(f.files)-1]
	return last
}

// Keyed is a value in a sort, with a number by which most are told apart: a look at the value would miss the cache.
type Keyed[T any] struct {
	Key   int64
	Value *T
}

// SortKeyed sorts by key, and values of one key as compare says.
func SortKeyed[T any](values []Keyed[T], compare func(a, b *T) int) {
	slices.SortFunc(values, func(a, b Keyed[T]) int {
		if a.Key != b.Key {
			return cmp.Compare(a.Key, b.Key)
		}
		return compare(a.Value, b.Value)
	})
}

// PrefixOf is a number that follows the order of texts as far as their beginnings tell.
func PrefixOf(text string) uint64 {
	var start [8]byte
	copy(start[:], text)
	return binary.BigEndian.Uint64(start[:])
}

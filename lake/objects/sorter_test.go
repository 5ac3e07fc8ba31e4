package objects

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// What does not fit into memory comes out in the same order as what does, and leaves nothing behind.
func TestSorter(t *testing.T) {
	type record struct {
		text   string
		number int64
	}
	decode := func(d *Decoder) record { return record{d.Text(), d.Varint()} }
	compare := func(a, b *record) int { return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.number, b.number)) }
	for _, limit := range []int{1, 100, 1 << 20} {
		r := rand.New(rand.NewPCG(1, 2))
		folder := t.TempDir()
		s := NewSorter(folder, limit, decode, compare)
		var want []record
		for range 100 {
			var block []byte
			for range r.IntN(5) {
				one := record{string(rune('a' + r.IntN(4))), r.Int64N(50)}
				want = append(want, one)
				block = binary.AppendVarint(AppendText(block, one.text), one.number)
			}
			if err := s.Add(block); err != nil {
				t.Fatal(err)
			}
		}
		var got []record
		if err := s.Each(func(one *record) error { got = append(got, *one); return nil }); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(want, func(a, b record) int { return compare(&a, &b) })
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %v, not %v", limit, got, want)
		}
		files, _ := os.ReadDir(folder)
		s.Close()
		left, _ := os.ReadDir(folder)
		if len(left) > 0 || (len(files) > 1) != (limit < 1<<20) {
			t.Errorf("limit %d: %d files, and then %d", limit, len(files), len(left))
		}
	}
}

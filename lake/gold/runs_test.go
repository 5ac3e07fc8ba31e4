package gold

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// TestSortedRuns writes changes into several runs: each bucket reads its users back in order, with all that is theirs.
//
//nolint:cyclop,funlen // one random history is taken through every way of reading runs
func TestSortedRuns(t *testing.T) {
	l := openLake(t)
	r := rand.New(rand.NewPCG(3, 4))
	const buckets = 3
	bucket := func(user string) int { return int(user[len(user)-1]) % buckets }
	w := newRunWriter(l.Objects, roundFolder(l, "runs"), bucket)
	want := map[string][]userDelta{}
	for n := range 5 {
		for i := range 200 {
			user := fmt.Sprintf("user %d", r.IntN(60)*(n+1))
			d := userDelta{user: user, kind: byte(r.IntN(3))}
			if d.kind != deltaLate {
				d.sighting = history.Sighting{Service: "é", Version: fmt.Sprint(i), Time: int64(r.IntN(40)),
					Transaction: -1, File: "f", Line: int64(1000*n + i)}
				if r.IntN(2) == 0 {
					d.sighting.Device, d.sighting.HasDevice = "d", true
				}
			}
			want[user] = append(want[user], d)
			if err := w.add(d); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.runs) != 5 || w.changes.Load() != 1000 {
		t.Fatalf("%d runs of %d changes", len(w.runs), w.changes.Load())
	}
	found := 0
	for b := range buckets {
		deltas, err := openBucket(l.Objects, w.runs, b)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for deltas.valid() {
			user := deltas.next().user
			if user <= last || bucket(user) != b || want[user] == nil {
				t.Fatalf("bucket %d: %q comes after %q", b, user, last)
			}
			last = user
			found++
			slices.SortFunc(want[user], func(a, b userDelta) int { return a.compare(&b) })
			for _, w := range want[user] {
				if !deltas.of(user) || *deltas.next() != w {
					t.Fatalf("%q has %+v, not %+v", user, deltas.next(), w)
				}
				if err := deltas.advance(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := deltas.close(); err != nil {
			t.Error(err)
		}
	}
	if found != len(want) {
		t.Errorf("%d users of %d", found, len(want))
	}
	// A run that was cut is an error, not fewer users.
	cut := w.runs[0]
	for b, at := range cut.Buckets {
		cut.Buckets = map[int][2]int64{b: {at[0], at[1] - 1}}
		deltas, err := openBucket(l.Objects, []sortedRun{cut}, b)
		for err == nil && deltas.valid() {
			err = deltas.advance()
		}
		if err == nil {
			t.Error("a run that was cut was read to its end")
		}
		break
	}
}

func openLake(t *testing.T) *lake.Lake {
	t.Helper()
	dir := t.TempDir()
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

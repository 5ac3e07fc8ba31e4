package gold

import (
	"cmp"
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
	want := map[string]*userChange{}
	for n := range 5 {
		for i := range 200 {
			user := fmt.Sprintf("user %d", r.IntN(60)*(n+1))
			d := userDelta{user: user, kind: byte(r.IntN(3))}
			if want[user] == nil {
				want[user] = &userChange{user: user}
			}
			if d.kind == deltaLate {
				want[user].late = true
			} else {
				d.sighting = history.Sighting{Service: "é", Version: fmt.Sprint(i), Time: r.Int64() - r.Int64(),
					Transaction: -1, File: "f", Line: int64(1000*n + i)}
				if r.IntN(2) == 0 {
					d.sighting.Device, d.sighting.HasDevice = "d", true
				}
				if d.kind == deltaCame {
					want[user].came = append(want[user].came, d.sighting)
				} else {
					want[user].left = append(want[user].left, d.sighting)
				}
			}
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
		for {
			change, ok, err := deltas.nextUser()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if change.user <= last || bucket(change.user) != b || want[change.user] == nil {
				t.Fatalf("bucket %d: %q comes after %q", b, change.user, last)
			}
			last = change.user
			found++
			byLine := func(a, b history.Sighting) int { return cmp.Compare(a.Line, b.Line) }
			slices.SortFunc(change.came, byLine)
			slices.SortFunc(change.left, byLine)
			if w := want[change.user]; change.late != w.late || !slices.Equal(change.came, w.came) ||
				!slices.Equal(change.left, w.left) {
				t.Errorf("%q is %+v, not %+v", change.user, change, w)
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
		for ok := true; err == nil && ok; {
			_, ok, err = deltas.nextUser()
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

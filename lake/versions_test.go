package lake

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// keys are the rows of gold.versions, sorted, and how many files and snapshots it has.
func keys(t testing.TB, l *Lake) (rows []string, files, snapshots int) {
	t.Helper()
	loaded, err := l.load(t.Context(), goldVersions)
	if err != nil {
		t.Fatal(err)
	}
	live, err := liveFiles(t.Context(), loaded)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range live {
		if err := scanRows(t.Context(), l, file, func(batch []versionRow) error {
			for _, row := range batch {
				if row != versionRowOf(versionName{row.Service, row.Version}) {
					t.Errorf("wrong keys: %+v", row)
				}
				rows = append(rows, strings.Clone(row.Service+" "+row.Version))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(rows)
	return rows, len(live), len(loaded.Metadata().Snapshots())
}

// anew makes gold from nothing but silver.
func (in *ingester) anew() UsersCommit {
	in.tb.Helper()
	plan, merged := in.mergeAgain(Again{All: true})
	return in.commitGold(plan, merged)
}

func TestVersionsOfGold(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.9"), sighting("27T05:20", "s1", "3f2a1bc"), sighting("27T05:30", "s2", "1.9"))
	in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.9"), login("27T06:11", "s2", "p2"))
	in.put("27T07/a.tsv", sighting("27T07:10", "s1", "1.10"))
	want := []string{"App 1.9", "App 3f2a1bc"}
	for i := range 3 {
		in.ingest(hour + telemetry.Hour(i))
		if i == 2 {
			want = []string{"App 1.10", "App 1.9", "App 3f2a1bc"}
		}
		if rows, files, snapshots := keys(t, in.lake); !slices.Equal(rows, want) || files != 1 || snapshots != 1+i/2 {
			t.Fatalf("hour %d: %q in %d files, %d snapshots; want %q", i, rows, files, snapshots, want)
		}
	}
	// Rows stay when the sightings go, until gold is made anew.
	in.put("27T07/a.tsv", sighting("27T07:10", "s1", "1.9"))
	in.ingest(hour + 2)
	if rows, _, snapshots := keys(t, in.lake); !slices.Equal(rows, want) || snapshots != 2 {
		t.Fatalf("%q in %d snapshots", rows, snapshots)
	}
	in.anew()
	if rows, files, _ := keys(t, in.lake); !slices.Equal(rows, want[1:]) || files != 1 {
		t.Fatalf("made anew: %q in %d files", rows, files)
	}
	in.anew()
	if _, _, snapshots := keys(t, in.lake); snapshots != 3 {
		t.Fatalf("made anew without a change: %d snapshots", snapshots)
	}
}

// However many rounds add to them, there are few files.
func TestVersionsStayInFewFiles(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	for i := range 12 {
		var lines []string
		for n := range []int{40, 1, 1, 1, 9, 1, 2, 1, 1, 1, 1, 1}[i] {
			lines = append(lines, sighting(fmt.Sprintf("27T%02d:10", 5+i), "s1", fmt.Sprintf("%d.%d", i, n)))
		}
		in.put(fmt.Sprintf("27T%02d/a.tsv", 5+i), lines...)
		in.ingest(hour + telemetry.Hour(i))
	}
	if rows, files, snapshots := keys(t, in.lake); len(rows) != 60 || files > 4 || snapshots != 12 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
}

// A lake that was made before there was this table gets all rows once gold is made anew, and a table that another program
// damaged is mended.
func TestVersionsAreMended(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.9"), sighting("27T05:20", "s2", "2.0"))
	in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.9"))
	in.ingest(hour)
	plantDaily(t, in.lake, goldVersions, func(rows []versionRow) []versionRow {
		for i := range rows {
			rows[i].RankKey = "old rules"
		}
		return append(rows[:1], rows[0])
	})
	in.anew()
	if rows, _, _ := keys(t, in.lake); !slices.Equal(rows, []string{"App 1.9", "App 2.0"}) {
		t.Fatalf("%q", rows)
	}
	plantDaily(t, in.lake, goldVersions, func(rows []versionRow) []versionRow { rows[0].SortKey = ""; return rows })
	in.ingest(hour + 1)
	if rows, _, _ := keys(t, in.lake); len(rows) != 2 {
		t.Fatalf("%q", rows)
	}
}

// A collector stages what does not fit into its memory.
func TestManyVersions(t *testing.T) {
	in := newWorld(t)
	c := newVersionCollector(in.lake.objects, in.lake.roundFolder("many"))
	long := strings.Repeat("x", 40_000)
	for i := range 1000 {
		for range 2 {
			in.must(c.add("svc", fmt.Sprint(i, long)))
		}
	}
	paths, err := c.staged()
	in.must(err)
	if len(paths) < 2 {
		t.Fatalf("%d objects", len(paths))
	}
	for range 2 {
		_, err := in.lake.ensureVersions(t.Context(), paths, false)
		in.must(err)
	}
	if rows, files, snapshots := keys(t, in.lake); len(rows) != 1000 || files != 1 || snapshots != 1 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
	if key := history.KeyOf("svc", "1.9"); versionRowOf(versionName{"svc", "1.9"}).SortKey != key.Sort {
		t.Fatal(key)
	}
}

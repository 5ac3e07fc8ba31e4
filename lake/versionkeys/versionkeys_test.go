package versionkeys_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/lake/versionkeys"
	"github.com/versionlake/versionlake/telemetry"
)

// keys are the rows of gold.versions, sorted, and how many files and snapshots it has.
func keys(t testing.TB, l *lake.Lake) (rows []string, files, snapshots int) {
	t.Helper()
	loaded, err := l.Load(t.Context(), lake.GoldVersions)
	if err != nil {
		t.Fatal(err)
	}
	live, err := lake.LiveFiles(t.Context(), loaded)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range live {
		if err := lake.ScanRows(t.Context(), l, file, func(batch []lake.VersionRow) error {
			for _, row := range batch {
				if row != versionkeys.RowOf(lake.VersionName{Service: row.Service, Version: row.Version}) {
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

func TestVersionsOfGold(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s1", "3f2a1bc"),
		laketest.Sighting("27T05:30", "s2", "1.9"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"), laketest.Login("27T06:11", "s2", "p2"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.10"))
	want := []string{"App 1.9", "App 3f2a1bc"}
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
		if i == 2 {
			want = []string{"App 1.10", "App 1.9", "App 3f2a1bc"}
		}
		if rows, files, snapshots := keys(t, in.Lake); !slices.Equal(rows, want) || files != 1 || snapshots != 1+i/2 {
			t.Fatalf("hour %d: %q in %d files, %d snapshots; want %q", i, rows, files, snapshots, want)
		}
	}
	// Rows stay when the sightings go, until gold is made anew.
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.9"))
	in.Ingest(hour + 2)
	if rows, _, snapshots := keys(t, in.Lake); !slices.Equal(rows, want) || snapshots != 2 {
		t.Fatalf("%q in %d snapshots", rows, snapshots)
	}
	in.Anew()
	if rows, files, _ := keys(t, in.Lake); !slices.Equal(rows, want[1:]) || files != 1 {
		t.Fatalf("made anew: %q in %d files", rows, files)
	}
	in.Anew()
	if _, _, snapshots := keys(t, in.Lake); snapshots != 3 {
		t.Fatalf("made anew without a change: %d snapshots", snapshots)
	}
}

// However many rounds add to them, there are few files.
func TestVersionsStayInFewFiles(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	for i := range 12 {
		var lines []string
		for n := range []int{40, 1, 1, 1, 9, 1, 2, 1, 1, 1, 1, 1}[i] {
			lines = append(lines, laketest.Sighting(fmt.Sprintf("27T%02d:10", 5+i), "s1", fmt.Sprintf("%d.%d", i, n)))
		}
		in.Put(fmt.Sprintf("27T%02d/a.tsv", 5+i), lines...)
		in.Ingest(hour + telemetry.Hour(i))
	}
	if rows, files, snapshots := keys(t, in.Lake); len(rows) != 60 || files > 4 || snapshots != 12 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
}

// A lake that was made before there was this table gets all rows once gold is made anew, and a table that another
// program damaged is mended.
func TestVersionsAreMended(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s2", "2.0"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"))
	in.Ingest(hour)
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions, func(rows []lake.VersionRow) []lake.VersionRow {
		for i := range rows {
			rows[i].RankKey = "old rules"
		}
		return append(rows[:1], rows[0])
	})
	in.Anew()
	if rows, _, _ := keys(t, in.Lake); !slices.Equal(rows, []string{"App 1.9", "App 2.0"}) {
		t.Fatalf("%q", rows)
	}
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions,
		func(rows []lake.VersionRow) []lake.VersionRow { rows[0].SortKey = ""; return rows })
	in.Ingest(hour + 1)
	if rows, _, _ := keys(t, in.Lake); len(rows) != 2 {
		t.Fatalf("%q", rows)
	}
}

// A collector stages what does not fit into its memory.
func TestManyVersions(t *testing.T) {
	in := laketest.NewWorld(t)
	c := versionkeys.NewCollector(in.Lake.Objects, in.Lake.StagingFolder()+"/users/many")
	long := strings.Repeat("x", 40_000)
	for i := range 1000 {
		for range 2 {
			in.Must(c.Add("svc", fmt.Sprint(i, long)))
		}
	}
	paths, err := c.Staged()
	in.Must(err)
	if len(paths) < 2 {
		t.Fatalf("%d objects", len(paths))
	}
	for range 2 {
		_, err := versionkeys.Ensure(t.Context(), in.Lake, paths, false)
		in.Must(err)
	}
	if rows, files, snapshots := keys(t, in.Lake); len(rows) != 1000 || files != 1 || snapshots != 1 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
	if key := history.KeyOf("svc",
		"1.9"); versionkeys.RowOf(lake.VersionName{Service: "svc", Version: "1.9"}).SortKey != key.Sort {
		t.Fatal(key)
	}
}

// What only a forgotten user ran is in no version of the table, and in no object of the lake; nor is an id in a
// version's text.
func TestVersionsOfTheForgotten(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", laketest.GoneSession, "7.7.7-private", "UserId", laketest.Gone),
		laketest.Sighting("27T05:20", "s1", "1.9"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", laketest.GoneSession, "1.9", "UserId", laketest.Gone),
		laketest.Sighting("27T06:20", "s1", "1.10 for "+laketest.Gone))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.11"))
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	if rows, _, _ := keys(t, in.Lake); len(rows) != 4 {
		t.Fatalf("%q", rows)
	}
	forgetting.Forget(in, laketest.Gone)
	rows, _, snapshots := keys(t, in.Lake)
	if want := []string{"App 1.10 for erased", "App 1.11", "App 1.9"}; !slices.Equal(rows, want) || snapshots < 4 {
		t.Fatalf("%q in %d snapshots; want %q", rows, snapshots, want)
	}
	// No file of the table has the version, whatever names it.
	in.Must(in.Lake.Objects.Walk(t.Context(), in.Lake.TableFolder(lake.GoldVersions),
		func(object string, size int64) error {
			file, err := in.Lake.Objects.Open(object)
			in.Must(err)
			defer file.Close()
			data, err := io.ReadAll(file)
			in.Must(err)
			if strings.HasSuffix(object, ".parquet") {
				old, err := parquet.Read[lake.VersionRow](bytes.NewReader(data), size)
				in.Must(err)
				data = fmt.Append(data, old)
			}
			if bytes.Contains(data, []byte("7.7.7-private")) || bytes.Contains(data, []byte(laketest.Gone)) {
				t.Errorf("%s still has the version", object)
			}
			return nil
		}))
	checks.Verify(t, in.Lake)
	// An hour that brings the version back is shown with its key.
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:10", "s1", "7.7.7-private"))
	in.Ingest(hour + 3)
	checks.Verify(t, in.Lake)
	if rows, _, _ := keys(t, in.Lake); len(rows) != 4 {
		t.Fatalf("%q", rows)
	}
}

func TestVerifyOfVersions(t *testing.T) {
	for _, fault := range []struct {
		name  string
		plant func([]lake.VersionRow) []lake.VersionRow
		want  string
	}{
		{"a lost row", func(rows []lake.VersionRow) []lake.VersionRow { return rows[1:] },
			"is in a history, and has no row"},
		{"two rows", func(rows []lake.VersionRow) []lake.VersionRow { return append(rows, rows[0]) }, "has two rows"},
		{"a wrong key", func(rows []lake.VersionRow) []lake.VersionRow { rows[0].RankKey = "1"; return rows },
			`and should have "#"`},
		{"a wrong class", func(rows []lake.VersionRow) []lake.VersionRow { rows[0].Class = ""; return rows },
			`and should have "#"`},
	} {
		t.Run(fault.name, func(t *testing.T) {
			in := laketest.PlantedWorld(t)
			checks.Verify(t, in.Lake)
			laketest.PlantDaily(t, in.Lake, lake.GoldVersions, fault.plant)
			var found []string
			_, err := verify.Run(t.Context(), in.Lake, verify.Options{}, func(d verify.Difference) error {
				found = append(found, fmt.Sprintf("%d %s: %s", d.Rule, d.Table, d.Text))
				return nil
			})
			in.Must(err)
			if len(found) != 1 || !strings.HasPrefix(found[0], "1 gold.versions: ") ||
				!strings.Contains(found[0], fault.want) {
				t.Errorf("%q", found)
			}
		})
	}
}

// A version that an erasure takes away while a round shows it comes back.
func TestVersionsBesideAnErasure(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s1", "1.10"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"))
	in.Ingest(hour)
	in.Silver(hour + 1)
	plan, _ := in.MergeGold()
	var staged struct{ Versions []string }
	in.Must(in.Lake.ReadStaged(plan.Ref, &staged))
	found, err := versionkeys.Ensure(t.Context(), in.Lake, staged.Versions, plan.Rebuild)
	in.Must(err)
	if found == "" || plan.Rebuild || len(staged.Versions) == 0 {
		t.Fatalf("found at %s: %+v", found, staged)
	}
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions, func(rows []lake.VersionRow) []lake.VersionRow {
		return slices.DeleteFunc(rows, func(row lake.VersionRow) bool { return row.Version == "1.9" })
	})
	in.Must(versionkeys.EnsureStill(t.Context(), in.Lake, staged.Versions, plan.Rebuild, found))
	if rows, _, _ := keys(t, in.Lake); !slices.Equal(rows, []string{"App 1.10", "App 1.9"}) {
		t.Fatalf("%q", rows)
	}
}

package hours_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// archiving is a source in which some files can't be opened, whatever is tried again.
type archiving struct {
	source.Source
	refused map[string]bool // by the end of their key
	etag    string          // of these; "": their own
}

func (s archiving) List(ctx context.Context, hour telemetry.Hour) (source.Listing, error) {
	all, err := s.Source.List(ctx, hour)
	listing := source.Listing{Bad: all.Bad, Passed: all.Passed, PassedOver: all.PassedOver}
	for _, file := range all.Files {
		if s.refused[filepath.Base(file.Key)] {
			if s.etag != "" {
				file.ETag = s.etag
			}
			listing.Bad = append(listing.Bad, source.LeftOut{File: file, Why: "in an archive"})
		} else {
			listing.Files = append(listing.Files, file)
		}
	}
	return listing, err
}

// leavingWorld is an hour of four files, with every kind of line and with repeats between files, and its neighbours.
func leavingWorld(t *testing.T) *laketest.Ingester {
	in := laketest.NewWorld(t)
	in.Put("27T04/a.tsv", laketest.Login("27T04:50", "s1", "p1"))
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), "broken of a", "",
		laketest.Sighting("27T05:20", "s1", "1.1"), laketest.Event("27T05:30", "s1", "Other"))
	in.Put("27T05/b.tsv", laketest.Sighting("27T05:20", "s1", "1.1"),
		laketest.Sighting("27T05:40", "s2", "2.0", "UserId", "p2", "Device", "D"), "broken of b")
	in.PutBytes("27T05/c.tsv.gz",
		laketest.Gzipped(t, laketest.Sighting("27T05:15", "s1", "1.05")+
			"\n\n"+laketest.DeviceInfo("27T05:16", "s2", "E")+"\n"))
	in.Put("27T05/d.tsv", "broken of d")
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.2"), laketest.Sighting("27T06:11", "s2", "2.1"))
	for n := range telemetry.Hour(3) {
		in.Ingest(laketest.HourAt(t, "2022-05-27T04") + n)
	}
	upkeep.Daily(in)
	return in
}

// TestRowsOutliveTheirFiles: whatever becomes of files, what they held stays, in every table, and a second run
// makes no snapshot.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestRowsOutliveTheirFiles(t *testing.T) {
	hour := laketest.HourAt(t, "2022-05-27T05")
	remove := func(names ...string) func(*testing.T, *laketest.Ingester) {
		return func(_ *testing.T, in *laketest.Ingester) {
			for _, name := range names {
				in.Must(os.Remove(in.Path("27T05/" + name)))
			}
		}
	}
	overwrite := func(name string, data []byte) func(*testing.T, *laketest.Ingester) {
		return func(_ *testing.T, in *laketest.Ingester) { in.PutBytes("27T05/"+name, data) }
	}
	refuse := func(etag string, names ...string) func(*testing.T, *laketest.Ingester) {
		return func(_ *testing.T, in *laketest.Ingester) {
			refused := archiving{Source: in.Source, refused: map[string]bool{}, etag: etag}
			for _, name := range names {
				refused.refused[name] = true
			}
			in.Source = refused
		}
	}
	whole := []string{"a.tsv=read:3", "b.tsv=read:2", "c.tsv.gz=read:2", "d.tsv=read:0"}
	instead := func(states ...string) (all []string) {
		all = slices.Clone(whole)
		for _, state := range states {
			name, _, _ := strings.Cut(state, "=")
			at := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, name+"=") })
			if at >= 0 && strings.HasSuffix(all[at], "!") || at < 0 {
				all = append(all, state)
				continue
			}
			all[at] = state + "!"
		}
		for i := range all {
			all[i] = strings.TrimSuffix(all[i], "!")
		}
		slices.Sort(all)
		return all
	}
	for i, test := range []struct {
		name   string
		change func(*testing.T, *laketest.Ingester)
		state  string
		gone   int64
		files  []string
	}{
		{"one gone", remove("a.tsv"), ledger.HourComplete, 1, instead("a.tsv=gone:3")},
		{"one of rejects only", remove("d.tsv"), ledger.HourComplete, 1, instead("d.tsv=gone:0")},
		{"most gone", remove("a.tsv", "b.tsv", "c.tsv.gz"), ledger.HourComplete,
			3, instead("a.tsv=gone:3", "b.tsv=gone:2", "c.tsv.gz=gone:2")},
		{"the folder gone", func(_ *testing.T,
			in *laketest.Ingester) {
			in.Must(os.RemoveAll(filepath.Dir(in.Path("27T05/a.tsv"))))
		}, ledger.HourComplete, 4,
			[]string{"a.tsv=gone:3", "b.tsv=gone:2", "c.tsv.gz=gone:2", "d.tsv=gone:0"}},
		{"the folder gone, and noted", func(_ *testing.T, in *laketest.Ingester) {
			in.NoteGone = true
			in.Must(os.RemoveAll(filepath.Dir(in.Path("27T05/a.tsv"))))
		}, ledger.HourComplete, 4, []string{"a.tsv=gone:3", "b.tsv=gone:2", "c.tsv.gz=gone:2", "d.tsv=gone:0"}},
		{"torn", overwrite("c.tsv.gz", []byte("\x1f\x8b\x08torn")), ledger.HourDegraded,
			0, instead("c.tsv.gz=bad:2", "c.tsv.gz=replaced:2")},
		{"torn in its middle", overwrite("c.tsv.gz", laketest.Gzipped(t, strings.Repeat("x", 9999))[:40]),
			ledger.HourDegraded, 0, instead("c.tsv.gz=bad:2", "c.tsv.gz=replaced:2")},
		{"of no bytes", overwrite("a.tsv", nil), ledger.HourDegraded, 0, instead("a.tsv=bad:3", "a.tsv=replaced:3")},
		{"packed nothing", overwrite("c.tsv.gz", laketest.Gzipped(t, "")), ledger.HourDegraded,
			0, instead("c.tsv.gz=bad:2", "c.tsv.gz=replaced:2")},
		{"refused", refuse("", "a.tsv"), ledger.HourDegraded, 0, instead("a.tsv=bad:3")},
		{"refused, by another tag", refuse("refused", "a.tsv", "b.tsv"), ledger.HourDegraded, 0,
			instead("a.tsv=bad:3", "a.tsv=replaced:3", "b.tsv=bad:2", "b.tsv=replaced:2")},
		{"all refused", refuse("", "a.tsv", "b.tsv", "c.tsv.gz", "d.tsv"), ledger.HourDegraded,
			0, []string{"a.tsv=bad:3", "b.tsv=bad:2", "c.tsv.gz=bad:2", "d.tsv=bad:0"}},
	} {
		if testing.Short() && i%4 > 0 {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := leavingWorld(t)
			want, before := laketest.DumpAll(t, in.Lake), in.LedgerRow(hour)
			test.change(t, in)
			for n := range 3 {
				heads := in.HeadsNow()
				run, row := in.Silver(hour)
				in.Gold(run)
				upkeep.Daily(in)
				if row.State != test.state || row.GoneFiles != test.gone || row.Files != 4 || row.Changed ||
					row.BadFiles != int64(strings.Count(fmt.Sprint(test.files), "=bad:")) {
					t.Errorf("the ledger says %+v", row)
				}
				if row.Lines != before.Lines || row.Events != before.Events || row.Rejects != before.Rejects ||
					row.Blanks != before.Blanks ||
					row.Silver != before.Silver || row.Sightings != before.Sightings ||
					row.Bindings != before.Bindings {
					t.Errorf("the ledger says %+v, and said %+v", row, before)
				}
				if got := in.FileStates(hour); !slices.Equal(got, test.files) {
					t.Errorf("ops.files has %v, not %v", got, test.files)
				}
				if got := laketest.DumpAll(t, in.Lake); got != want {
					t.Errorf("the tables are\n%s\nand were\n%s", got, want)
				}
				checks.Verify(t, in.Lake)
				now := in.HeadsNow()
				if n > 0 && !slices.Equal(now, heads) || !slices.Equal(now[2:5], heads[2:5]) || now[6] != heads[6] {
					t.Errorf("run %d moves %v to %v", n, heads, now)
				}
				upkeep.Maintain(in, maintain.Upkeep{OpenDays: n})
			}
			_, row, err := in.SilverAgain(hour, in.Parsing)
			in.Must(err)
			if row.Changed || row.GoneFiles != test.gone {
				t.Errorf("silver from bronze: %+v", row)
			}
			plan, merged := in.MergeScope(gold.Scope{Remake: gold.Remake{All: true}})
			in.CommitGold(plan, merged)
			if got := laketest.DumpAll(t, in.Lake); got != want {
				t.Errorf("made anew, the tables are\n%s\nand were\n%s", got, want)
			}
		})
	}
}

// TestFilesComeBack: a file that returns takes the place of its kept rows, also by the same tag; one that changed
// has its new ones; what --remove-gone took out does not come back by itself.
//
//nolint:cyclop // a story that is told step by step reads best in one piece
func TestFilesComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := leavingWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	want := laketest.DumpAll(t, in.Lake)
	away := filepath.Join(t.TempDir(), "a.tsv")
	ingest := func() ledger.Hour {
		t.Helper()
		run, row := in.Silver(hour)
		in.Gold(run)
		upkeep.Daily(in)
		checks.Verify(t, in.Lake)
		return row
	}
	in.Must(os.Rename(in.Path("27T05/a.tsv"), away))
	ingest()
	in.Must(os.Rename(away, in.Path("27T05/a.tsv"))) // the same inode and times
	if row := ingest(); row.GoneFiles != 0 || laketest.DumpAll(t, in.Lake) != want {
		t.Errorf("a file that came back: %+v", row)
	}

	// One goes, another changes, and a third comes.
	in.Put("27T05/a.tsv")
	in.Put("27T05/b.tsv", laketest.Sighting("27T05:40", "s2", "2.0", "UserId", "p2", "Device", "D"),
		laketest.Sighting("27T05:50", "s2", "2.05", "UserId", "p2", "Device", "D"))
	in.Put("27T05/e.tsv", laketest.Sighting("27T05:55", "s3", "3.0"))
	if row := ingest(); row.GoneFiles != 1 || row.Files != 5 || row.Events != 8 || !row.Changed {
		t.Errorf("one gone, one changed and one new: %+v", row)
	}
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	if row := ingest(); row.GoneFiles != 0 || row.Files != 5 || row.Events != 6 {
		t.Errorf("back with other lines: %+v", row)
	}
	checks.Gold(t, in)

	// Renamed: the rows are there twice in bronze, and once in silver.
	before := laketest.Users(t, in.Lake, "")
	in.Must(os.Rename(in.Path("27T05/b.tsv"), in.Path("27T05/b2.tsv")))
	if row := ingest(); row.GoneFiles != 1 || row.Events != 8 || row.Changed &&
		laketest.Users(t, in.Lake, "") != before {
		t.Errorf("renamed: %+v", row)
	}
	in.RemoveGone = true
	if row := ingest(); row.GoneFiles != 0 || row.Events != 6 || laketest.Users(t, in.Lake, "") != before {
		t.Errorf("without what is gone: %+v", row)
	}
	in.RemoveGone = false
	in.Put("27T05/a.tsv")
	ingest()
	in.RemoveGone = true
	ingest()
	in.RemoveGone = false
	if row := ingest(); row.GoneFiles != 0 || row.Files != 4 {
		t.Errorf("what was taken out: %+v", row)
	}
	checks.Gold(t, in)
	for _, name := range []string{"b2.tsv", "c.tsv.gz", "d.tsv", "e.tsv"} {
		in.Put("27T05/" + name)
	}
	if row := ingest(); row.State != ledger.HourComplete || row.GoneFiles != 4 {
		t.Errorf("all gone: %+v", row)
	}
	in.RemoveGone = true
	if row := ingest(); row.State != ledger.HourEmpty || row.Files+row.GoneFiles+row.Lines != 0 {
		t.Errorf("all taken out: %+v", row)
	}
	checks.Gold(t, in)
}

// TestLargeFilesStay: rows of files of several chunks, which come in any order, are put in order by way of the disk.
func TestLargeFilesStay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.ChunkSize = 50 << 10
	var lines []string
	for n := range 30_000 {
		line := laketest.Sighting("27T05:10", fmt.Sprintf("s%d", n%700), fmt.Sprintf("1.%d", n))
		switch {
		case n%50 == 0:
			line = "broken"
		case n%70 == 0:
			line = ""
		case n%3 > 0:
			line = laketest.Event("27T05:11", "s", "Other", "Text", strings.Repeat("x", n%99))
		}
		lines = append(lines, line)
	}
	in.Put("27T05/a.tsv", lines...)
	in.Put("27T05/b.tsv", lines[:3000]...)
	in.Put("27T05/c.tsv", laketest.Sighting("27T05:12", "s1", "3.0"))
	in.Ingest(hour)
	want := laketest.DumpHours(t, in.Lake)
	in.Put("27T05/a.tsv")
	in.Put("27T05/b.tsv")
	var heads []int64
	for n := range 3 {
		in.Ingest(hour)
		if laketest.DumpHours(t, in.Lake) != want {
			t.Error("the rows are others")
		}
		now := in.HeadsNow()
		if n > 0 && !slices.Equal(now, heads) {
			t.Errorf("run %d moves %v to %v", n, heads, now)
		}
		upkeep.Maintain(in, maintain.Upkeep{})
		heads = in.HeadsNow()
	}
	checks.Verify(t, in.Lake)
}

// TestKeptCounts: nothing is counted that is not there, and what is missing went with a forgotten user, if anybody
// was forgotten.
func TestKeptCounts(t *testing.T) {
	good := ledger.File{Lines: 10, Events: 6, Rejects: 2, Blanks: 1, Erased: 1}
	for _, test := range []struct {
		erasures      int64
		found, counts hours.ChunkCounts
	}{
		{0, hours.ChunkCounts{Events: 6, Rejects: 2},
			hours.ChunkCounts{Lines: 10, Events: 6, Rejects: 2, Blanks: 1, Erased: 1}},
		{7, hours.ChunkCounts{Events: 4, Rejects: 1},
			hours.ChunkCounts{Lines: 10, Events: 4, Rejects: 1, Blanks: 1, Erased: 4}},
		{7, hours.ChunkCounts{Events: 4, Rejects: 1, Erased: 3},
			hours.ChunkCounts{Lines: 10, Events: 4, Rejects: 1, Blanks: 1, Erased: 4}},
		{0, hours.ChunkCounts{Events: 4, Rejects: 1},
			hours.ChunkCounts{Lines: 7, Events: 4, Rejects: 1, Blanks: 1, Erased: 1}},
		{7, hours.ChunkCounts{Events: 20, Rejects: 1},
			hours.ChunkCounts{Lines: 23, Events: 20, Rejects: 1, Blanks: 1, Erased: 1}},
	} {
		plan := &hours.StagedPlan{Erasures: test.erasures}
		plan.Good = map[int]ledger.File{3: good}
		if got := plan.KeptCounts(3, test.found); got != test.counts {
			t.Errorf("%+v with erasures %d gives %+v, not %+v", test.found, test.erasures, got, test.counts)
		}
	}
}

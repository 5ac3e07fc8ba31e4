package lake_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/compaction"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// dayTables are those whose hours of a day lie in one file in the end.
var dayTables = []lake.TableDefinition{lake.SilverSightings, lake.SilverBindings, lake.OpsFiles}

// oneDay is a lake of six hours of a day, each with sessions of its own, put together; and one of the next day.
func oneDay(t testing.TB) (in *laketest.Ingester, hours []telemetry.Hour) {
	in = laketest.NewWorld(t)
	for n := range 6 {
		hours = append(hours, laketest.HourAt(t, "2022-05-27T05")+telemetry.Hour(n))
		in.Put(dayName(hours[n]), dayLines(hours[n], "1.0")...)
		in.Silver(hours[n])
	}
	in.Put("28T05/a.tsv", laketest.Sighting("28T05:10", "s28", "1.0", "UserId", "p5-1"))
	in.Ingest(laketest.HourAt(t, "2022-05-28T05"))
	upkeep.Daily(in)
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1, SnapshotAge: maintain.DefaultSnapshotAge})
	return in, hours
}

func dayName(hour telemetry.Hour) string { return hour.String()[len("2022-05-"):] + "/a.tsv" }

// dayLines name their users and devices, so that nothing else needs to be known of their sessions. With another
// version all of them lie elsewhere in the file.
func dayLines(hour telemetry.Hour, version string) (lines []string) {
	lines = make([]string, version[0]-'1')
	at := hour.String()[len("2022-05-"):]
	for i := range 20 {
		lines = append(lines, laketest.Sighting(fmt.Sprintf("%s:%02d", at, i), fmt.Sprintf("s%s-%d", at, i), version,
			"UserId", fmt.Sprintf("p%d-%d", hour.OfDay(), i), "Device", "D"))
	}
	return lines
}

// spansOf are the hours of a day that a table's files hold, as first-last.
func spansOf(t testing.TB, l *lake.Lake, definition lake.TableDefinition) (spans []string) {
	t.Helper()
	for _, file := range laketest.FilesNow(t, l, definition) {
		first, last, err := definition.HoursOf(file)
		if err != nil {
			t.Fatal(err)
		}
		spans = append(spans, fmt.Sprintf("%02d-%02d", first.OfDay(), last.OfDay()))
	}
	slices.Sort(spans)
	return spans
}

func checkSpans(t testing.TB, l *lake.Lake, want ...string) {
	t.Helper()
	for _, definition := range dayTables {
		if spans := spansOf(t, l, definition); !slices.Equal(spans, want) {
			t.Errorf("%s has files of the hours %v, not %v", definition.Name, spans, want)
		}
	}
}

// TestHourInADaysFile: an hour is as well off in its day's file as in one of its own.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestHourInADaysFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hours := oneDay(t)
	checkSpans(t, in.Lake, "05-05", "05-10")
	heads := func() (ids []int64) {
		for _, definition := range dayTables {
			loaded, err := in.Lake.Load(t.Context(), definition)
			in.Must(err)
			ids = append(ids, lake.HeadOf(loaded))
		}
		return ids
	}
	unchanged := func(hour telemetry.Hour) {
		t.Helper()
		before := heads()
		if _, row := in.Silver(hour); row.Changed || !slices.Equal(heads(), before) {
			t.Errorf("a rerun of %s, whose files are the same: %+v", hour, row)
		}
	}
	for _, hour := range hours {
		unchanged(hour)
		files, err := ledger.Files(t.Context(), in.Lake, hour)
		in.Must(err)
		if len(files) != 1 || files[0].Hour != hour || files[0].Events != 20 {
			t.Errorf("hour %s has the files %+v", hour, files)
		}
	}
	if changes, read := in.ReadForGold(); changes != 0 || read != 0 {
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}

	// One of them changes: the others stay what they were, and gold does not look at them.
	in.Put(dayName(hours[2]), dayLines(hours[2], "2.0")...)
	in.Silver(hours[2])
	checkSpans(t, in.Lake, "05-05", "05-10", "07-07")
	for _, hour := range hours {
		unchanged(hour)
	}
	// 20 sightings and 20 bindings each came and went
	if changes, read := in.ReadForGold(); changes != 40 || read > 80 {
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}
	in.Gold()
	if upkeep.Daily(in).Dates != 1 {
		t.Error("the daily aggregates count more than one date again")
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)

	// It comes back into the day's file, before gold has seen a change of another one.
	in.Put(dayName(hours[0]), dayLines(hours[0], "3.0")...)
	in.Silver(hours[0])
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1, SnapshotAge: maintain.DefaultSnapshotAge})
	checkSpans(t, in.Lake, "05-05", "05-10")
	if changes, read := in.ReadForGold(); changes != 40 || read > 80 {
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}
	in.Gold()
	for _, hour := range hours {
		unchanged(hour)
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
	checks.Versions(t, in.Lake)

	// Hours go, until nothing is left of the file.
	in.RemoveGone = true
	for n, hour := range hours {
		in.Put(dayName(hour))
		in.Silver(hour)
		if n%2 == 0 {
			in.Gold()
			checks.Gold(t, in)
		}
	}
	in.Gold()
	for _, definition := range []lake.TableDefinition{lake.SilverSightings, lake.SilverBindings} {
		if spans := spansOf(t, in.Lake, definition); !slices.Equal(spans, []string{"05-05"}) {
			t.Errorf("%s has files of the hours %v", definition.Name, spans)
		}
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
}

// TestHoursOfADayTogether: one commit takes several hours out of a day's file and leaves one rest, also when it
// dies on its way and compaction comes in between.
func TestHoursOfADayTogether(t *testing.T) {
	for _, done := range laketest.Quickly(0, 4, 5, 6) { // after so many commits: 6: the files too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, hourList := oneDay(t)
			for _, n := range []int{1, 3} {
				in.Put(dayName(hourList[n]), dayLines(hourList[n], "2.0")...)
			}
			staged := in.StageTogether(hourList[1], hourList[2], hourList[3]) // the second of them is unchanged
			c := in.CommitTablesOf(staged, lake.HourTables[:min(done, len(lake.HourTables))]...)
			if done > len(lake.HourTables) {
				in.Must(c.RecordFiles(t.Context()))
			}
			if done > 0 {
				for _, definition := range dayTables {
					_, err := maintain.MaintainTable(t.Context(), in.Lake, definition.Name,
						maintain.Upkeep{SnapshotAge: time.Hour, Grace: time.Hour}, func(string) {})
					in.Must(err)
				}
			}
			rows, left, err := commit.Hours(t.Context(), in.Lake, staged)
			in.Must(err)
			if len(left) > 0 || len(rows) != 3 || !rows[0].Changed || rows[1].Changed || !rows[2].Changed {
				t.Errorf("the rows are %+v, left out %v", rows, left)
			}
			if done == 0 {
				checkSpans(t, in.Lake, "05-05", "05-10", "06-06", "08-08")
			}
			in.Gold(staged[0].Run, staged[1].Run, staged[2].Run)
			checks.Gold(t, in)
			checks.Verify(t, in.Lake)
		})
	}
}

// TestRestIsWrittenOnce: a commit that is overtaken has its files ready, as long as they are the rest of what is
// there. In them, each hour has row groups of its own.
func TestRestIsWrittenOnce(t *testing.T) {
	in, hourList := oneDay(t)
	in.Put(dayName(hourList[1]), dayLines(hourList[1], "2.0")...)
	c := commit.New(in.Lake)
	_, err := c.Begin(t.Context(), []hours.StagedHour{in.Stage(hourList[1]).Ready()})
	in.Must(err)
	in.Must(c.Gather(t.Context()))
	rest := func() string {
		loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
		in.Must(err)
		live, err := commit.FilesOf(t.Context(), in.Lake, lake.SilverSightings, loaded, c.Hours)
		in.Must(err)
		replaced := c.Replacement(lake.SilverSightings)
		in.Must(replaced.Hour(hourList[1], live[hourList[1]], nil))
		wanted, err := replaced.Change(t.Context())
		in.Must(err)
		if len(wanted.Add) != 1 || len(wanted.Remove) != 1 || wanted.Add[0].Count() != 100 {
			t.Fatalf("the change is %+v", wanted)
		}
		return wanted.Add[0].FilePath()
	}
	first := rest()
	if again := rest(); again != first {
		t.Errorf("the rest was written again: %s, %s", first, again)
	}
	in.Put(dayName(hourList[4]))
	in.RemoveGone = true
	in.Silver(hourList[4])
	loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
	in.Must(err)
	live, err := in.Lake.HourFiles(t.Context(), loaded, hourList[1])
	in.Must(err)
	part, ok := live[0].(*lake.PartOfFile)
	if !ok || len(part.Whole) != 5 || part.Count() != 20 {
		t.Fatalf("the hour lies in %+v", live)
	}
	in.Must(in.Lake.EachGroup(part, func(group lake.RowGroup) error {
		if !group.Whole || group.NumRows() != 20 {
			t.Errorf("%d rows of several hours lie in one row group", group.NumRows())
		}
		return nil
	}))
}

// TestCompactionLeavesAChangedDayAlone: of a day's file that was put together while its hour was replaced, nothing
// is committed.
func TestCompactionLeavesAChangedDayAlone(t *testing.T) {
	in, hours := oneDay(t)
	in.Put(dayName(hours[1]), dayLines(hours[1], "2.0")...)
	in.Ingest(hours[1])
	loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
	in.Must(err)
	live, err := lake.LiveFiles(t.Context(), loaded)
	in.Must(err)
	groups := maintain.CompactGroups(lake.SilverSightings, live, 1)
	if len(groups) != 1 || len(groups[0]) != 2 {
		t.Fatalf("groups %v", groups)
	}
	file, err := maintain.CompactGroup(t.Context(), in.Lake, lake.SilverSightings, groups[0])
	in.Must(err)
	in.Put(dayName(hours[1]), dayLines(hours[1], "3.0")...)
	in.Ingest(hours[1])
	saving := maintain.Saving{}
	in.Must(maintain.CommitCompacted(t.Context(), in.Lake, lake.SilverSightings,
		[]maintain.Compacted{{From: groups[0], To: file}}, &saving))
	checkSpans(t, in.Lake, "05-05", "05-10", "06-06")
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
}

// TestDaysStayOpen: the newest days' hours have files of their own, one each where they are made of many.
func TestDaysStayOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, r := laketest.NewWorld(t), rand.New(rand.NewPCG(1, 2))
	for _, at := range []string{"25T05", "25T09", "26T05", "26T06", "27T05", "27T07"} {
		var lines []string
		for range 1000 {
			lines = append(lines, laketest.Sighting(at+":10", fmt.Sprintf("%x", r.Uint64()), "1.0"))
		}
		in.Put(at+"/a.tsv", lines...)
		in.Ingest(laketest.HourAt(t, "2022-05-"+at))
	}
	many := len(spansOf(t, in.Lake, lake.SilverSightings))
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: maintain.DefaultOpenDays, SnapshotAge: time.Hour})
	if many < 24 {
		t.Fatalf("six hours have %d files", many)
	}
	for _, definition := range []lake.TableDefinition{lake.SilverSightings, lake.OpsFiles} {
		if spans := spansOf(t, in.Lake, definition); !slices.Equal(spans,
			[]string{"05-05", "05-05", "05-09", "06-06", "07-07"}) {
			t.Errorf("%s has files of the hours %v", definition.Name, spans)
		}
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
	// What lies between two hours is not there.
	asked := []telemetry.Hour{laketest.HourAt(t, "2022-05-25T04"), laketest.HourAt(t, "2022-05-25T07"),
		laketest.HourAt(t, "2022-05-25T09"), laketest.HourAt(t, "2022-05-27T05"), laketest.HourAt(t, "2022-05-27T06")}
	rows, err := ledger.Occupied(t.Context(), in.Lake, asked, lake.SilverSightings)
	in.Must(err)
	for n, hour := range asked {
		if rows[hour] != (n == 2 || n == 3) {
			t.Errorf("hour %s has rows: %v", hour, rows[hour])
		}
	}
}

// TestGoldLooksIntoTheRestOfADay: what an hour's sessions need to know may lie in the hours that only moved.
func TestGoldLooksIntoTheRestOfADay(t *testing.T) {
	in := laketest.NewWorld(t)
	first := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s1", "p1"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s2", "1.0"))
	for n := range 3 {
		in.Ingest(first + telemetry.Hour(n))
	}
	upkeep.Maintain(in, maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge})
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.1"), laketest.Login("27T07:20", "s1", "p2"))
	in.Silver(first + 2)
	// the hour comes in one file with them
	upkeep.Maintain(in, maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge})
	in.Gold()
	if got, want := laketest.Show(t, in.Lake), []string{"p1 App 1.0 27T05:10..27T07:10 ×1",
		"p1 App 1.1 27T07:10.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q", got)
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
}

// TestLakePartitionedByHour: an older lake says what is wrong with it.
func TestLakePartitionedByHour(t *testing.T) {
	l := laketest.NewLake(t)
	older := lake.SilverBindings
	older.Partition = lake.HourPartition
	if err := l.Catalog.DropTable(t.Context(), older.Identifier()); err != nil {
		t.Fatal(err)
	}
	if err := l.CreateTable(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(t.Context(), lake.SilverBindings); !errors.Is(err, objects.ErrConfig) ||
		!strings.Contains(err.Error(), "by day alone") {
		t.Errorf("it says %v", err)
	}
}

// sizedFile says that it is large.
type sizedFile struct {
	iceberg.DataFile
	size int64
}

func (f sizedFile) FileSizeBytes() int64 { return f.size }

// TestLargeDaysHaveSeveralFiles, each of whole hours that follow one another.
func TestLargeDaysHaveSeveralFiles(t *testing.T) {
	l := laketest.NewLake(t)
	day := laketest.HourAt(t, "2022-05-27T00")
	var live []iceberg.DataFile
	for n := range 24 {
		hour := telemetry.Hour((n * 7) % 24)
		live = append(live, sizedFile{oneFile(t, l, day+hour, fmt.Sprintf("hour%d", hour)), 30 << 20})
	}
	groups := maintain.CompactGroups(lake.SilverBindings, live, 0)
	next := day
	for _, group := range groups {
		if len(group) != 4 {
			t.Errorf("%d files of 30 MiB", len(group))
		}
	}
	slices.SortFunc(groups,
		func(a, b []iceberg.DataFile) int { return compaction.CompareFiles(lake.SilverBindings, a[0], b[0]) })
	for _, file := range slices.Concat(groups...) {
		first, last, err := lake.SilverBindings.HoursOf(file)
		if err != nil || first != next || last != next {
			t.Errorf("%s follows, %v", first, err)
		}
		next++
	}
	if next != day+24 {
		t.Errorf("%d of 24 hours", next-day)
	}
}

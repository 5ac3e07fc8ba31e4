package lake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/telemetry"
)

// dayTables are those whose hours of a day lie in one file in the end.
var dayTables = []tableDefinition{silverSightings, silverBindings, opsFiles}

// oneDay is a lake of six hours of a day, each with sessions of its own, put together; and one of the next day.
func oneDay(t testing.TB) (in *ingester, hours []telemetry.Hour) {
	in = newWorld(t)
	for n := range 6 {
		hours = append(hours, hourAt(t, "2022-05-27T05")+telemetry.Hour(n))
		in.put(dayName(hours[n]), dayLines(hours[n], "1.0")...)
		in.silver(hours[n])
	}
	in.put("28T05/a.tsv", sighting("28T05:10", "s28", "1.0", "UserId", "p5-1"))
	in.ingest(hourAt(t, "2022-05-28T05"))
	in.daily()
	in.maintain(Upkeep{OpenDays: 1, SnapshotAge: DefaultSnapshotAge})
	return in, hours
}

func dayName(hour telemetry.Hour) string { return hour.String()[len("2022-05-"):] + "/a.tsv" }

// dayLines name their users and devices, so that nothing else needs to be known of their sessions. With another version all of them
// lie elsewhere in the file.
func dayLines(hour telemetry.Hour, version string) (lines []string) {
	lines = make([]string, version[0]-'1')
	at := hour.String()[len("2022-05-"):]
	for i := range 20 {
		lines = append(lines, sighting(fmt.Sprintf("%s:%02d", at, i), fmt.Sprintf("s%s-%d", at, i), version, "UserId", fmt.Sprintf("p%d-%d", hour.OfDay(), i), "Device", "D"))
	}
	return lines
}

// spansOf are the hours of a day that a table's files hold, as first-last.
func spansOf(t testing.TB, l *Lake, definition tableDefinition) (spans []string) {
	t.Helper()
	for _, file := range filesNow(t, l, definition) {
		first, last, err := definition.hoursOf(file)
		if err != nil {
			t.Fatal(err)
		}
		spans = append(spans, fmt.Sprintf("%02d-%02d", first.OfDay(), last.OfDay()))
	}
	slices.Sort(spans)
	return spans
}

func checkSpans(t testing.TB, l *Lake, want ...string) {
	t.Helper()
	for _, definition := range dayTables {
		if spans := spansOf(t, l, definition); !slices.Equal(spans, want) {
			t.Errorf("%s has files of the hours %v, not %v", definition.name, spans, want)
		}
	}
}

// readForGold plans a round, and tells the rows that were read for it.
func (in *ingester) readForGold() (changes, read int64) {
	in.tb.Helper()
	in.runs++
	plan, err := in.lake.PlanUsers(in.tb.Context(), fmt.Sprintf("look%05d", in.runs), Again{}, func(rows int64) { read = max(read, rows) })
	in.must(err)
	in.must(in.lake.DropRound(in.tb.Context(), plan))
	return plan.Changes, read
}

// TestHourInADaysFile: an hour is as well off in its day's file as in one of its own.
func TestHourInADaysFile(t *testing.T) {
	in, hours := oneDay(t)
	checkSpans(t, in.lake, "05-05", "05-10")
	heads := func() (ids []int64) {
		for _, definition := range dayTables {
			loaded, err := in.lake.load(t.Context(), definition)
			in.must(err)
			ids = append(ids, headOf(loaded))
		}
		return ids
	}
	unchanged := func(hour telemetry.Hour) {
		t.Helper()
		before := heads()
		if _, row := in.silver(hour); row.Changed || !slices.Equal(heads(), before) {
			t.Errorf("a rerun of %s, whose files are the same: %+v", hour, row)
		}
	}
	for _, hour := range hours {
		unchanged(hour)
		files, err := in.lake.Files(t.Context(), hour)
		in.must(err)
		if len(files) != 1 || files[0].Hour != hour || files[0].Events != 20 {
			t.Errorf("hour %s has the files %+v", hour, files)
		}
	}
	if changes, read := in.readForGold(); changes != 0 || read != 0 {
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}

	// One of them changes: the others stay what they were, and gold does not look at them.
	in.put(dayName(hours[2]), dayLines(hours[2], "2.0")...)
	in.silver(hours[2])
	checkSpans(t, in.lake, "05-05", "05-10", "07-07")
	for _, hour := range hours {
		unchanged(hour)
	}
	if changes, read := in.readForGold(); changes != 40 || read > 80 { // 20 sightings and 20 bindings each came and went
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}
	in.gold()
	if in.daily().Dates != 1 {
		t.Error("the daily aggregates count more than one date again")
	}
	checkGold(t, in)
	checkVerify(t, in.lake)

	// It comes back into the day's file, before gold has seen a change of another one.
	in.put(dayName(hours[0]), dayLines(hours[0], "3.0")...)
	in.silver(hours[0])
	in.maintain(Upkeep{OpenDays: 1, SnapshotAge: DefaultSnapshotAge})
	checkSpans(t, in.lake, "05-05", "05-10")
	if changes, read := in.readForGold(); changes != 40 || read > 80 {
		t.Errorf("gold reads %d rows for %d changes", read, changes)
	}
	in.gold()
	for _, hour := range hours {
		unchanged(hour)
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
	checkVersions(t, in.lake)

	// Hours go, until nothing is left of the file.
	in.removeGone = true
	for n, hour := range hours {
		in.put(dayName(hour))
		in.silver(hour)
		if n%2 == 0 {
			in.gold()
			checkGold(t, in)
		}
	}
	in.gold()
	for _, definition := range []tableDefinition{silverSightings, silverBindings} {
		if spans := spansOf(t, in.lake, definition); !slices.Equal(spans, []string{"05-05"}) {
			t.Errorf("%s has files of the hours %v", definition.name, spans)
		}
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
}

// TestHoursOfADayTogether: one commit takes several hours out of a day's file and leaves one rest, also when it dies on its way and
// compaction comes in between.
func TestHoursOfADayTogether(t *testing.T) {
	for _, done := range quickly(0, 4, 5, 6) { // after so many commits: 6: the files too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, hours := oneDay(t)
			for _, n := range []int{1, 3} {
				in.put(dayName(hours[n]), dayLines(hours[n], "2.0")...)
			}
			staged := in.stageTogether(hours[1], hours[2], hours[3]) // the second of them is unchanged
			commit := in.commitTablesOf(staged, hourTables[:min(done, len(hourTables))]...)
			if done > len(hourTables) {
				in.must(commit.recordFiles(t.Context()))
			}
			if done > 0 {
				for _, definition := range dayTables {
					_, err := in.lake.MaintainTable(t.Context(), definition.name, Upkeep{SnapshotAge: time.Hour, Grace: time.Hour}, func(string) {})
					in.must(err)
				}
			}
			rows, left, err := in.lake.CommitHours(t.Context(), staged)
			in.must(err)
			if len(left) > 0 || len(rows) != 3 || !rows[0].Changed || rows[1].Changed || !rows[2].Changed {
				t.Errorf("the rows are %+v, left out %v", rows, left)
			}
			if done == 0 {
				checkSpans(t, in.lake, "05-05", "05-10", "06-06", "08-08")
			}
			in.gold(staged[0].Run, staged[1].Run, staged[2].Run)
			checkGold(t, in)
			checkVerify(t, in.lake)
		})
	}
}

// TestRestIsWrittenOnce: a commit that is overtaken has its files ready, as long as they are the rest of what is there. In them, each
// hour has row groups of its own.
func TestRestIsWrittenOnce(t *testing.T) {
	in, hours := oneDay(t)
	in.put(dayName(hours[1]), dayLines(hours[1], "2.0")...)
	commit := newHoursCommit(in.lake)
	_, err := commit.begin(t.Context(), []StagedHour{in.stage(hours[1]).ready()})
	in.must(err)
	in.must(commit.gather(t.Context()))
	rest := func() string {
		loaded, err := in.lake.load(t.Context(), silverSightings)
		in.must(err)
		live, err := in.lake.filesOf(t.Context(), silverSightings, loaded, commit.hours)
		in.must(err)
		replaced := commit.replacement(silverSightings)
		in.must(replaced.hour(hours[1], live[hours[1]], nil))
		wanted, err := replaced.change(t.Context())
		in.must(err)
		if len(wanted.add) != 1 || len(wanted.remove) != 1 || wanted.add[0].Count() != 100 {
			t.Fatalf("the change is %+v", wanted)
		}
		return wanted.add[0].FilePath()
	}
	first := rest()
	if again := rest(); again != first {
		t.Errorf("the rest was written again: %s, %s", first, again)
	}
	in.put(dayName(hours[4]))
	in.removeGone = true
	in.silver(hours[4])
	loaded, err := in.lake.load(t.Context(), silverSightings)
	in.must(err)
	live, err := in.lake.hourFiles(t.Context(), loaded, hours[1])
	in.must(err)
	part, ok := live[0].(*partOfFile)
	if !ok || len(part.whole) != 5 || part.Count() != 20 {
		t.Fatalf("the hour lies in %+v", live)
	}
	in.must(in.lake.eachGroup(part, func(group rowGroup) error {
		if !group.whole || group.NumRows() != 20 {
			t.Errorf("%d rows of several hours lie in one row group", group.NumRows())
		}
		return nil
	}))
}

// TestCompactionLeavesAChangedDayAlone: of a day's file that was put together while its hour was replaced, nothing is committed.
func TestCompactionLeavesAChangedDayAlone(t *testing.T) {
	in, hours := oneDay(t)
	in.put(dayName(hours[1]), dayLines(hours[1], "2.0")...)
	in.ingest(hours[1])
	loaded, err := in.lake.load(t.Context(), silverSightings)
	in.must(err)
	live, err := liveFiles(t.Context(), loaded)
	in.must(err)
	groups := compactGroups(silverSightings, live, 1)
	if len(groups) != 1 || len(groups[0]) != 2 {
		t.Fatalf("groups %v", groups)
	}
	file, err := in.lake.compactGroup(t.Context(), silverSightings, groups[0])
	in.must(err)
	in.put(dayName(hours[1]), dayLines(hours[1], "3.0")...)
	in.ingest(hours[1])
	saving := Saving{}
	in.must(in.lake.commitCompacted(t.Context(), silverSightings, []compacted{{from: groups[0], to: file}}, &saving))
	checkSpans(t, in.lake, "05-05", "05-10", "06-06")
	checkGold(t, in)
	checkVerify(t, in.lake)
}

// TestDaysStayOpen: the newest days' hours have files of their own, one each where they are made of many.
func TestDaysStayOpen(t *testing.T) {
	in, r := newWorld(t), rand.New(rand.NewPCG(1, 2))
	for _, at := range []string{"25T05", "25T09", "26T05", "26T06", "27T05", "27T07"} {
		var lines []string
		for range 1000 {
			lines = append(lines, sighting(at+":10", fmt.Sprintf("%x", r.Uint64()), "1.0"))
		}
		in.put(at+"/a.tsv", lines...)
		in.ingest(hourAt(t, "2022-05-"+at))
	}
	many := len(spansOf(t, in.lake, silverSightings))
	in.maintain(Upkeep{OpenDays: DefaultOpenDays, SnapshotAge: time.Hour})
	if many < 24 {
		t.Fatalf("six hours have %d files", many)
	}
	for _, definition := range []tableDefinition{silverSightings, opsFiles} {
		if spans := spansOf(t, in.lake, definition); !slices.Equal(spans, []string{"05-05", "05-05", "05-09", "06-06", "07-07"}) {
			t.Errorf("%s has files of the hours %v", definition.name, spans)
		}
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
	// What lies between two hours is not there.
	asked := []telemetry.Hour{hourAt(t, "2022-05-25T04"), hourAt(t, "2022-05-25T07"), hourAt(t, "2022-05-25T09"), hourAt(t, "2022-05-27T05"), hourAt(t, "2022-05-27T06")}
	rows, err := in.lake.occupied(t.Context(), asked, silverSightings)
	in.must(err)
	for n, hour := range asked {
		if rows[hour] != (n == 2 || n == 3) {
			t.Errorf("hour %s has rows: %v", hour, rows[hour])
		}
	}
}

// TestGoldLooksIntoTheRestOfADay: what an hour's sessions need to know may lie in the hours that only moved.
func TestGoldLooksIntoTheRestOfADay(t *testing.T) {
	in := newWorld(t)
	first := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	in.put("27T06/a.tsv", login("27T06:10", "s1", "p1"))
	in.put("27T07/a.tsv", sighting("27T07:10", "s2", "1.0"))
	for n := range 3 {
		in.ingest(first + telemetry.Hour(n))
	}
	in.maintain(Upkeep{SnapshotAge: DefaultSnapshotAge})
	in.put("27T07/a.tsv", sighting("27T07:10", "s1", "1.1"), login("27T07:20", "s1", "p2"))
	in.silver(first + 2)
	in.maintain(Upkeep{SnapshotAge: DefaultSnapshotAge}) // the hour comes in one file with them
	in.gold()
	if got, want := show(t, in.lake), []string{"p1 App 1.0 27T05:10..27T07:10 ×1", "p1 App 1.1 27T07:10.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q", got)
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
}

// TestLakePartitionedByHour: an older lake says what is wrong with it.
func TestLakePartitionedByHour(t *testing.T) {
	l := newLake(t)
	older := silverBindings
	older.partition = hourPartition
	if err := l.catalog.DropTable(t.Context(), older.identifier()); err != nil {
		t.Fatal(err)
	}
	if err := l.createTable(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if _, err := l.load(t.Context(), silverBindings); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "by day alone") {
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
	l := newLake(t)
	day := hourAt(t, "2022-05-27T00")
	var live []iceberg.DataFile
	for n := range 24 {
		hour := telemetry.Hour((n * 7) % 24)
		live = append(live, sizedFile{oneFile(t, l, day+hour, fmt.Sprintf("hour%d", hour)), 30 << 20})
	}
	groups := compactGroups(silverBindings, live, 0)
	next := day
	for _, group := range groups {
		if len(group) != 4 {
			t.Errorf("%d files of 30 MiB", len(group))
		}
	}
	slices.SortFunc(groups, func(a, b []iceberg.DataFile) int { return silverBindings.compareFiles(a[0], b[0]) })
	for _, file := range slices.Concat(groups...) {
		first, last, err := silverBindings.hoursOf(file)
		if err != nil || first != next || last != next {
			t.Errorf("%s follows, %v", first, err)
		}
		next++
	}
	if next != day+24 {
		t.Errorf("%d of 24 hours", next-day)
	}
}

// TestGoldFollowsForeignFilesOfADay: another engine puts a day's rows into one file, whatever their hours, and notes nothing.
func TestGoldFollowsForeignFilesOfADay(t *testing.T) {
	in, hours := oneDay(t)
	for range 2 {
		compact[sightingRow](t, in.lake, silverSightings)
		compact[bindingRow](t, in.lake, silverBindings)
		checkVerify(t, in.lake)
		in.put(dayName(hours[3]), dayLines(hours[3], "2.0")...)
		in.silver(hours[3])
		if changes, _ := in.readForGold(); changes > 40 {
			t.Errorf("gold finds %d changes", changes)
		}
		in.gold()
		checkGold(t, in)
		checkVerify(t, in.lake)
		in.put(dayName(hours[3]), dayLines(hours[3], "1.0")...)
	}
}

// TestVerifyCatchesInADaysFile plants faults into a file of several hours.
func TestVerifyCatchesInADaysFile(t *testing.T) {
	const seven = "2022-05-27T07"
	at := hourAt(t, seven)
	of := func(hour telemetry.Hour) func(sightingRow) bool {
		return func(row sightingRow) bool { return row.hour() == hour }
	}
	for _, fault := range []struct {
		name  string
		alter func([]sightingRow) []sightingRow
		says  []string
	}{
		{"a missing hour", func(rows []sightingRow) []sightingRow { return slices.DeleteFunc(rows, of(at)) },
			[]string{"1 silver.sightings  2022-05-27T07 .* silver lacks its row", "2 silver.sightings  2022-05-27T07 .* says 20 rows, there are 0"}},
		{"a doubled row", func(rows []sightingRow) []sightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows = slices.Insert(rows, n, rows[n])
			}
			return rows
		}, []string{"1 silver.sightings  2022-05-27T07 .* a row too many", "2 silver.sightings  2022-05-27T07 .* says 20 rows, there are 21"}},
		{"a row of another hour", func(rows []sightingRow) []sightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestHourOfDay = 9
			}
			return rows
		}, []string{"2022-05-27T07 .* silver lacks its row", "2022-05-27T07 .* says 20 rows, there are 19", "2022-05-27T09 .* a row too many", "2022-05-27T09 .* says 20 rows, there are 21"}},
		{"a row of an hour that nobody knows", func(rows []sightingRow) []sightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestHourOfDay = 23
			}
			return rows
		}, []string{"2022-05-27T07 .* silver lacks its row", "2022-05-27T07 .* says 20 rows, there are 19",
			"3 silver.sightings  2022-05-27T23 .* 1 rows of an hour that the ledger does not know", "2022-05-27T23 .* a row too many"}},
		{"a row of another day", func(rows []sightingRow) []sightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestDate--
			}
			return rows
		}, []string{"1 silver.sightings  2022-05-27T07 .* the row's columns say another hour than its partition"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			in, _ := oneDay(t)
			plant(t, in.lake, silverSightings, seven, fault.alter)
			lines, _ := verified(t, in.lake)
			lines = slices.DeleteFunc(lines, func(line string) bool { return line[:len("1 gold")] == "1 gold" }) // which follows
			checkSays(t, lines, fault.says)
		})
	}
	t.Run("a missing file", func(t *testing.T) {
		in, _ := oneDay(t)
		loaded, err := in.lake.load(t.Context(), silverSightings)
		in.must(err)
		files, err := in.lake.hourFiles(t.Context(), loaded, at)
		in.must(err)
		in.must(in.lake.objects.io.Remove(files[0].FilePath()))
		lines, _ := verified(t, in.lake)
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "is missing") }) {
			t.Errorf("verify says %q", lines)
		}
	})
}

// TestForgetInADaysFile: of the hours of a day that nobody was forgotten in, nothing changes.
func TestForgetInADaysFile(t *testing.T) {
	in, hours := oneDay(t)
	plan, err := in.lake.PlanForget(t.Context(), "p7-3", telemetry.Options{}, func(string, int64) {})
	in.must(err)
	if plan.Hours != 1 {
		t.Errorf("the plan is %+v", plan)
	}
	in.forget("p7-3")
	checkSpans(t, in.lake, "05-05", "05-10")
	for _, hour := range hours {
		if hour == hours[2] {
			continue
		}
		if _, row := in.silver(hour); row.Changed || row.Erased > 0 {
			t.Errorf("a rerun of %s: %+v", hour, row)
		}
	}
	checkSpans(t, in.lake, "05-05", "05-10")
	rows, err := in.lake.Hours(t.Context(), hours[2], hours[2]+1)
	in.must(err)
	if rows[0].Erased != 1 || rows[0].Sightings != 19 || rows[0].Bindings != 19 {
		t.Errorf("the hour is %+v", rows)
	}
	checkVerify(t, in.lake)
	in.ingestAgain(hours[2])
	in.gold()
	checkVerify(t, in.lake)
	if found := in.remains("p7-3"); len(found) > 0 {
		t.Errorf("it is left in %v", found)
	}
}

package lake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

// threeHours is a world in which the first of three hours is in the lake already, and the second was before it changed.
func threeHours(t *testing.T) (in *ingester, hours []telemetry.Hour) {
	in = newWorld(t)
	first := hourAt(t, "2022-05-27T22")
	in.put("27T22/a.tsv", sighting("27T22:10", "s1", "1.0"), login("27T22:11", "s1", "p1"))
	in.put("27T23/a.tsv", sighting("27T23:10", "s1", "1.1"), "broken")
	in.silver(first)
	in.ingest(first + 1)
	in.put("27T23/a.tsv", sighting("27T23:20", "s1", "1.2"), login("27T23:21", "s2", "p2"), "broken", "too")
	in.put("28T00/a.tsv", sighting("28T00:10", "s2", "1.0"), sighting("28T00:11", "s3", "7.0"))
	in.put("28T00/b.tsv", deviceInfo("28T00:12", "s3", "D1"))
	return in, []telemetry.Hour{first, first + 1, first + 2}
}

// quickly is one place in the middle of several, in the quick tests.
func quickly(places ...int) []int {
	if testing.Short() {
		return places[1:2]
	}
	return places
}

// TestHoursTogether commits hours together, undisturbed and again after crashes, and one by one: the tables are the same.
func TestHoursTogether(t *testing.T) {
	in, hours := threeHours(t)
	for _, hour := range hours {
		in.silver(hour)
	}
	in.gold()
	want := dumpHours(t, in.lake) + users(t, in.lake, "") + fmt.Sprint(in.fileStates(hours[1]), in.fileStates(hours[2]))

	for _, done := range quickly(0, 1, 4, 6, 7) { // after so many commits: 6: the files too, 7: the ledger too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, _ := threeHours(t)
			before := map[string]int{}
			for _, definition := range tableDefinitions {
				ids, _ := snapshots(t, in.lake, definition)
				before[definition.name] = len(ids)
			}
			staged := in.stageTogether(hours...)
			commit := in.commitTablesOf(staged, hourTables[:min(done, len(hourTables))]...)
			if done > len(hourTables) {
				in.must(commit.recordFiles(t.Context()))
			}
			if done > len(hourTables)+1 {
				in.must(commit.recordHours(t.Context()))
			}
			var rows []HourRow
			for range 2 {
				again, left, err := in.lake.CommitHours(t.Context(), staged)
				in.must(err)
				if len(left) > 0 || len(again) != 3 || again[0].Changed || !again[1].Changed || !again[2].Changed || again[1].Rejects != 2 {
					t.Fatalf("the rows are %+v, left out %v", again, left)
				}
				if rows != nil && !slices.Equal(rows, again) {
					t.Errorf("the second call says %+v, not %+v", again, rows)
				}
				rows = again
			}
			for _, definition := range append(slices.Clone(hourTables), opsFiles, opsHours) {
				if ids, _ := snapshots(t, in.lake, definition); len(ids) != before[definition.name]+1 {
					t.Errorf("%s has %d snapshots, and had %d", definition.name, len(ids), before[definition.name])
				}
			}
			shown := in.gold(staged[0].Run, staged[1].Run, staged[2].Run)
			// The first hour had no tag, the second moves rows, the third is new.
			if tags := []string{"hour-2022-05-27T22", "hour-2022-05-27T23.2", "hour-2022-05-28T00"}; !slices.Equal(shown.Tags, tags) {
				t.Errorf("tags %v", shown.Tags)
			}
			if got := dumpHours(t, in.lake) + users(t, in.lake, "") + fmt.Sprint(in.fileStates(hours[1]), in.fileStates(hours[2])); got != want {
				t.Errorf("the tables are\n%s\nand hour by hour\n%s", got, want)
			}
			checkGold(t, in)
			in.daily()
			checkVerify(t, in.lake)
		})
	}
}

// TestRunsMeet lets another run of an hour commit between two commits of hours that go together, at every place. The hour is
// never of both, and who may have seen the older files is told so.
func TestRunsMeet(t *testing.T) {
	for _, done := range quickly(0, 1, 4, 5, 6) {
		for _, whole := range []bool{true, false} { // whether the other run ends, or is given up after two tables
			t.Run(fmt.Sprintf("after %d commits, %v", done, whole), func(t *testing.T) {
				in, hours := threeHours(t)
				staged := in.stageTogether(hours...)
				commit := in.commitTablesOf(staged, hourTables[:min(done, len(hourTables))]...)
				if done > len(hourTables) {
					in.must(commit.recordFiles(t.Context()))
				}
				in.put("27T23/a.tsv", sighting("27T23:30", "s1", "3.0"), login("27T23:31", "s2", "p3"), "one", "two", "three")
				if other := in.stage(hours[1]); whole {
					_, err := in.commitHour(other)
					in.must(err)
				} else {
					in.commitTables(other, bronzeEvents, silverBindings)
				}
				// Some go on where they were, and find out before they write into the ledger; others are tried again as a whole.
				if done%2 == 1 {
					for _, definition := range hourTables[min(done, len(hourTables)):] {
						in.must(commit.replace(t.Context(), definition))
					}
					in.must(commit.recordFiles(t.Context()))
					if err := commit.recordHours(t.Context()); !errors.Is(err, errInterfered) {
						t.Fatalf("the ledger took the hours: %v", err)
					}
					in.must(commit.commit(t.Context()))
				}
				rows, left, err := in.lake.CommitHours(t.Context(), staged)
				in.must(err)
				if met := errors.Is(left[hours[1]], ErrConflict); met != whole || len(rows)+len(left) != 3 {
					t.Errorf("%d rows, left out: %v", len(rows), left)
				}
				of := map[string]bool{}
				for _, row := range rowsOf[rejectRow](t, in.lake, bronzeRejects) {
					of[string(row.RawLine)] = true
				}
				if !whole && (of["one"] || !of["too"]) {
					t.Errorf("rejects of the run that was given up: %v", of)
				}
				in.gold()
				in.daily()
				checkVerify(t, in.lake)
				in.ingest(hours[1]) // as who is told does
				in.daily()
				checkGold(t, in)
				checkVerify(t, in.lake)
			})
		}
	}
}

// TestHoursLeftOut: an hour that must not be written keeps back no other.
func TestHoursLeftOut(t *testing.T) {
	in, hours := threeHours(t)
	staged := in.stageTogether(hours...)
	in.gold()
	in.daily()
	_, err := in.lake.DropBefore(t.Context(), LayerBronze, hours[1], false)
	in.must(err)
	for range 2 {
		rows, left, err := in.lake.CommitHours(t.Context(), staged)
		in.must(err)
		if len(rows) != 2 || len(left) != 1 || left[hours[0]] == nil {
			t.Errorf("rows %+v, left out %v", rows, left)
		}
	}
	ledger, err := in.lake.hourRows(t.Context(), hours[0], hours[2]+1)
	in.must(err)
	if len(ledger) != 4 {
		t.Errorf("the ledger has %+v", ledger)
	}
}

// TestRunsInSummary reads back which runs a snapshot belongs to.
func TestRunsInSummary(t *testing.T) {
	in, hours := threeHours(t)
	staged := in.stageTogether(hours...)
	_, _, err := in.lake.CommitHours(t.Context(), staged)
	in.must(err)
	loaded, err := in.lake.load(t.Context(), silverSightings)
	in.must(err)
	if got := runsIn(loaded.CurrentSnapshot()); !slices.Equal(got, []Run{staged[1].Run, staged[2].Run}) {
		t.Errorf("the snapshot is of %v", got)
	}
	if _, found := runSnapshot(loaded, staged[0].Run); found {
		t.Error("an hour that did not change has a snapshot")
	}
	if size := len(strings.Join(strings.Fields(loaded.CurrentSnapshot().Summary.Properties[summaryHours]), "")); size != 2*len("2022-05-27T23") {
		t.Errorf("%d bytes of hours", size)
	}
}

package commit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/telemetry"
)

// threeHours is a world in which the first of three hours is in the lake already, and the second was before it changed.
func threeHours(t *testing.T) (in *laketest.Ingester, hours []telemetry.Hour) {
	in = laketest.NewWorld(t)
	first := laketest.HourAt(t, "2022-05-27T22")
	in.Put("27T22/a.tsv", laketest.Sighting("27T22:10", "s1", "1.0"), laketest.Login("27T22:11", "s1", "p1"))
	in.Put("27T23/a.tsv", laketest.Sighting("27T23:10", "s1", "1.1"), "broken")
	in.Silver(first)
	in.Ingest(first + 1)
	in.Put("27T23/a.tsv", laketest.Sighting("27T23:20", "s1", "1.2"), laketest.Login("27T23:21", "s2", "p2"),
		"broken", "too")
	in.Put("28T00/a.tsv", laketest.Sighting("28T00:10", "s2", "1.0"), laketest.Sighting("28T00:11", "s3", "7.0"))
	in.Put("28T00/b.tsv", laketest.DeviceInfo("28T00:12", "s3", "D1"))
	return in, []telemetry.Hour{first, first + 1, first + 2}
}

// TestHoursTogether commits hours together, undisturbed and again after crashes, and one by one: the tables are the
// same.
//
//nolint:cyclop // a story that is told step by step reads best in one piece
func TestHoursTogether(t *testing.T) {
	in, hourList := threeHours(t)
	for _, hour := range hourList {
		in.Silver(hour)
	}
	in.Gold()
	want := laketest.DumpHours(t, in.Lake) + laketest.Users(t, in.Lake, "") +
		fmt.Sprint(in.FileStates(hourList[1]), in.FileStates(hourList[2]))

	for _, done := range laketest.Quickly(0, 1, 4, 6, 7) { // after so many commits: 6: the files too, 7: the ledger too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, _ := threeHours(t)
			before := map[string]int{}
			for _, definition := range lake.TableDefinitions {
				ids, _ := laketest.Snapshots(t, in.Lake, definition)
				before[definition.Name] = len(ids)
			}
			staged := in.StageTogether(hourList...)
			c := in.CommitTablesOf(staged, lake.HourTables[:min(done, len(lake.HourTables))]...)
			if done > len(lake.HourTables) {
				in.Must(c.RecordFiles(t.Context()))
			}
			if done > len(lake.HourTables)+1 {
				in.Must(c.RecordHours(t.Context()))
			}
			var rows []ledger.Hour
			for range 2 {
				again, left, err := commit.Hours(t.Context(), in.Lake, staged)
				in.Must(err)
				if len(left) > 0 || len(again) != 3 || again[0].Changed || !again[1].Changed || !again[2].Changed ||
					again[1].Rejects != 2 {
					t.Fatalf("the rows are %+v, left out %v", again, left)
				}
				if rows != nil && !slices.Equal(rows, again) {
					t.Errorf("the second call says %+v, not %+v", again, rows)
				}
				rows = again
			}
			for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles, lake.OpsHours) {
				if ids, _ := laketest.Snapshots(t, in.Lake, definition); len(ids) != before[definition.Name]+1 {
					t.Errorf("%s has %d snapshots, and had %d", definition.Name, len(ids), before[definition.Name])
				}
			}
			shown := in.Gold(staged[0].Run, staged[1].Run, staged[2].Run)
			if tags := []string{"hour-2022-05-28T00"}; !slices.Equal(shown.Tags, tags) {
				t.Errorf("tags %v", shown.Tags)
			}
			if got := laketest.DumpHours(t, in.Lake) + laketest.Users(t, in.Lake, "") +
				fmt.Sprint(in.FileStates(hourList[1]), in.FileStates(hourList[2])); got != want {
				t.Errorf("the tables are\n%s\nand hour by hour\n%s", got, want)
			}
			checks.Gold(t, in)
			upkeep.Daily(in)
			checks.Verify(t, in.Lake)
		})
	}
}

// TestRunsMeet lets another run of an hour commit between two commits of hours that go together, at every place.
// The hour is never of both, and who may have seen the older files is told so.
func TestRunsMeet(t *testing.T) {
	for _, done := range laketest.Quickly(0, 1, 4, 5, 6) {
		for _, whole := range []bool{true, false} { // whether the other run ends, or is given up after two tables
			t.Run(fmt.Sprintf("after %d commits, %v", done, whole), func(t *testing.T) {
				in, hourList := threeHours(t)
				staged := in.StageTogether(hourList...)
				c := in.CommitTablesOf(staged, lake.HourTables[:min(done, len(lake.HourTables))]...)
				if done > len(lake.HourTables) {
					in.Must(c.RecordFiles(t.Context()))
				}
				in.Put("27T23/a.tsv", laketest.Sighting("27T23:30", "s1", "3.0"),
					laketest.Login("27T23:31", "s2", "p3"), "one", "two", "three")
				if other := in.Stage(hourList[1]); whole {
					_, err := in.CommitHour(other)
					in.Must(err)
				} else {
					in.CommitTables(other, lake.BronzeEvents, lake.SilverBindings)
				}
				// Some go on where they were, and find out before they write into the ledger; others are tried
				// again as a whole.
				if done%2 == 1 {
					for _, definition := range lake.HourTables[min(done, len(lake.HourTables)):] {
						in.Must(c.Replace(t.Context(), definition))
					}
					in.Must(c.RecordFiles(t.Context()))
					if err := c.RecordHours(t.Context()); !errors.Is(err, commit.ErrInterfered) {
						t.Fatalf("the ledger took the hours: %v", err)
					}
					in.Must(c.Commit(t.Context()))
				}
				rows, left, err := commit.Hours(t.Context(), in.Lake, staged)
				in.Must(err)
				if met := errors.Is(left[hourList[1]], lake.ErrConflict); met != whole || len(rows)+len(left) != 3 {
					t.Errorf("%d rows, left out: %v", len(rows), left)
				}
				of := map[string]bool{}
				for _, row := range laketest.RowsOf[lake.RejectRow](t, in.Lake, lake.BronzeRejects) {
					of[string(row.RawLine)] = true
				}
				if !whole && (of["one"] || !of["too"]) {
					t.Errorf("rejects of the run that was given up: %v", of)
				}
				in.Gold()
				upkeep.Daily(in)
				checks.Verify(t, in.Lake)
				in.Ingest(hourList[1]) // as who is told does
				upkeep.Daily(in)
				checks.Gold(t, in)
				checks.Verify(t, in.Lake)
			})
		}
	}
}

// TestHoursLeftOut: an hour that must not be written keeps back no other.
func TestHoursLeftOut(t *testing.T) {
	in, hourList := threeHours(t)
	staged := in.StageTogether(hourList...)
	in.Gold()
	upkeep.Daily(in)
	_, err := maintain.DropBefore(t.Context(), in.Lake, ledger.LayerBronze, hourList[1], false)
	in.Must(err)
	for range 2 {
		rows, left, err := commit.Hours(t.Context(), in.Lake, staged)
		in.Must(err)
		if len(rows) != 2 || len(left) != 1 || left[hourList[0]] == nil {
			t.Errorf("rows %+v, left out %v", rows, left)
		}
	}
	ledger, err := ledger.Runs(t.Context(), in.Lake, hourList[0], hourList[2]+1)
	in.Must(err)
	if len(ledger) != 4 {
		t.Errorf("the ledger has %+v", ledger)
	}
}

// TestRunsInSummary reads back which runs a snapshot belongs to.
func TestRunsInSummary(t *testing.T) {
	in, hourList := threeHours(t)
	staged := in.StageTogether(hourList...)
	_, _, err := commit.Hours(t.Context(), in.Lake, staged)
	in.Must(err)
	loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
	in.Must(err)
	if got := lake.RunsIn(loaded.CurrentSnapshot()); !slices.Equal(got, []lake.Run{staged[1].Run, staged[2].Run}) {
		t.Errorf("the snapshot is of %v", got)
	}
	if _, found := lake.RunSnapshot(loaded, staged[0].Run); found {
		t.Error("an hour that did not change has a snapshot")
	}
	if size := len(strings.Join(strings.Fields(loaded.CurrentSnapshot().Summary.Properties[lake.SummaryHours]),
		"")); size != 2*len("2022-05-27T23") {
		t.Errorf("%d bytes of hours", size)
	}
}

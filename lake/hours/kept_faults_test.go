package hours_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
)

// TestForgottenDontComeBackWithKeptRows: who was forgotten is not in rows that stay, whenever that was, and the
// counts tell.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestForgottenDontComeBackWithKeptRows(t *testing.T) {
	hour := laketest.HourAt(t, "2022-05-27T05")
	world := func(t *testing.T) *laketest.Ingester {
		in := laketest.NewWorld(t)
		in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", laketest.GoneSession, "1.0"),
			laketest.Sighting("27T05:11", "s1", "1.0", "UserId", "p1"), "broken, of "+laketest.Gone, "",
			laketest.Login("27T05:12", laketest.GoneSession, laketest.Gone))
		in.Put("27T05/b.tsv", laketest.Sighting("27T05:20", "s2", "2.0"),
			laketest.Event("27T05:21", "s2", "Issue", "Message", "said "+laketest.Gone))
		in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.1", "UserId", "p1"))
		in.Ingest(hour)
		in.Ingest(hour + 1)
		return in
	}
	in := world(t)
	forgetting.Forget(in, laketest.Gone)
	in.Ingest(hour)
	want := laketest.DumpHours(t, in.Lake) + laketest.Users(t, in.Lake, "")
	check := func(t *testing.T, in *laketest.Ingester, gone int64) {
		t.Helper()
		if got := laketest.DumpHours(t, in.Lake) + laketest.Users(t, in.Lake, ""); got != want {
			t.Errorf("the tables are\n%s\nand should be\n%s", got, want)
		}
		if row := in.LedgerRow(hour); row.Lines != 7 || row.Events != 3 || row.Rejects != 0 || row.Blanks != 1 ||
			row.Erased != 3 || row.GoneFiles != gone {
			t.Errorf("the ledger says %+v", row)
		}
		checks.Verify(t, in.Lake)
	}
	leave := map[string]func(in *laketest.Ingester){
		"gone":  func(in *laketest.Ingester) { in.Put("27T05/a.tsv") },
		"torn":  func(in *laketest.Ingester) { in.PutBytes("27T05/a.tsv", []byte("\x1f\x8b\x08torn")) },
		"empty": func(in *laketest.Ingester) { in.PutBytes("27T05/a.tsv", nil) },
		"all":   func(in *laketest.Ingester) { in.Put("27T05/a.tsv"); in.Put("27T05/b.tsv") },
		"noted": func(in *laketest.Ingester) { in.Put("27T05/a.tsv"); in.Put("27T05/b.tsv"); in.NoteGone = true },
	}
	count := map[string]int64{"gone": 1, "all": 2, "noted": 2}
	for name, leave := range leave {
		if testing.Short() && name != "torn" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range []string{"forget leave", "leave forget", "leave forget-meanwhile"} {
				in := world(t)
				for step := range strings.FieldsSeq(order) {
					switch step {
					case "leave":
						leave(in)
						in.Ingest(hour)
					case "forget":
						forgetting.Forget(in, laketest.Gone)
					default:
						in.NoteGone = false // what is noted holds nothing of anybody
						staged := in.Stage(hour)
						erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
						in.Must(err)
						if _, err := in.CommitHour(staged); !errors.Is(err, lake.ErrStale) {
							t.Errorf("what was staged before the user was forgotten was committed: %v", err)
						}
						in.IngestAgain(hour) // begun, and not ended
						forgetting.Rest(in, erasure)
					}
				}
				check(t, in, count[name])
				for range 2 {
					heads := in.HeadsNow()
					in.Ingest(hour)
					check(t, in, count[name])
					if order != "leave forget" && !slices.Equal(in.HeadsNow(), heads) && name != "all" {
						t.Errorf("%s: a run of the same moves %v to %v", order, heads, in.HeadsNow())
					}
				}
				if found := forgetting.Remains(in, laketest.Gone); len(found) > 0 {
					t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
				}
			}
		})
	}
}

// TestKeptRowsAfterACrash: a run that dies between two commits never happened. What it read of files that went
// meanwhile does not count, and what it took out stays.
func TestKeptRowsAfterACrash(t *testing.T) {
	hour := laketest.HourAt(t, "2022-05-27T05")
	for _, done := range laketest.Quickly(1, 2, 3, 5, 6) { // 6: the files too
		for name, run := range map[string]func(in *laketest.Ingester) laketest.StagedHour{
			"of other files": func(in *laketest.Ingester) laketest.StagedHour {
				in.Put("27T05/a.tsv", "now broken", laketest.Sighting("27T05:59", "s1", "9.9"))
				in.Put("27T05/b.tsv", laketest.Sighting("27T05:58", "s2", "9.8"), "now broken", "and once more")
				in.Put("27T05/e.tsv", laketest.Sighting("27T05:57", "s2", "9.7"))
				s := in.Stage(hour)
				in.Put("27T05/e.tsv")
				return s
			},
			"that takes out": func(in *laketest.Ingester) laketest.StagedHour {
				in.Put("27T05/a.tsv")
				in.Put("27T05/b.tsv")
				in.RemoveGone = true
				defer func() { in.RemoveGone = false }()
				s := in.Stage(hour)
				in.Put("27T05/a.tsv", "x")
				in.Put("27T05/b.tsv", "x")
				return s
			},
			"that keeps": func(in *laketest.Ingester) laketest.StagedHour {
				in.Put("27T05/a.tsv")
				s := in.Stage(hour)
				in.Put("27T05/a.tsv", "x")
				return s
			},
		} {
			t.Run(fmt.Sprintf("%s, after %d commits", name, done), func(t *testing.T) {
				t.Parallel()
				in := leavingWorld(t)
				want := laketest.DumpAll(t, in.Lake)
				commit := in.CommitTables(run(in), lake.HourTables[:min(done, len(lake.HourTables))]...)
				if done > len(lake.HourTables) {
					in.Must(commit.RecordFiles(t.Context()))
				}
				in.Put("27T05/a.tsv")
				in.PutBytes("27T05/b.tsv", []byte("\x1f\x8b\x08torn"))
				for range 2 {
					next, row := in.Silver(hour)
					in.Gold(next)
					upkeep.Daily(in)
					if got := laketest.DumpAll(t, in.Lake); got != want || row.GoneFiles != 1 || row.BadFiles != 1 {
						t.Errorf("the ledger says %+v, the tables are\n%s\nand were\n%s", row, got, want)
					}
					checks.Verify(t, in.Lake)
				}
			})
			t.Run(fmt.Sprintf("%s, after %d commits, and then all go", name, done), func(t *testing.T) {
				t.Parallel()
				in := leavingWorld(t)
				want := laketest.DumpAll(t, in.Lake)
				commit := in.CommitTables(run(in), lake.HourTables[:min(done, len(lake.HourTables))]...)
				if done > len(lake.HourTables) {
					in.Must(commit.RecordFiles(t.Context()))
				}
				in.Must(os.RemoveAll(filepath.Dir(in.Path("27T05/a.tsv"))))
				next, row := in.Silver(hour)
				in.Gold(next)
				upkeep.Daily(in)
				if got := laketest.DumpAll(t, in.Lake); got != want || row.GoneFiles != 4 ||
					row.State != ledger.HourComplete {
					t.Errorf("the ledger says %+v, the tables are\n%s\nand were\n%s", row, got, want)
				}
				checks.Verify(t, in.Lake)
			})
		}
	}
}

// TestNotedHourMeetsARun: where all files are gone nothing but the ledger changes; a run that read them before, and
// commits meanwhile, is found.
func TestNotedHourMeetsARun(t *testing.T) {
	hour := laketest.HourAt(t, "2022-05-27T05")
	for _, done := range laketest.Quickly(0, 1, 3, 5, 6, 7) {
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			t.Parallel()
			in := leavingWorld(t)
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:59", "s1", "9.9"))
			other := in.Stage(hour)
			in.Must(os.RemoveAll(filepath.Dir(in.Path("27T05/a.tsv"))))
			in.NoteGone = true
			noted := in.Stage(hour)
			if len(noted.Chunks) > 0 {
				t.Fatalf("rows that stay where they are were read: %+v", noted.Chunks)
			}
			commit := in.CommitTables(other, lake.HourTables[:min(done, len(lake.HourTables))]...)
			if done > len(lake.HourTables) {
				in.Must(commit.RecordFiles(t.Context()))
			}
			if done > len(lake.HourTables)+1 {
				in.Must(commit.RecordHours(t.Context()))
			}
			if _, err := in.CommitHour(noted); (done > 0) != errors.Is(err, lake.ErrConflict) || done == 0 &&
				err != nil {
				t.Errorf("after %d commits of another run: %v", done, err)
			}
			if _, err := in.CommitHour(other); err != nil && !errors.Is(err, lake.ErrConflict) {
				t.Error(err)
			}
			next, row := in.Silver(hour)
			in.Gold(next)
			checks.Verify(t, in.Lake)
			if rows := laketest.RowsOf[lake.SightingRow](t, in.Lake, lake.SilverSightings); row.GoneFiles != 4 ||
				done > 0 &&
					!slices.ContainsFunc(rows, func(row lake.SightingRow) bool { return row.Version == "9.9" }) {
				t.Errorf("the ledger says %+v, and silver has %+v", row, rows)
			}
		})
	}
}

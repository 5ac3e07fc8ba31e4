package lake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestForgottenDontComeBackWithKeptRows: who was forgotten is not in rows that stay, whenever that was, and the counts tell.
func TestForgottenDontComeBackWithKeptRows(t *testing.T) {
	hour := hourAt(t, "2022-05-27T05")
	world := func(t *testing.T) *ingester {
		in := newWorld(t)
		in.put("27T05/a.tsv", sighting("27T05:10", goneSession, "1.0"), sighting("27T05:11", "s1", "1.0", "UserId", "p1"), "broken, of "+gone, "",
			login("27T05:12", goneSession, gone))
		in.put("27T05/b.tsv", sighting("27T05:20", "s2", "2.0"), event("27T05:21", "s2", "Issue", "Message", "said "+gone))
		in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.1", "UserId", "p1"))
		in.ingest(hour)
		in.ingest(hour + 1)
		return in
	}
	in := world(t)
	in.forget(gone)
	in.ingest(hour)
	want := dumpHours(t, in.lake) + users(t, in.lake, "")
	check := func(t *testing.T, in *ingester, gone int64) {
		t.Helper()
		if got := dumpHours(t, in.lake) + users(t, in.lake, ""); got != want {
			t.Errorf("the tables are\n%s\nand should be\n%s", got, want)
		}
		if row := in.ledgerRow(hour); row.Lines != 7 || row.Events != 3 || row.Rejects != 0 || row.Blanks != 1 || row.Erased != 3 || row.GoneFiles != gone {
			t.Errorf("the ledger says %+v", row)
		}
		checkVerify(t, in.lake)
	}
	leave := map[string]func(in *ingester){
		"gone":  func(in *ingester) { in.put("27T05/a.tsv") },
		"torn":  func(in *ingester) { in.putBytes("27T05/a.tsv", []byte("\x1f\x8b\x08torn")) },
		"empty": func(in *ingester) { in.putBytes("27T05/a.tsv", nil) },
		"all":   func(in *ingester) { in.put("27T05/a.tsv"); in.put("27T05/b.tsv") },
		"noted": func(in *ingester) { in.put("27T05/a.tsv"); in.put("27T05/b.tsv"); in.noteGone = true },
	}
	count := map[string]int64{"gone": 1, "all": 2, "noted": 2}
	for name, leave := range leave {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range []string{"forget leave", "leave forget", "leave forget-meanwhile"} {
				in := world(t)
				for step := range strings.FieldsSeq(order) {
					switch step {
					case "leave":
						leave(in)
						in.ingest(hour)
					case "forget":
						in.forget(gone)
					default:
						in.noteGone = false // what is noted holds nothing of anybody
						staged := in.stage(hour)
						erasure, err := in.lake.BeginForget(t.Context(), gone)
						in.must(err)
						if _, err := in.commitHour(staged); !errors.Is(err, ErrStale) {
							t.Errorf("what was staged before the user was forgotten was committed: %v", err)
						}
						in.ingestAgain(hour) // begun, and not ended
						in.forgetRest(erasure)
					}
				}
				check(t, in, count[name])
				for range 2 {
					heads := in.headsNow()
					in.ingest(hour)
					check(t, in, count[name])
					if order != "leave forget" && !slices.Equal(in.headsNow(), heads) && name != "all" {
						t.Errorf("%s: a run of the same moves %v to %v", order, heads, in.headsNow())
					}
				}
				if found := in.remains(gone); len(found) > 0 {
					t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
				}
			}
		})
	}
}

// TestKeptRowsAfterACrash: a run that dies between two commits never happened. What it read of files that went meanwhile does not count,
// and what it took out stays.
func TestKeptRowsAfterACrash(t *testing.T) {
	hour := hourAt(t, "2022-05-27T05")
	for _, done := range quickly(1, 2, 3, 5, 6) { // 6: the files too
		for name, run := range map[string]func(in *ingester) stagedHour{
			"of other files": func(in *ingester) stagedHour {
				in.put("27T05/a.tsv", "now broken", sighting("27T05:59", "s1", "9.9"))
				in.put("27T05/b.tsv", sighting("27T05:58", "s2", "9.8"), "now broken", "and once more")
				in.put("27T05/e.tsv", sighting("27T05:57", "s2", "9.7"))
				s := in.stage(hour)
				in.put("27T05/e.tsv")
				return s
			},
			"that takes out": func(in *ingester) stagedHour {
				in.put("27T05/a.tsv")
				in.put("27T05/b.tsv")
				in.removeGone = true
				defer func() { in.removeGone = false }()
				s := in.stage(hour)
				in.put("27T05/a.tsv", "x")
				in.put("27T05/b.tsv", "x")
				return s
			},
			"that keeps": func(in *ingester) stagedHour {
				in.put("27T05/a.tsv")
				s := in.stage(hour)
				in.put("27T05/a.tsv", "x")
				return s
			},
		} {
			t.Run(fmt.Sprintf("%s, after %d commits", name, done), func(t *testing.T) {
				t.Parallel()
				in := leavingWorld(t)
				want := dumpAll(t, in.lake)
				commit := in.commitTables(run(in), hourTables[:min(done, len(hourTables))]...)
				if done > len(hourTables) {
					in.must(commit.recordFiles(t.Context()))
				}
				in.put("27T05/a.tsv")
				in.putBytes("27T05/b.tsv", []byte("\x1f\x8b\x08torn"))
				for range 2 {
					next, row := in.silver(hour)
					in.gold(next)
					in.daily()
					if got := dumpAll(t, in.lake); got != want || row.GoneFiles != 1 || row.BadFiles != 1 {
						t.Errorf("the ledger says %+v, the tables are\n%s\nand were\n%s", row, got, want)
					}
					checkVerify(t, in.lake)
				}
			})
			t.Run(fmt.Sprintf("%s, after %d commits, and then all go", name, done), func(t *testing.T) {
				t.Parallel()
				in := leavingWorld(t)
				want := dumpAll(t, in.lake)
				commit := in.commitTables(run(in), hourTables[:min(done, len(hourTables))]...)
				if done > len(hourTables) {
					in.must(commit.recordFiles(t.Context()))
				}
				in.must(os.RemoveAll(filepath.Dir(in.path("27T05/a.tsv"))))
				next, row := in.silver(hour)
				in.gold(next)
				in.daily()
				if got := dumpAll(t, in.lake); got != want || row.GoneFiles != 4 || row.State != HourComplete {
					t.Errorf("the ledger says %+v, the tables are\n%s\nand were\n%s", row, got, want)
				}
				checkVerify(t, in.lake)
			})
		}
	}
}

// TestNotedHourMeetsARun: where all files are gone nothing but the ledger changes; a run that read them before, and commits meanwhile,
// is found.
func TestNotedHourMeetsARun(t *testing.T) {
	hour := hourAt(t, "2022-05-27T05")
	for _, done := range quickly(0, 1, 3, 5, 6, 7) {
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			t.Parallel()
			in := leavingWorld(t)
			in.put("27T05/a.tsv", sighting("27T05:59", "s1", "9.9"))
			other := in.stage(hour)
			in.must(os.RemoveAll(filepath.Dir(in.path("27T05/a.tsv"))))
			in.noteGone = true
			noted := in.stage(hour)
			if len(noted.chunks) > 0 {
				t.Fatalf("rows that stay where they are were read: %+v", noted.chunks)
			}
			commit := in.commitTables(other, hourTables[:min(done, len(hourTables))]...)
			if done > len(hourTables) {
				in.must(commit.recordFiles(t.Context()))
			}
			if done > len(hourTables)+1 {
				in.must(commit.recordHours(t.Context()))
			}
			if _, err := in.commitHour(noted); (done > 0) != errors.Is(err, ErrConflict) || done == 0 && err != nil {
				t.Errorf("after %d commits of another run: %v", done, err)
			}
			if _, err := in.commitHour(other); err != nil && !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
			next, row := in.silver(hour)
			in.gold(next)
			checkVerify(t, in.lake)
			if rows := rowsOf[sightingRow](t, in.lake, silverSightings); row.GoneFiles != 4 || done > 0 &&
				!slices.ContainsFunc(rows, func(row sightingRow) bool { return row.Version == "9.9" }) {
				t.Errorf("the ledger says %+v, and silver has %+v", row, rows)
			}
		})
	}
}

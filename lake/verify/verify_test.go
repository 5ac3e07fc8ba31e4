package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/verify"
)

func TestVerifyOfASoundLake(t *testing.T) {
	in := laketest.PlantedWorld(t)
	checked := checks.Verify(t, in.Lake)
	checked.Notes = nil
	want := verify.Verified{Hours: 4, Files: 4, Events: 9, Rejects: 1, Silver: 7, Sightings: 4, Bindings: 3, Users: 2,
		Versions: 2, Tags: 4}
	if fmt.Sprint(checked) != fmt.Sprint(want) {
		t.Errorf("checked %+v, want %+v", checked, want)
	}

	// What gold has not reached is no difference, and is said.
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:00", "s3", "1.2"))
	in.Silver(laketest.HourAt(t, "2022-05-27T08"))
	if checked = checks.Verify(t, in.Lake); len(checked.Notes) == 0 ||
		!strings.Contains(checked.Notes[0], "gold lags") {
		t.Errorf("notes %q", checked.Notes)
	}
	// Neither is a run between its commits.
	in.Put("27T09/a.tsv", laketest.Sighting("27T09:00", "s3", "1.3"))
	in.CommitTables(in.Stage(laketest.HourAt(t, "2022-05-27T09")), lake.BronzeEvents, lake.SilverSightings)
	if checked = checks.Verify(t, in.Lake); !strings.Contains(strings.Join(checked.Notes, "\n"),
		"2022-05-27T09 is half committed") {
		t.Errorf("notes %q", checked.Notes)
	}
	in.Silver(laketest.HourAt(t, "2022-05-27T09"))
	in.Gold()
	upkeep.Daily(in)
	checks.Gold(t, in)
	if checked = checks.Verify(t, in.Lake); len(checked.Notes) > 0 {
		t.Errorf("notes %q", checked.Notes)
	}
}

// TestVerifyCatches plants one fault after another into a sound lake.
//
//nolint:funlen // a table of cases, each a fault with what must be said of it
func TestVerifyCatches(t *testing.T) {
	micros := func(clock string) int64 {
		at, err := time.Parse("2006-01-02T15:04", "2022-05-"+clock)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMicro()
	}
	const five, six = "2022-05-27T05", "2022-05-27T06"
	user := func(id string, alter func(*lake.UserRow)) func([]lake.UserRow) []lake.UserRow {
		return func(rows []lake.UserRow) []lake.UserRow {
			for i := range rows {
				if rows[i].UserID == id {
					alter(&rows[i])
				}
			}
			return rows
		}
	}
	for _, fault := range []struct {
		name  string
		plant func(in *laketest.Ingester)
		says  []string // each is part of a difference, and all differences are meant
	}{
		// Rule 4.
		{"a doubled row", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers, "", func(rows []lake.UserRow) []lake.UserRow {
				if i := slices.IndexFunc(rows, func(r lake.UserRow) bool { return r.UserID == "p1" }); i >= 0 {
					rows = slices.Insert(rows, i, rows[i])
				}
				return rows
			})
		}, []string{"4 gold.users .* p1: the user has 2 rows"}},
		{"a row in the wrong bucket", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers, "", user("p1", func(r *lake.UserRow) { r.UserID = "p1 " }))
		}, []string{"p1 : the row lies in bucket", "p1 : the user has a row in gold, and no sighting",
			"p1: the user has 3 sightings in silver, and no row"}},
		// Rule 1.
		{"a lost user", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers, "", func(rows []lake.UserRow) []lake.UserRow {
				return slices.DeleteFunc(rows, func(r lake.UserRow) bool { return r.UserID == "p2" })
			})
		}, []string{"1 gold.users .* p2: the user has 1 sightings in silver, and no row in gold"}},
		{"an altered count", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { r.History[0].Sightings++ }))
		}, []string{"1 gold.users .* p1: interval 1 is .* 2 sightings and should be .* 1 sightings"}},
		{"a wrong downgrade flag", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { r.History[2].IsDowngrade = new(false) }))
		}, []string{"p1: interval 3 is .* should be .*, a downgrade"}},
		{"a wrong current version", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { r.CurrentVersion = "1.1" }))
		}, []string{"contradicts its own history: current_version is 1.1 and should be 1.0",
			"1 gold.users .* p1: current_version"}},
		{"a commit of another program", func(in *laketest.Ingester) {
			loaded, err := in.Lake.Load(t.Context(), lake.GoldUsers)
			in.Must(err)
			files, err := lake.LiveFiles(t.Context(), loaded)
			in.Must(err)
			in.Must(in.Lake.TryCommit(t.Context(), loaded, &lake.Change{Remove: files[:1]}))
		}, []string{"does not say which silver it reflects", "and no row in gold"}},
		// Rule 5.
		{"an overlapping interval", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { to := micros("27T06:00"); r.History[0].ValidTo = &to }))
		}, []string{"5 gold.users .* p1: interval 2, .* it overlaps the interval before it",
			"1 gold.users .* p1: interval 1"}},
		{"intervals out of order", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { slices.Reverse(r.History) }))
		}, []string{"5 .* not in the order", "5 .* overlaps|5 .* gap", "5 .*", "1 .*", "5 .*"}},
		{"an interval of no length", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.GoldUsers,
				"", user("p1", func(r *lake.UserRow) { r.History[0].ValidTo = &r.History[0].ValidFrom }))
		}, []string{"5 .* less than one microsecond", "5 .* there is a gap", "1 .* interval 1"}},
		// Rules 2 and 3.
		{"a missing hour in silver", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.SilverSightings,
				six, func([]lake.SightingRow) []lake.SightingRow { return nil })
		}, []string{"1 silver.sightings .* silver lacks its row",
			"2 silver.sightings .*T06 .* the ledger says 1 rows, there are 0"}},
		{"a missing hour in the ledger", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.OpsHours, six, func(rows []lake.HourRow) []lake.HourRow {
				return slices.DeleteFunc(rows, func(r lake.HourRow) bool { return r.HourStart == micros("27T06:00") })
			})
		}, []string{"3 bronze.events  2022-05-27T06 .*does not know", "silver.events", "silver.sightings",
			"silver.bindings", "ops.files",
			"3 gold.users hour-2022-05-27T06 .*ledger does not know"}},
		{"an altered count in the ledger", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.OpsHours, five, func(rows []lake.HourRow) []lake.HourRow {
				if rows[0].HourStart == micros("27T05:00") {
					rows[0].Events++
				}
				return rows
			})
		}, []string{"2 ops.hours  2022-05-27T05 .* 7 lines are not 6 events|2 ops.hours .* lines are not",
			"the ledger says 6 events, and the rows of ops.files make 5|the ledger says"}},
		{"a state that lies", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.OpsHours, six, func(rows []lake.HourRow) []lake.HourRow {
				if rows[0].HourStart == micros("27T06:00") {
					rows[0].State = ledger.HourComplete
				}
				return rows
			})
		}, []string{"2 ops.hours .*T06 .* should be degraded"}},
		{"a file whose counts lie", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.OpsFiles,
				five, func(rows []lake.FileRow) []lake.FileRow { rows[0].Events--; rows[0].Blanks++; return rows })
		}, []string{"2 bronze.events .*a.tsv .*ops.files says 4 events, bronze has 5", "the ledger says 5 events",
			"the ledger says 1 blanks"}},
		{"an orphan row in bronze", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.BronzeEvents, five, func(rows []lake.EventRow) []lake.EventRow {
				row := rows[0]
				row.FileName, row.EventName, row.BodyMessage = "2022/05/27/05/z.tsv", "Other", "{'Name': 'Other'}"
				return append(rows, row)
			})
			// one in each cluster
		}, []string{"z.tsv : 2 events and 0 rejects of a file that ops.files does not have as read"}},
		{"a line twice and another one lost", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.BronzeEvents, five, func(rows []lake.EventRow) []lake.EventRow {
				if len(rows) > 1 {
					rows[1] = rows[0]
				}
				return rows
			})
		}, []string{"2 bronze.events .*a.tsv:1 : the line has more than one row",
			"silver.events .*a.tsv:2 : .*a row too many", "silver.sightings .*a row too many",
			// the repeat of the line that was lost now counts
			"silver.(events|sightings) .*a.tsv:3 : .*silver lacks its row"}},
		{"a lost reject", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.BronzeRejects, five, func([]lake.RejectRow) []lake.RejectRow { return nil })
		}, []string{"ops.files says 1 rejects, bronze has 0"}},
		{"an altered sighting", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.SilverSightings, five, func(rows []lake.SightingRow) []lake.SightingRow {
				for i := range rows {
					if rows[i].UserID == "p2" {
						rows[i].Version = "9.9"
					}
				}
				return rows
			})
		}, []string{"1 silver.sightings .*a.tsv:6 : the row is not what follows"}},
		{"a session key that finds nobody", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.SilverBindings, six,
				func(rows []lake.BindingRow) []lake.BindingRow { rows[0].SessionKey++; return rows })
		}, []string{"1 silver.bindings .* session_key"}},
		{"a repeat that was kept", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.SilverEvents, five,
				func(rows []lake.SilverRow) []lake.SilverRow { return append(rows, rows[0]) })
		}, []string{"1 silver.events .* a row too many", "2 silver.events .* the ledger says 3 rows, there are 4"}},
		{"a row in another hour's partition", func(in *laketest.Ingester) {
			laketest.Plant(t, in.Lake, lake.BronzeRejects, five,
				func(rows []lake.RejectRow) []lake.RejectRow { rows[0].IngestHourOfDay = 9; return rows })
		}, []string{"3 bronze.rejects .* say another hour"}},
		// Tags.
		{"a moved tag", func(in *laketest.Ingester) {
			in.MoveTag("hour-2022-05-27T06", 0)
		}, []string{"3 gold.users hour-2022-05-27T06 .*the tag was moved"}},
		{"a tag that was moved ahead", func(in *laketest.Ingester) {
			in.MoveTag("hour-2022-05-27T05", 1)
		}, []string{"3 gold.users hour-2022-05-27T05 .*the tag was moved"}},
		{"a tag of no hour", func(in *laketest.Ingester) {
			in.MoveTag("hour-2022-05-28T06", 0)
		}, []string{"hour-2022-05-28T06 .* the ledger does not know"}},
		{"a tag from before its hour", func(in *laketest.Ingester) {
			in.MoveTag("hour-2022-05-27T07", 0)
			laketest.Plant(t, in.Lake, lake.OpsHours, six, func(rows []lake.HourRow) []lake.HourRow {
				if rows[0].HourStart == micros("27T07:00") {
					rows[0].FinishedAt += time.Hour.Microseconds()
				}
				return rows
			})
		}, []string{"hour-2022-05-27T07 .* does not show the hour"}},
		{"a missing data file", func(in *laketest.Ingester) {
			loaded, err := in.Lake.Load(t.Context(), lake.BronzeRejects)
			in.Must(err)
			files, err := lake.LiveFiles(t.Context(), loaded)
			in.Must(err)
			in.Must(in.Lake.Objects.IO.Remove(files[0].FilePath()))
		}, []string{"2 bronze.rejects .* is missing"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			in := laketest.PlantedWorld(t)
			fault.plant(in)
			lines, _ := checks.Verified(t, in.Lake)
			checks.Says(t, lines, fault.says)
		})
	}
}

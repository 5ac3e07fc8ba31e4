package hours_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

func TestSilverFromBronze(t *testing.T) {
	in := laketest.PlantedWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	want, wantGold := laketest.DumpHours(t, in.Lake), laketest.Users(t, in.Lake, "")
	for i := range telemetry.Hour(4) { // one is degraded, one empty, one without a sighting
		before, err := ledger.Hours(t.Context(), in.Lake, hour+i, hour+i+1)
		in.Must(err)
		_, row, err := in.SilverAgain(hour+i, telemetry.Options{})
		in.Must(err)
		if row.Changed || row.State != before[0].State || row.Lines != before[0].Lines ||
			row.Sightings != before[0].Sightings {
			t.Errorf("silver of an hour that did not change: %+v, was %+v", row, before[0])
		}
	}
	if laketest.DumpHours(t, in.Lake) != want {
		t.Error("the rows are others")
	}

	// Silver that is wrong is put right, and gold follows.
	for _, damage := range []func([]lake.SightingRow) []lake.SightingRow{
		func(rows []lake.SightingRow) []lake.SightingRow { return rows[:1] },
		func(rows []lake.SightingRow) []lake.SightingRow { rows[0].Version = "9.9"; return rows },
	} {
		laketest.Plant(t, in.Lake, lake.SilverSightings, "2022-05-27T05", damage)
		in.Gold()
		if laketest.Users(t, in.Lake, "") == wantGold {
			t.Fatal("the damage does not show")
		}
		run, row, err := in.SilverAgain(hour, telemetry.Options{})
		in.Must(err)
		in.Gold(run)
		if got := laketest.Users(t, in.Lake, ""); !row.Changed || got != wantGold ||
			laketest.DumpHours(t, in.Lake) != want {
			t.Errorf("changed: %v; gold is\n%s\nand not\n%s", row.Changed, got, wantGold)
		}
		checks.Verify(t, in.Lake)
	}

	// Other names of events make other silver from the same bronze.
	catalogue := telemetry.DefaultCatalogue()
	catalogue.Events["FeatureUsed"] = append(catalogue.Events["FeatureUsed"], "Other")
	_, row, err := in.SilverAgain(hour, telemetry.Options{Catalogue: catalogue})
	in.Must(err)
	if !row.Changed || row.Silver != 4 || row.Sightings != 3 {
		t.Errorf("with another catalogue: %+v", row)
	}
}

func TestSilverNeedsBronze(t *testing.T) {
	in := laketest.PlantedWorld(t)
	if _, _, err := in.SilverAgain(laketest.HourAt(t, "2022-05-26T00"), telemetry.Options{}); !errors.Is(err,
		hours.ErrNoBronze) || !strings.Contains(err.Error(), "never ingested") {
		t.Errorf("an hour that was never ingested: %v", err)
	}
	want := laketest.Dump[lake.SightingRow](t, in.Lake, lake.SilverSightings)
	laketest.Plant(t, in.Lake, lake.BronzeEvents, "2022-05-27T05",
		func(rows []lake.EventRow) []lake.EventRow { return rows[1:] })
	if _, _, err := in.SilverAgain(laketest.HourAt(t, "2022-05-27T05"), telemetry.Options{}); !errors.Is(err,
		hours.ErrNoBronze) {
		t.Errorf("an hour that bronze holds in part: %v", err)
	}
	if laketest.Dump[lake.SightingRow](t, in.Lake, lake.SilverSightings) != want {
		t.Error("silver was touched")
	}
}

// TestUsersAgain: rows of gold that are wrong are put right, though silver did not change.
func TestUsersAgain(t *testing.T) {
	in := laketest.PlantedWorld(t)
	want := laketest.Users(t, in.Lake, "")
	hour := laketest.HourAt(t, "2022-05-27T05")
	again := func(again gold.Remake) {
		t.Helper()
		plan, merged := in.MergeScope(gold.Scope{Remake: again})
		in.CommitGold(plan, merged)
	}
	wrong := func(rows []lake.UserRow) []lake.UserRow {
		for i := range rows {
			rows[i].CurrentVersion = "9.9"
		}
		return rows
	}
	laketest.Plant(t, in.Lake, lake.GoldUsers, "", wrong)
	again(gold.Remake{Hours: []gold.HourRange{{From: hour + 2, To: hour + 4}}})
	if laketest.Users(t, in.Lake, "") == want {
		t.Error("hours without a sighting made users anew")
	}
	again(gold.Remake{Hours: []gold.HourRange{{From: hour, To: hour + 1}}})
	if got := laketest.Users(t, in.Lake, ""); got != want {
		t.Errorf("after making the hour's users anew gold is\n%s\nand not\n%s", got, want)
	}
	ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers)
	again(gold.Remake{Hours: []gold.HourRange{{From: hour, To: hour + 1}}})
	if now, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); !slices.Equal(now, ids) {
		t.Error("users that come out the same make a commit")
	}

	// A user whom silver does not know is found only when all of gold is made anew.
	laketest.Plant(t, in.Lake, lake.GoldUsers, "", func(rows []lake.UserRow) []lake.UserRow {
		if len(rows) > 0 && rows[0].UserID == "p1" {
			rows = append([]lake.UserRow{rows[0]}, rows...)
			rows[0].UserID = "p0"
		}
		return rows
	})
	again(gold.Remake{All: true})
	if got := laketest.Users(t, in.Lake, ""); got != want {
		t.Errorf("after making all users anew gold is\n%s\nand not\n%s", got, want)
	}
	checks.Verify(t, in.Lake)
}

func TestEmptyHoursInBulk(t *testing.T) {
	in := laketest.PlantedWorld(t)
	ctx := t.Context()
	from, to := laketest.HourAt(t, "2022-05-25T03"), laketest.HourAt(t, "2022-05-29T05")
	in.Put("27T08/a.tsv")         // its files are gone, and the ledger knows them
	in.Put("27T10/a.tsv", "late") // of a run that was given up half-way, and its files are gone
	in.CommitTables(in.Stage(laketest.HourAt(t, "2022-05-27T10")), lake.BronzeRejects)
	in.Put("27T10/a.tsv")
	rows, err := ledger.Hours(ctx, in.Lake, from, to)
	in.Must(err)
	newest := map[telemetry.Hour]ledger.Hour{}
	for _, row := range rows {
		newest[row.Hour] = row
	}
	var without []telemetry.Hour
	for hour := from; hour < to; hour++ {
		listing, err := in.Source.List(ctx, hour)
		in.Must(err)
		if len(listing.Files) == 0 {
			without = append(without, hour)
		}
	}
	sorted, err := ledger.SortEmpty(ctx, in.Lake, without, newest)
	in.Must(err)
	if want := []telemetry.Hour{laketest.HourAt(t, "2022-05-27T08"),
		laketest.HourAt(t, "2022-05-27T10")}; !slices.Equal(sorted.Occupied, want) {
		t.Errorf("occupied are %v", sorted.Occupied)
	}
	if !slices.Equal(sorted.Known, []telemetry.Hour{laketest.HourAt(t, "2022-05-27T07")}) ||
		len(sorted.Unknown) != int(to-from)-5 {
		t.Errorf("known are %v, unknown %d", sorted.Known, len(sorted.Unknown))
	}

	before, _ := laketest.Snapshots(t, in.Lake, lake.OpsHours)
	started := time.Now().Add(-time.Minute)
	// One of them is ingested meanwhile, with a file that came: its row is the newer one.
	in.Put("28T00/a.tsv", laketest.Sighting("28T00:01", "s1", "2.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-28T00"))
	for range 2 { // the answer to the first was lost
		in.Must(ledger.RecordEmpty(ctx, in.Lake, "bulk", "file:///nowhere", sorted.Unknown, started))
	}
	if after, _ := laketest.Snapshots(t, in.Lake, lake.OpsHours); len(after) != len(before)+2 {
		t.Errorf("%d commits for all hours without files", len(after)-len(before)-1)
	}
	for _, occupied := range sorted.Occupied {
		in.Ingest(occupied)
	}
	rows, err = ledger.Hours(ctx, in.Lake, from, to)
	in.Must(err)
	states := map[string]int{}
	for _, row := range rows {
		states[row.State]++
	}
	if len(rows) != int(to-from) || states[ledger.HourEmpty] != int(to-from)-4 || states[ledger.HourComplete] != 3 ||
		states[ledger.HourDegraded] != 1 {
		t.Errorf("%d rows for %d hours: %v", len(rows), to-from, states)
	}
	checks.Verify(t, in.Lake)
}

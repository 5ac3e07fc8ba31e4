package lake

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// silverAgain makes an hour's silver from its bronze.
func (in *ingester) silverAgain(hour telemetry.Hour, parsing telemetry.Options) (Run, HourRow, error) {
	in.tb.Helper()
	in.runs++
	s := stagedHour{run: Run{Hour: hour, ID: "again" + hour.String() + time.Now().Format("-150405.000000000")}}
	if err := in.try(func() (err error) { s.plan, err = in.lake.StageSilverPlan(in.tb.Context(), s.run, 1); return err }); err != nil {
		return s.run, HourRow{}, err
	}
	if err := in.stageChunks(&s, nil, s.plan.Chunks, parsing); err != nil {
		return s.run, HourRow{}, err
	}
	var row HourRow
	err := in.try(func() (err error) { row, err = in.commitHour(s); return err })
	return s.run, row, err
}

func TestSilverFromBronze(t *testing.T) {
	in := plantedWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	want, wantGold := dumpHours(t, in.lake), users(t, in.lake, "")
	for i := range telemetry.Hour(4) { // one is degraded, one empty, one without a sighting
		before, err := in.lake.Hours(t.Context(), hour+i, hour+i+1)
		in.must(err)
		_, row, err := in.silverAgain(hour+i, telemetry.Options{})
		in.must(err)
		if row.Changed || row.State != before[0].State || row.Lines != before[0].Lines || row.Sightings != before[0].Sightings {
			t.Errorf("silver of an hour that did not change: %+v, was %+v", row, before[0])
		}
	}
	if dumpHours(t, in.lake) != want {
		t.Error("the rows are others")
	}

	// Silver that is wrong is put right, and gold follows.
	for _, damage := range []func([]sightingRow) []sightingRow{
		func(rows []sightingRow) []sightingRow { return rows[:1] },
		func(rows []sightingRow) []sightingRow { rows[0].Version = "9.9"; return rows },
	} {
		plant(t, in.lake, silverSightings, "2022-05-27T05", damage)
		in.gold()
		if users(t, in.lake, "") == wantGold {
			t.Fatal("the damage does not show")
		}
		run, row, err := in.silverAgain(hour, telemetry.Options{})
		in.must(err)
		in.gold(run)
		if got := users(t, in.lake, ""); !row.Changed || got != wantGold || dumpHours(t, in.lake) != want {
			t.Errorf("changed: %v; gold is\n%s\nand not\n%s", row.Changed, got, wantGold)
		}
		checkVerify(t, in.lake)
	}

	// Other names of events make other silver from the same bronze.
	catalogue := telemetry.DefaultCatalogue()
	catalogue.Events["FeatureUsed"] = append(catalogue.Events["FeatureUsed"], "Other")
	_, row, err := in.silverAgain(hour, telemetry.Options{Catalogue: catalogue})
	in.must(err)
	if !row.Changed || row.Silver != 4 || row.Sightings != 3 {
		t.Errorf("with another catalogue: %+v", row)
	}
}

func TestSilverNeedsBronze(t *testing.T) {
	in := plantedWorld(t)
	if _, _, err := in.silverAgain(hourAt(t, "2022-05-26T00"), telemetry.Options{}); !errors.Is(err, ErrNoBronze) || !strings.Contains(err.Error(), "never ingested") {
		t.Errorf("an hour that was never ingested: %v", err)
	}
	want := dump[sightingRow](t, in.lake, silverSightings)
	plant(t, in.lake, bronzeEvents, "2022-05-27T05", func(rows []eventRow) []eventRow { return rows[1:] })
	if _, _, err := in.silverAgain(hourAt(t, "2022-05-27T05"), telemetry.Options{}); !errors.Is(err, ErrNoBronze) {
		t.Errorf("an hour that bronze holds in part: %v", err)
	}
	if dump[sightingRow](t, in.lake, silverSightings) != want {
		t.Error("silver was touched")
	}
}

// TestUsersAgain: rows of gold that are wrong are put right, though silver did not change.
func TestUsersAgain(t *testing.T) {
	in := plantedWorld(t)
	want := users(t, in.lake, "")
	hour := hourAt(t, "2022-05-27T05")
	again := func(again Again) {
		t.Helper()
		plan, merged := in.mergeAgain(again)
		in.commitGold(plan, merged)
	}
	wrong := func(rows []userRow) []userRow {
		for i := range rows {
			rows[i].CurrentVersion = "9.9"
		}
		return rows
	}
	plant(t, in.lake, goldUsers, "", wrong)
	again(Again{Hours: []HourRange{{hour + 2, hour + 4}}})
	if users(t, in.lake, "") == want {
		t.Error("hours without a sighting made users anew")
	}
	again(Again{Hours: []HourRange{{hour, hour + 1}}})
	if got := users(t, in.lake, ""); got != want {
		t.Errorf("after making the hour's users anew gold is\n%s\nand not\n%s", got, want)
	}
	ids, _ := snapshots(t, in.lake, goldUsers)
	again(Again{Hours: []HourRange{{hour, hour + 1}}})
	if now, _ := snapshots(t, in.lake, goldUsers); !slices.Equal(now, ids) {
		t.Error("users that come out the same make a commit")
	}

	// A user whom silver does not know is found only when all of gold is made anew.
	plant(t, in.lake, goldUsers, "", func(rows []userRow) []userRow {
		if len(rows) > 0 && rows[0].UserID == "p1" {
			rows = append([]userRow{rows[0]}, rows...)
			rows[0].UserID = "p0"
		}
		return rows
	})
	again(Again{All: true})
	if got := users(t, in.lake, ""); got != want {
		t.Errorf("after making all users anew gold is\n%s\nand not\n%s", got, want)
	}
	checkVerify(t, in.lake)
}

func TestEmptyHoursInBulk(t *testing.T) {
	in := plantedWorld(t)
	ctx := t.Context()
	from, to := hourAt(t, "2022-05-25T03"), hourAt(t, "2022-05-29T05")
	in.put("27T08/a.tsv")         // its files are gone, and the ledger knows them
	in.put("27T10/a.tsv", "late") // of a run that was given up half-way, and its files are gone
	in.commitTables(in.stage(hourAt(t, "2022-05-27T10")), bronzeRejects)
	in.put("27T10/a.tsv")
	rows, err := in.lake.Hours(ctx, from, to)
	in.must(err)
	newest := map[telemetry.Hour]HourRow{}
	for _, row := range rows {
		newest[row.Hour] = row
	}
	var without []telemetry.Hour
	for hour := from; hour < to; hour++ {
		listing, err := in.source.List(ctx, hour)
		in.must(err)
		if len(listing.Files) == 0 {
			without = append(without, hour)
		}
	}
	sorted, err := in.lake.SortEmpty(ctx, without, newest)
	in.must(err)
	if want := []telemetry.Hour{hourAt(t, "2022-05-27T08"), hourAt(t, "2022-05-27T10")}; !slices.Equal(sorted.Occupied, want) {
		t.Errorf("occupied are %v", sorted.Occupied)
	}
	if !slices.Equal(sorted.Known, []telemetry.Hour{hourAt(t, "2022-05-27T07")}) || len(sorted.Unknown) != int(to-from)-5 {
		t.Errorf("known are %v, unknown %d", sorted.Known, len(sorted.Unknown))
	}

	before, _ := snapshots(t, in.lake, opsHours)
	started := time.Now().Add(-time.Minute)
	// One of them is ingested meanwhile, with a file that came: its row is the newer one.
	in.put("28T00/a.tsv", sighting("28T00:01", "s1", "2.0"))
	in.ingest(hourAt(t, "2022-05-28T00"))
	for range 2 { // the answer to the first was lost
		in.must(in.lake.RecordEmpty(ctx, "bulk", "file:///nowhere", sorted.Unknown, started))
	}
	if after, _ := snapshots(t, in.lake, opsHours); len(after) != len(before)+2 {
		t.Errorf("%d commits for all hours without files", len(after)-len(before)-1)
	}
	for _, occupied := range sorted.Occupied {
		in.ingest(occupied)
	}
	rows, err = in.lake.Hours(ctx, from, to)
	in.must(err)
	states := map[string]int{}
	for _, row := range rows {
		states[row.State]++
	}
	if len(rows) != int(to-from) || states[HourEmpty] != int(to-from)-4 || states[HourComplete] != 3 || states[HourDegraded] != 1 {
		t.Errorf("%d rows for %d hours: %v", len(rows), to-from, states)
	}
	checkVerify(t, in.lake)
}

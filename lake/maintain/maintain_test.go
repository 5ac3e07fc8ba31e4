package maintain_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// TestMaintenanceChangesNoAnswer: all rows stay, hours are rewritten into fewer files, and gold passes over it.
func TestMaintenanceChangesNoAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("maintains many lakes")
	}
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	for n := range 5 {
		in.ManyChunks(fmt.Sprintf("27T%02d", 5+n), 6)
		in.Ingest(hour + telemetry.Hour(n))
	}
	rows, gold, files := laketest.DumpHours(t, in.Lake), laketest.Users(t, in.Lake, ""), liveCount(t, in.Lake)
	snapshotsBefore, tagsBefore := laketest.Snapshots(t, in.Lake, lake.GoldUsers)

	dry := upkeep.Maintain(in, maintain.Upkeep{DryRun: true})
	if n := liveCount(t, in.Lake); n != files {
		t.Fatalf("a dry run left %d of %d files", n, files)
	}
	done := upkeep.Maintain(in, upkeep.Now)
	for i := range dry {
		if done[i].Step == maintain.StepCompact && (dry[i].Before != done[i].Before || dry[i].After != done[i].After) {
			t.Errorf("the dry run said %+v, and it was %+v", dry[i], done[i])
		}
	}
	if n := liveCount(t, in.Lake); n >= files/2 {
		t.Errorf("%d files of %d are left", n, files)
	}
	if laketest.DumpHours(t, in.Lake) != rows || laketest.Users(t, in.Lake, "") != gold {
		t.Error("rows changed")
	}
	// Tags are of their age: they and what they name stay.
	if _, tags := laketest.Snapshots(t, in.Lake, lake.GoldUsers); !slices.Equal(tags, tagsBefore) {
		t.Errorf("tags %v, then %v", tagsBefore, tags)
	}
	checks.Versions(t, in.Lake)

	// A rerun finds its hour as it was, and a late file is only news of its own.
	run, row := in.Silver(hour)
	if row.Changed {
		t.Error("a rerun of unchanged files replaced what was compacted")
	}
	if commit := in.Gold(run); !slices.Equal(commit.Tags, nil) &&
		strings.Contains(strings.Join(commit.Tags, " "), ".2") {
		t.Errorf("and got the tags %v", commit.Tags)
	}
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(ids) > len(snapshotsBefore) {
		t.Errorf("%d snapshots of gold, then %d", len(snapshotsBefore), len(ids))
	}
	in.Put("27T06/late.tsv", laketest.Sighting("27T06:01", "late", "0.1"), laketest.Login("27T06:02", "late", "p0-0"))
	in.Ingest(hour + 1)
	checks.Gold(t, in)
	upkeep.Maintain(in, upkeep.Now)
	upkeep.Maintain(in, upkeep.Now)
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}

// TestExpiryWaitsForGold: whatever the ages, silver's snapshots that gold has not reached stay, and runs stay
// settled when the ledger's snapshots are gone.
func TestExpiryWaitsForGold(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.ManyChunks("27T05", 2)
	in.Ingest(hour)
	var runs []lake.Run
	for n := range 3 {
		in.ManyChunks(fmt.Sprintf("27T%02d", 6+n), 2)
		run, _ := in.Silver(hour + telemetry.Hour(1+n))
		runs = append(runs, run)
	}
	time.Sleep(2 * time.Millisecond) // older than nothing
	upkeep.Maintain(in, upkeep.Now)
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.OpsHours); len(ids) != 1 {
		t.Errorf("%d snapshots of the ledger are left", len(ids))
	}
	plan, merged := in.MergeGold()
	if plan.Rebuild || len(plan.HalfCommitted) > 0 || plan.Changes == 0 {
		t.Errorf("plan %+v", plan)
	}
	commit, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, runs)
	in.Must(err)
	if len(commit.Tags) != 1 || len(commit.Waiting) > 0 {
		t.Errorf("commit %+v", commit)
	}
	checks.Gold(t, in)
	upkeep.Maintain(in, upkeep.Now)
	// that which gold reflects, and manifests written anew
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.SilverSightings); len(ids) > 2 {
		t.Errorf("%d snapshots of sightings are left once gold has them", len(ids))
	}
	checks.Gold(t, in)
	// The head is a compaction now, and gold still knows what it reflects.
	if plan, _ := in.MergeGold(); plan.Rebuild {
		t.Error("gold starts anew after maintenance")
	}
}

// TestCommitHourLongAfter: a commit whose answer was lost is found in the ledger's rows when its snapshot is gone.
func TestCommitHourLongAfter(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.ManyChunks("27T05", 2)
	in.ManyChunks("27T06", 2)
	staged := in.Stage(hour)
	began := time.Now()
	ready := staged.Ready()
	ready.StartedAt = began
	first, err := commit.Hour(t.Context(), in.Lake, ready)
	in.Must(err)
	in.Silver(hour + 1)
	upkeep.Maintain(in, upkeep.Now)
	again, err := commit.Hour(t.Context(), in.Lake, ready)
	in.Must(err)
	if laketest.Marshal(t, again) != laketest.Marshal(t, first) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if rows := laketest.RowsOf[lake.HourRow](t, in.Lake, lake.OpsHours); len(rows) != 2 {
		t.Errorf("%d rows in the ledger of two runs", len(rows))
	}
}

// TestTagsExpire by their own age, and say so.
func TestTagsExpire(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Lake.Config.TagAge = time.Millisecond
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T23/a.tsv", laketest.Sighting("27T23:10", "s1", "1.1"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T23"))
	time.Sleep(5 * time.Millisecond)
	upkeep.Maintain(in, upkeep.Now)
	if _, tags := laketest.Snapshots(t, in.Lake, lake.GoldUsers); !slices.Equal(tags, []string{"hour-2022-05-27T23"}) {
		t.Errorf("tags %v", tags)
	}
	if _, err := gold.FindVersion(t.Context(), in.Lake, "hour-2022-05-27T05"); !errors.Is(err,
		lake.ErrUnknownVersion) ||
		!strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired tag: %v", err)
	}
	// A redone hour does not get it back, as if today's were what was known then.
	if commit := in.Ingest(laketest.HourAt(t, "2022-05-27T05")); len(commit.Tags) > 0 {
		t.Errorf("a rerun that changed nothing has the tags %v", commit.Tags)
	}
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "0.9"))
	if commit := in.Ingest(laketest.HourAt(t, "2022-05-27T05")); !slices.Equal(commit.Tags,
		[]string{"hour-2022-05-27T05.2"}) {
		t.Errorf("a rerun has the tags %v", commit.Tags)
	}
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
}

// TestDroppedHours are gone from bronze and events, stay in sightings, and are refused.
func TestDroppedHours(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	for n := range 3 {
		in.ManyChunks(fmt.Sprintf("27T%02d", 5+n), 1)
		in.Ingest(hour + telemetry.Hour(n))
	}
	staged := in.Stage(hour)
	gold, sightings := laketest.Users(t,
		in.Lake, ""), len(laketest.RowsOf[lake.SightingRow](t, in.Lake, lake.SilverSightings))
	if _, err := maintain.DropBefore(t.Context(), in.Lake, ledger.LayerEvents, hour+1, false); !errors.Is(err,
		lake.ErrConflict) {
		t.Errorf("events were dropped that the daily aggregates have not counted: %v", err)
	}
	upkeep.Daily(in)
	days := laketest.Dump[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily) +
		laketest.Dump[lake.EventDailyRow](t, in.Lake, lake.GoldEventDaily)
	for range 2 {
		for _, layer := range []string{ledger.LayerBronze, ledger.LayerEvents} {
			_, err := maintain.DropBefore(t.Context(), in.Lake, layer, hour+1, false)
			in.Must(err)
		}
	}
	for _, row := range laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents) {
		if row.IngestHourOfDay < 6 {
			t.Fatalf("row %+v is still there", row)
		}
	}
	if n := len(laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents)); n == 0 {
		t.Error("more was dropped")
	}
	if n := len(laketest.RowsOf[lake.RejectRow](t, in.Lake, lake.BronzeRejects)); n != 2 {
		t.Errorf("%d rejects of two hours", n)
	}
	if laketest.Users(t, in.Lake, "") != gold ||
		len(laketest.RowsOf[lake.SightingRow](t, in.Lake, lake.SilverSightings)) != sightings {
		t.Error("gold or what it is made from changed")
	}
	if _, err := in.CommitHour(staged); !errors.Is(err, lake.ErrDropped) {
		t.Errorf("a dropped hour was committed: %v", err)
	}
	if _, err := hours.StagePlan(t.Context(), in.Lake, lake.Run{Hour: hour, ID: "again"},
		hours.Listed{Source: "x"}); !errors.Is(err, lake.ErrDropped) {
		t.Errorf("a dropped hour was planned: %v", err)
	}
	if _, err := maintain.DropBefore(t.Context(), in.Lake, "gold", hour, false); !errors.Is(err, objects.ErrConfig) {
		t.Errorf("dropped gold: %v", err)
	}
	in.Ingest(hour + 1)
	upkeep.Daily(in)
	if laketest.Dump[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily)+
		laketest.Dump[lake.EventDailyRow](t, in.Lake, lake.GoldEventDaily) != days {
		t.Error("the daily aggregates changed")
	}
	upkeep.Maintain(in, upkeep.Now)
	upkeep.Daily(in)
	if laketest.Users(t, in.Lake, "") != gold {
		t.Error("gold changed")
	}
	if checked := checks.Verify(t, in.Lake); len(checked.Notes) != 3 {
		t.Errorf("notes %q", checked.Notes)
	}
	laketest.Plant(t, in.Lake, lake.SilverSightings, hour.String(),
		func(rows []lake.SightingRow) []lake.SightingRow { return rows[1:] })
	if lines, _ := checks.Verified(t, in.Lake); len(lines) == 0 {
		t.Error("verify does not miss a sighting of a dropped hour")
	}
}

// TestDropBesideACommit: an hour that is half committed when it is dropped is finished, without what was dropped.
func TestDropBesideACommit(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.ManyChunks("27T05", 2)
	staged := in.Stage(hour)
	in.CommitTables(staged, lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents, lake.SilverSightings)
	_, err := maintain.DropBefore(t.Context(), in.Lake, ledger.LayerBronze, hour+1, false)
	in.Must(err)
	if plan, _ := in.MergeGold(); len(plan.HalfCommitted) != 1 {
		t.Errorf("plan %+v", plan)
	}
	row, err := in.CommitHour(staged)
	in.Must(err)
	if row.Sightings == 0 || len(laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents)) > 0 {
		t.Errorf("the ledger says %+v", row)
	}
	in.Gold(staged.Run)
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)
}

// TestSweepKeepsWhatIsStaged: a run that staged long ago and commits late finds its files, one that was given up
// does not.
func TestSweepKeepsWhatIsStaged(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.ManyChunks("27T05", 3)
	in.ManyChunks("27T06", 3)
	late, gone := in.Stage(hour), in.Stage(hour+1)
	running := func(folder string) (bool, error) { return strings.HasPrefix(folder, "hour-"+hour.String()+"/"), nil }
	ctx := t.Context()
	for range 2 {
		if _, err := maintain.SweepStaging(ctx, in.Lake, 0, running, false); err != nil {
			t.Fatal(err)
		}
		for _, name := range maintain.TableNames() {
			_, err := maintain.MaintainTable(ctx, in.Lake, name, upkeep.Now, func(string) {})
			in.Must(err)
		}
	}
	if _, err := in.CommitHour(gone); err == nil {
		t.Error("what was given up was committed")
	}
	_, err := in.CommitHour(late)
	in.Must(err)
	in.Gold(late.Run)
	if rows := laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents); len(rows) == 0 {
		t.Error("nothing is there")
	}
	laketest.DumpHours(t, in.Lake)
	// Nothing but the live files is left of the tables.
	in.Must(hours.DropStaging(ctx, in.Lake, late.Run))
	upkeep.Maintain(in, upkeep.Now)
	if live, f := liveCount(t, in.Lake), laketest.FootprintOf(t, in.Lake); f.Data != live {
		t.Errorf("%d data files lie about, %d are live", f.Data, live)
	}
}

// TestGrace: nothing goes before its time, and what was found stays found.
func TestGrace(t *testing.T) {
	in := laketest.NewWorld(t)
	in.ManyChunks("27T05", 5)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	before := laketest.FootprintOf(t, in.Lake)
	for range 2 {
		upkeep.Maintain(in, maintain.Upkeep{Grace: time.Hour})
	}
	if after := laketest.FootprintOf(t, in.Lake); after.Data < before.Data || after.Manifests < before.Manifests {
		t.Errorf("%s, then %s", before, after)
	}
	upkeep.Maintain(in, upkeep.Now)
	if after := laketest.FootprintOf(t, in.Lake); after.Data >= before.Data {
		t.Errorf("%s, then %s", before, after)
	}
}

// TestMaintenanceBesideIngestion lets hours, gold and maintenance run at once, in two processes' worth of handles.
func TestMaintenanceBesideIngestion(t *testing.T) {
	if testing.Short() {
		t.Skip("maintains and ingests for seconds")
	}
	in := laketest.NewWorld(t)
	first := laketest.HourAt(t, "2022-05-27T00")
	const hours = 12
	for n := range hours {
		in.ManyChunks(fmt.Sprintf("27T%02d", n), 5)
	}
	other := in.Reopen()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work errgroup.Group
	work.Go(func() error {
		for ctx.Err() == nil {
			// Every step but for what a file's name needs a moment to be written down: staged is not yet named.
			if _, err := upkeep.All(t.Context(), other.Lake,
				maintain.Upkeep{Grace: time.Minute}); err != nil {
				return err
			}
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		}
		return nil
	})
	for n := range hours {
		ingestBeside(in, first+telemetry.Hour(n))
		if n%4 == 3 {
			ingestBeside(in, first+telemetry.Hour(n/2))
		}
	}
	stop()
	in.Must(work.Wait())
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
	upkeep.Maintain(in, upkeep.Now)
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}

// TestMaintenanceStopped gives maintenance up at any point, again and again: all can be read, and the next one
// finishes.
func TestMaintenanceStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("stops maintenance at every step")
	}
	in := laketest.NewWorld(t)
	first := laketest.HourAt(t, "2022-05-27T00")
	for n := range 4 {
		in.ManyChunks(fmt.Sprintf("27T%02d", n), 5)
		in.Ingest(first + telemetry.Hour(n))
	}
	gold := laketest.Users(t, in.Lake, "")
	for after := time.Millisecond; ; after = after*3/2 + time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := upkeep.All(ctx, in.Lake, upkeep.Now)
		cancel()
		if laketest.Users(t, in.Lake, "") != gold {
			t.Fatal("gold changed")
		}
		checks.Versions(t, in.Lake)
		if err == nil {
			break
		}
	}
	upkeep.Maintain(in, upkeep.Now)
	checks.Gold(t, in)
	if live, f := liveCount(t, in.Lake), laketest.FootprintOf(t, in.Lake); f.Data < live {
		t.Errorf("%d data files, %d are live", f.Data, live)
	}
}

// TestSweepOfAnotherTable: a table that was made again in the folder of another names none of its files, and must not
// remove them.
func TestSweepOfAnotherTable(t *testing.T) {
	in := laketest.NewWorld(t)
	in.ManyChunks("27T05", 2)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Maintain(in, maintain.Upkeep{Grace: time.Hour})
	in.Must(in.Lake.Catalog.DropTable(t.Context(), lake.BronzeEvents.Identifier()))
	in.Must(in.Lake.CreateTable(t.Context(), lake.BronzeEvents))
	if _, err := upkeep.All(t.Context(), in.Lake, upkeep.Now); !errors.Is(err, objects.ErrConfig) ||
		!strings.Contains(err.Error(), "another catalog") {
		t.Errorf("swept: %v", err)
	}
}

// TestCompactionCopiesRows of files that end in the middle of a batch, and of several pages.
func TestCompactionCopiesRows(t *testing.T) {
	in := laketest.NewWorld(t)
	for n := range 6 {
		var lines []string
		for i := range 300 + 500*n {
			at := fmt.Sprintf("27T05:%02d", i%60)
			session := fmt.Sprintf("s%d-%d", n, i)
			lines = append(lines, laketest.Sighting(at, session, fmt.Sprintf("1.%d", i)),
				laketest.Event(at, session, "Click", "Text", strings.Repeat(fmt.Sprint(i), 50)))
		}
		in.Put(fmt.Sprintf("27T05/%d.tsv", n), lines...)
	}
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	rows, files := laketest.DumpHours(t, in.Lake), liveCount(t, in.Lake)
	upkeep.Maintain(in, upkeep.Now)
	if laketest.DumpHours(t, in.Lake) != rows {
		t.Error("rows changed")
	}
	if n := liveCount(t, in.Lake); n >= files {
		t.Errorf("%d files, then %d", files, n)
	}
}

// ingestBeside takes an hour in while others may commit to gold.
func ingestBeside(in *laketest.Ingester, hour telemetry.Hour) {
	in.TB.Helper()
	run, _ := in.Silver(hour)
	in.Must(in.Follow(in.TB.Context(), []lake.Run{run}))
}

package lake

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

	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// now: nothing is kept for its age's sake.
var maintainNow = Upkeep{}

// manyChunks puts an hour of several files, each of them a chunk.
func (in *ingester) manyChunks(at string, files int) {
	in.tb.Helper()
	for n := range files {
		in.put(fmt.Sprintf("%s/%d.tsv", at, n), monthLines(at, n)...)
	}
}

// TestMaintenanceChangesNoAnswer: all rows stay, hours are rewritten into fewer files, and gold passes over it.
func TestMaintenanceChangesNoAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("maintains many lakes")
	}
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	for n := range 5 {
		in.manyChunks(fmt.Sprintf("27T%02d", 5+n), 6)
		in.ingest(hour + telemetry.Hour(n))
	}
	rows, gold, files := dumpHours(t, in.lake), users(t, in.lake, ""), liveCount(t, in.lake)
	snapshotsBefore, tagsBefore := snapshots(t, in.lake, goldUsers)

	dry := in.maintain(Upkeep{DryRun: true})
	if n := liveCount(t, in.lake); n != files {
		t.Fatalf("a dry run left %d of %d files", n, files)
	}
	done := in.maintain(maintainNow)
	for i := range dry {
		if done[i].Step == StepCompact && (dry[i].Before != done[i].Before || dry[i].After != done[i].After) {
			t.Errorf("the dry run said %+v, and it was %+v", dry[i], done[i])
		}
	}
	if n := liveCount(t, in.lake); n >= files/2 {
		t.Errorf("%d files of %d are left", n, files)
	}
	if dumpHours(t, in.lake) != rows || users(t, in.lake, "") != gold {
		t.Error("rows changed")
	}
	// Tags are of their age: they and what they name stay.
	if _, tags := snapshots(t, in.lake, goldUsers); !slices.Equal(tags, tagsBefore) {
		t.Errorf("tags %v, then %v", tagsBefore, tags)
	}
	checkVersions(t, in.lake)

	// A rerun finds its hour as it was, and a late file is only news of its own.
	run, row := in.silver(hour)
	if row.Changed {
		t.Error("a rerun of unchanged files replaced what was compacted")
	}
	if commit := in.gold(run); !slices.Equal(commit.Tags, nil) && strings.Contains(strings.Join(commit.Tags, " "), ".2") {
		t.Errorf("and got the tags %v", commit.Tags)
	}
	if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) > len(snapshotsBefore) {
		t.Errorf("%d snapshots of gold, then %d", len(snapshotsBefore), len(ids))
	}
	in.put("27T06/late.tsv", sighting("27T06:01", "late", "0.1"), login("27T06:02", "late", "p0-0"))
	in.ingest(hour + 1)
	checkGold(t, in)
	in.maintain(maintainNow)
	in.maintain(maintainNow)
	checkGold(t, in)
	checkVersions(t, in.lake)
}

// TestExpiryWaitsForGold: whatever the ages, silver's snapshots that gold has not reached stay, and runs stay settled when
// the ledger's snapshots are gone.
func TestExpiryWaitsForGold(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.manyChunks("27T05", 2)
	in.ingest(hour)
	var runs []Run
	for n := range 3 {
		in.manyChunks(fmt.Sprintf("27T%02d", 6+n), 2)
		run, _ := in.silver(hour + telemetry.Hour(1+n))
		runs = append(runs, run)
	}
	time.Sleep(2 * time.Millisecond) // older than nothing
	in.maintain(maintainNow)
	if ids, _ := snapshots(t, in.lake, opsHours); len(ids) != 1 {
		t.Errorf("%d snapshots of the ledger are left", len(ids))
	}
	plan, merged := in.mergeGold()
	if plan.Rebuild || len(plan.HalfCommitted) > 0 || plan.Changes == 0 {
		t.Errorf("plan %+v", plan)
	}
	commit, err := in.lake.CommitUsers(t.Context(), plan, merged, runs)
	in.must(err)
	if len(commit.Tags) != 3 {
		t.Errorf("commit %+v", commit)
	}
	checkGold(t, in)
	in.maintain(maintainNow)
	if ids, _ := snapshots(t, in.lake, silverSightings); len(ids) > 2 { // that which gold reflects, and manifests written anew
		t.Errorf("%d snapshots of sightings are left once gold has them", len(ids))
	}
	checkGold(t, in)
	// The head is a compaction now, and gold still knows what it reflects.
	if plan, _ := in.mergeGold(); plan.Rebuild {
		t.Error("gold starts anew after maintenance")
	}
}

// TestCommitHourLongAfter: a commit whose answer was lost is found in the ledger's rows when its snapshot is gone.
func TestCommitHourLongAfter(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.manyChunks("27T05", 2)
	in.manyChunks("27T06", 2)
	staged := in.stage(hour)
	began := time.Now()
	first, err := in.lake.CommitHour(t.Context(), staged.run, staged.plan, staged.chunks, staged.silver, began)
	in.must(err)
	in.silver(hour + 1)
	in.maintain(maintainNow)
	again, err := in.lake.CommitHour(t.Context(), staged.run, staged.plan, staged.chunks, staged.silver, began)
	in.must(err)
	if marshal(t, again) != marshal(t, first) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if rows := rowsOf[hourRow](t, in.lake, opsHours); len(rows) != 2 {
		t.Errorf("%d rows in the ledger of two runs", len(rows))
	}
}

// TestTagsExpire by their own age, and say so.
func TestTagsExpire(t *testing.T) {
	in := newWorld(t)
	in.lake.config.TagAge = time.Millisecond
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	in.put("27T23/a.tsv", sighting("27T23:10", "s1", "1.1"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.ingest(hourAt(t, "2022-05-27T23"))
	time.Sleep(5 * time.Millisecond)
	in.maintain(maintainNow)
	if _, tags := snapshots(t, in.lake, goldUsers); !slices.Equal(tags, []string{"hour-2022-05-27T23"}) {
		t.Errorf("tags %v", tags)
	}
	if _, err := in.lake.Version(t.Context(), "hour-2022-05-27T05"); !errors.Is(err, ErrUnknownVersion) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired tag: %v", err)
	}
	// A redone hour does not get it back, as if today's were what was known then.
	if commit := in.ingest(hourAt(t, "2022-05-27T05")); len(commit.Tags) > 0 {
		t.Errorf("a rerun that changed nothing has the tags %v", commit.Tags)
	}
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "0.9"))
	if commit := in.ingest(hourAt(t, "2022-05-27T05")); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05.2"}) {
		t.Errorf("a rerun has the tags %v", commit.Tags)
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
}

// TestDroppedHours are gone from bronze and events, stay in sightings, and are refused.
func TestDroppedHours(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	for n := range 3 {
		in.manyChunks(fmt.Sprintf("27T%02d", 5+n), 1)
		in.ingest(hour + telemetry.Hour(n))
	}
	staged := in.stage(hour)
	gold, sightings := users(t, in.lake, ""), len(rowsOf[sightingRow](t, in.lake, silverSightings))
	if _, err := in.lake.DropBefore(t.Context(), LayerEvents, hour+1, false); !errors.Is(err, ErrConflict) {
		t.Errorf("events were dropped that the daily aggregates have not counted: %v", err)
	}
	in.daily()
	days := dump[versionDailyRow](t, in.lake, goldVersionDaily) + dump[eventDailyRow](t, in.lake, goldEventDaily)
	for range 2 {
		for _, layer := range []string{LayerBronze, LayerEvents} {
			_, err := in.lake.DropBefore(t.Context(), layer, hour+1, false)
			in.must(err)
		}
	}
	for _, row := range rowsOf[eventRow](t, in.lake, bronzeEvents) {
		if row.IngestHourOfDay < 6 {
			t.Fatalf("row %+v is still there", row)
		}
	}
	if n := len(rowsOf[eventRow](t, in.lake, bronzeEvents)); n == 0 {
		t.Error("more was dropped")
	}
	if n := len(rowsOf[rejectRow](t, in.lake, bronzeRejects)); n != 2 {
		t.Errorf("%d rejects of two hours", n)
	}
	if users(t, in.lake, "") != gold || len(rowsOf[sightingRow](t, in.lake, silverSightings)) != sightings {
		t.Error("gold or what it is made from changed")
	}
	if _, err := in.commitHour(staged); !errors.Is(err, ErrDropped) {
		t.Errorf("a dropped hour was committed: %v", err)
	}
	if _, err := in.lake.StagePlan(t.Context(), Run{Hour: hour, ID: "again"}, "x", source.Listing{}, nil); !errors.Is(err, ErrDropped) {
		t.Errorf("a dropped hour was planned: %v", err)
	}
	if _, err := in.lake.DropBefore(t.Context(), "gold", hour, false); !errors.Is(err, ErrConfig) {
		t.Errorf("dropped gold: %v", err)
	}
	in.ingest(hour + 1)
	in.daily()
	if dump[versionDailyRow](t, in.lake, goldVersionDaily)+dump[eventDailyRow](t, in.lake, goldEventDaily) != days {
		t.Error("the daily aggregates changed")
	}
	in.maintain(maintainNow)
	in.daily()
	if users(t, in.lake, "") != gold {
		t.Error("gold changed")
	}
	if checked := checkVerify(t, in.lake); len(checked.Notes) != 3 {
		t.Errorf("notes %q", checked.Notes)
	}
	plant(t, in.lake, silverSightings, hour.String(), func(rows []sightingRow) []sightingRow { return rows[1:] })
	if lines, _ := verified(t, in.lake); len(lines) == 0 {
		t.Error("verify does not miss a sighting of a dropped hour")
	}
}

// TestDropBesideACommit: an hour that is half committed when it is dropped is finished, without what was dropped.
func TestDropBesideACommit(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.manyChunks("27T05", 2)
	staged := in.stage(hour)
	in.commitTables(staged, bronzeEvents, bronzeRejects, silverEvents, silverSightings)
	_, err := in.lake.DropBefore(t.Context(), LayerBronze, hour+1, false)
	in.must(err)
	if plan, _ := in.mergeGold(); len(plan.HalfCommitted) != 1 {
		t.Errorf("plan %+v", plan)
	}
	row, err := in.commitHour(staged)
	in.must(err)
	if row.Sightings == 0 || len(rowsOf[eventRow](t, in.lake, bronzeEvents)) > 0 {
		t.Errorf("the ledger says %+v", row)
	}
	in.gold(staged.run)
	checkGold(t, in)
	checkVerify(t, in.lake)
}

// TestSweepKeepsWhatIsStaged: a run that staged long ago and commits late finds its files, one that was given up does not.
func TestSweepKeepsWhatIsStaged(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.manyChunks("27T05", 3)
	in.manyChunks("27T06", 3)
	late, gone := in.stage(hour), in.stage(hour+1)
	running := func(folder string) (bool, error) { return strings.HasPrefix(folder, "hour-"+hour.String()+"/"), nil }
	ctx := t.Context()
	for range 2 {
		if _, err := in.lake.SweepStaging(ctx, 0, running, false); err != nil {
			t.Fatal(err)
		}
		for _, name := range TableNames() {
			_, err := in.lake.MaintainTable(ctx, name, maintainNow, func(string) {})
			in.must(err)
		}
	}
	if _, err := in.commitHour(gone); err == nil {
		t.Error("what was given up was committed")
	}
	_, err := in.commitHour(late)
	in.must(err)
	in.gold(late.run)
	if rows := rowsOf[eventRow](t, in.lake, bronzeEvents); len(rows) == 0 {
		t.Error("nothing is there")
	}
	dumpHours(t, in.lake)
	// Nothing but the live files is left of the tables.
	in.must(in.lake.DropStaging(ctx, late.run))
	in.maintain(maintainNow)
	if live, f := liveCount(t, in.lake), footprintOf(t, in.lake); f.data != live {
		t.Errorf("%d data files lie about, %d are live", f.data, live)
	}
}

// TestGrace: nothing goes before its time, and what was found stays found.
func TestGrace(t *testing.T) {
	in := newWorld(t)
	in.manyChunks("27T05", 5)
	in.ingest(hourAt(t, "2022-05-27T05"))
	before := footprintOf(t, in.lake)
	for range 2 {
		in.maintain(Upkeep{Grace: time.Hour})
	}
	if after := footprintOf(t, in.lake); after.data < before.data || after.manifests < before.manifests {
		t.Errorf("%s, then %s", before, after)
	}
	in.maintain(maintainNow)
	if after := footprintOf(t, in.lake); after.data >= before.data {
		t.Errorf("%s, then %s", before, after)
	}
}

// TestMaintenanceBesideIngestion lets hours, gold and maintenance run at once, in two processes' worth of handles.
func TestMaintenanceBesideIngestion(t *testing.T) {
	if testing.Short() {
		t.Skip("maintains and ingests for seconds")
	}
	in := newWorld(t)
	first := hourAt(t, "2022-05-27T00")
	const hours = 12
	for n := range hours {
		in.manyChunks(fmt.Sprintf("27T%02d", n), 5)
	}
	other := in.reopen()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work errgroup.Group
	work.Go(func() error {
		for ctx.Err() == nil {
			// Every step but for what a file's name needs a moment to be written down: staged is not yet named.
			if _, err := other.lake.maintainAll(t.Context(), Upkeep{Grace: time.Minute}); err != nil {
				return err
			}
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		}
		return nil
	})
	for n := range hours {
		in.ingestBeside(first + telemetry.Hour(n))
		if n%4 == 3 {
			in.ingestBeside(first + telemetry.Hour(n/2))
		}
	}
	stop()
	in.must(work.Wait())
	checkGold(t, in)
	checkVersions(t, in.lake)
	in.maintain(maintainNow)
	checkGold(t, in)
	checkVersions(t, in.lake)
}

// ingestBeside takes an hour in while others may commit to gold.
func (in *ingester) ingestBeside(hour telemetry.Hour) {
	in.tb.Helper()
	run, _ := in.silver(hour)
	in.must(in.follow(in.tb.Context(), []Run{run}))
}

// TestMaintenanceStopped gives maintenance up at any point, again and again: all can be read, and the next one finishes.
func TestMaintenanceStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("stops maintenance at every step")
	}
	in := newWorld(t)
	first := hourAt(t, "2022-05-27T00")
	for n := range 4 {
		in.manyChunks(fmt.Sprintf("27T%02d", n), 5)
		in.ingest(first + telemetry.Hour(n))
	}
	gold := users(t, in.lake, "")
	for after := time.Millisecond; ; after = after*3/2 + time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := in.lake.maintainAll(ctx, maintainNow)
		cancel()
		if users(t, in.lake, "") != gold {
			t.Fatal("gold changed")
		}
		checkVersions(t, in.lake)
		if err == nil {
			break
		}
	}
	in.maintain(maintainNow)
	checkGold(t, in)
	if live, f := liveCount(t, in.lake), footprintOf(t, in.lake); f.data < live {
		t.Errorf("%d data files, %d are live", f.data, live)
	}
}

// TestSweepOfAnotherCatalogsTables: a second catalog of the same warehouse names none of its files, and must not remove them.
func TestSweepOfAnotherCatalogsTables(t *testing.T) {
	in := newWorld(t)
	in.manyChunks("27T05", 2)
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.maintain(Upkeep{Grace: time.Hour})
	config := in.lake.config
	config.Catalog = "sqlite://" + t.TempDir() + "/other.db"
	other, err := Open(t.Context(), config)
	in.must(err)
	defer other.Close()
	if _, err := other.maintainAll(t.Context(), maintainNow); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "another catalog") {
		t.Errorf("swept: %v", err)
	}
	checkGold(t, in)
}

// TestCompactionCopiesRows of files that end in the middle of a batch, and of several pages.
func TestCompactionCopiesRows(t *testing.T) {
	in := newWorld(t)
	for n := range 6 {
		var lines []string
		for i := range 300 + 500*n {
			at := fmt.Sprintf("27T05:%02d", i%60)
			session := fmt.Sprintf("s%d-%d", n, i)
			lines = append(lines, sighting(at, session, fmt.Sprintf("1.%d", i)), event(at, session, "Click", "Text", strings.Repeat(fmt.Sprint(i), 50)))
		}
		in.put(fmt.Sprintf("27T05/%d.tsv", n), lines...)
	}
	in.ingest(hourAt(t, "2022-05-27T05"))
	rows, files := dumpHours(t, in.lake), liveCount(t, in.lake)
	in.maintain(maintainNow)
	if dumpHours(t, in.lake) != rows {
		t.Error("rows changed")
	}
	if n := liveCount(t, in.lake); n >= files {
		t.Errorf("%d files, then %d", files, n)
	}
}

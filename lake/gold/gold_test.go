package gold_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/telemetry"
)

func TestGoldWaitsForHalfHours(t *testing.T) {
	for _, half := range []lake.TableDefinition{lake.SilverSightings, lake.SilverBindings} {
		t.Run(half.Name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
			in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.1"), laketest.Login("27T06:11", "s1", "p1"))
			in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.2"), laketest.Login("27T07:11", "s1", "p2"))
			hour := laketest.HourAt(t, "2022-05-27T05")
			first, _ := in.Silver(hour)
			staged := in.Stage(hour + 1)
			in.CommitTables(staged, half)
			last, _ := in.Silver(hour + 2)
			runs := []lake.Run{first, staged.Run, last}
			commit := in.Gold(runs...)
			if !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) || !slices.Equal(commit.Waiting, runs[1:]) {
				t.Errorf("commit %+v", commit)
			}
			if got, want := laketest.Show(t, in.Lake), []string{"session:s1 App 1.0 27T05:10.. ×1"}; !slices.Equal(got,
				want) {
				t.Errorf("gold is %q", got)
			}
			// The crash is mended between plan and commit: the hour waits for the next round.
			plan, merged := in.MergeGold()
			if !slices.Equal(plan.HalfCommitted, []string{"2022-05-27T06"}) {
				t.Errorf("half committed: %q", plan.HalfCommitted)
			}
			_, err := in.CommitHour(staged)
			in.Must(err)
			commit, err = gold.CommitUsers(t.Context(), in.Lake, plan, merged, commit.Waiting)
			in.Must(err)
			if len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, runs[1:]) {
				t.Errorf("commit %+v", commit)
			}
			commit = in.Gold(commit.Waiting...)
			if !slices.Equal(commit.Tags, []string{"hour-2022-05-27T07"}) ||
				len(commit.Waiting) != 0 {
				t.Errorf("commit %+v", commit)
			}
			checks.Gold(t, in)
		})
	}
}

// TestRerunWaitsForWhatItFound: a rerun that had nothing to commit, since a dead run left all there was, is not visible
// before the dead run's snapshots are.
func TestRerunWaitsForWhatItFound(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T04/a.tsv", laketest.Sighting("27T04:10", "s1", "0.9"))
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Ingest(hour - 1)
	in.CommitTables(in.Stage(hour), lake.HourTables...)
	plan, merged := in.MergeGold()
	run, row := in.Silver(hour)
	if row.Changed {
		t.Errorf("the rerun says that it changed silver")
	}
	commit, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{run})
	in.Must(err)
	if len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, []lake.Run{run}) {
		t.Errorf("an hour that gold does not show is tagged: %+v", commit)
	}
	// The dead run goes with the one that found what it left, which has no commit of its own.
	if commit = in.GoldUpTo(run); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("commit %+v", commit)
	}
	checks.Gold(t, in)
}

// TestGoldUpToRerunOfHalfAnHour: gold up to a run takes in what a dead run of its hour committed of one table.
func TestGoldUpToRerunOfHalfAnHour(t *testing.T) {
	for _, half := range []lake.TableDefinition{lake.SilverSightings, lake.SilverBindings} {
		t.Run(half.Name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T04/a.tsv", laketest.Sighting("27T04:10", "s1", "0.9"))
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
			hour := laketest.HourAt(t, "2022-05-27T05")
			in.Ingest(hour - 1)
			in.CommitTables(in.Stage(hour), half)
			run, _ := in.Silver(hour)
			commit := in.GoldUpTo(run)
			if !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) || len(commit.Waiting) > 0 {
				t.Errorf("commit %+v", commit)
			}
			checks.Gold(t, in)
		})
	}
}

func TestCommitUsersTwice(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:11", "s1", "p1")) // moves silver, and nobody's row
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:10", "s1", "1.1"))
	for i, tag := range []string{"hour-2022-05-27T05", "hour-2022-05-27T06", "hour-2022-05-27T07",
		"hour-2022-05-27T08"} {
		run, _ := in.Silver(hour + telemetry.Hour(i))
		plan, merged := in.MergeGold()
		first, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{run})
		in.Must(err)
		ids, tags := laketest.Snapshots(t, in.Lake, lake.GoldUsers)
		again, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{run})
		in.Must(err)
		if !slices.Equal(first.Tags, []string{tag}) || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("first %+v, then %+v", first, again)
		}
		if idsNow, tagsNow := laketest.Snapshots(t, in.Lake, lake.GoldUsers); !slices.Equal(idsNow, ids) ||
			!slices.Equal(tagsNow, tags) {
			t.Errorf("%s: snapshots %v and tags %v, then %v and %v", tag, ids, tags, idsNow, tagsNow)
		}
	}
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(ids) != 2 {
		t.Errorf("%d snapshots of gold for two hours that moved a row", len(ids))
	}
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}

func TestGoldConflict(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.1"))
	first, _ := in.Silver(hour)
	plan, merged := in.MergeGold()
	second, _ := in.Silver(hour + 1)
	in.Gold(first, second)
	want := laketest.Users(t, in.Lake, "")
	if _, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{first}); !errors.Is(err,
		lake.ErrConflict) {
		t.Errorf("a plan that was overtaken: %v", err)
	}
	if laketest.Users(t, in.Lake, "") != want {
		t.Error("a lost commit changed gold")
	}
	checks.Gold(t, in)
}

func TestTwoGoldWriters(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	var staged []laketest.StagedHour
	for i := range 4 {
		at := fmt.Sprintf("27T%02d", 5+i)
		in.Put(at+"/a.tsv", laketest.Sighting(at+":10", "s1", fmt.Sprintf("1.%d", i)),
			laketest.Login(at+":11", "s1", fmt.Sprintf("p%d", i%2)), laketest.Sighting(at+":12", "s2", "2.0"))
		staged = append(staged, in.Stage(hour+telemetry.Hour(i)))
	}
	other := in.Reopen()
	var work errgroup.Group
	for half, writer := range []*laketest.Ingester{in, other} {
		work.Go(func() error {
			for _, s := range staged[2*half : 2*half+2] {
				if _, err := writer.CommitHour(s); err != nil {
					return err
				}
				if err := writer.Follow(t.Context(), []lake.Run{s.Run}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	in.Must(work.Wait())
	if _, tags := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(tags) != 4 {
		t.Errorf("tags %v", tags)
	}
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}

// TestGoldFollowsPastCompaction: rewritten files are no news, even where they hold rows that gold has not seen, and the
// hour changes again.
func TestGoldFollowsPastCompaction(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	one, two := laketest.Sighting("27T05:10", "s1", "1.0", "UserId", "p1"), laketest.Sighting("27T05:20", "s2", "1.1",
		"UserId", "p2")
	in.Put("27T04/a.tsv", laketest.Sighting("27T04:10", "s3", "0.9"), laketest.DeviceInfo("27T04:11", "s1", "D"))
	in.Put("27T05/a.tsv", one)
	in.Silver(hour - 1)
	in.Gold(func() lake.Run { run, _ := in.Silver(hour); return run }())
	want, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers)
	laketest.Compact[lake.SightingRow](t, in.Lake, lake.SilverSightings)
	laketest.Compact[lake.BindingRow](t, in.Lake, lake.SilverBindings)
	in.Gold()
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); !slices.Equal(ids, want) {
		t.Errorf("compaction of silver moved gold: %v, then %v", want, ids)
	}
	in.Put("27T05/a.tsv", one, two, laketest.Login("27T05:09", "s4", "p3"), laketest.DeviceInfo("27T05:09", "s2", "E"))
	in.Silver(hour)
	laketest.Compact[lake.SightingRow](t, in.Lake, lake.SilverSightings)
	laketest.Compact[lake.BindingRow](t, in.Lake, lake.SilverBindings)
	// p2 came before the compaction and is still there after it: in one file that came, and in one that went.
	in.Put("27T05/a.tsv", one, two, "", laketest.DeviceInfo("27T05:09", "s2", "E"),
		laketest.Sighting("27T05:30", "s4", "1.2"))
	run, _ := in.Silver(hour)
	if commit := in.Gold(run); len(commit.Waiting) > 0 {
		t.Errorf("commit %+v", commit)
	}
	checks.Gold(t, in)
}

// TestGoldStartsAnew: what another hand did to gold, without saying which silver it reflects, is put right.
func TestGoldStartsAnew(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Sighting("27T05:11", "s2", "1.0"),
		laketest.Sighting("27T05:12", "s3", "1.0"), laketest.Sighting("27T05:13", "s4", "1.0"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s1", "p1"))
	in.Ingest(hour)
	loaded, err := in.Lake.Load(t.Context(), lake.GoldUsers)
	in.Must(err)
	files, err := lake.LiveFiles(t.Context(), loaded)
	in.Must(err)
	in.Must(in.Lake.TryCommit(t.Context(), loaded, &lake.Change{Remove: files[:1]}))
	run, _ := in.Silver(hour + 1)
	plan, merged := in.MergeGold()
	if !plan.Rebuild {
		t.Errorf("plan %+v", plan)
	}
	if _, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{run}); err != nil {
		t.Fatal(err)
	}
	checks.Gold(t, in)
	if plan, _ := in.MergeGold(); plan.Rebuild || len(plan.Groups) > 0 {
		t.Errorf("and once more: %+v", plan)
	}
}

// TestBucketsAreTheTables: the setting counts when the table is made, and never again.
func TestBucketsAreTheTables(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := laketest.NewWorld(t)
	for i := range 12 {
		at := fmt.Sprintf("27T%02d", 5+i)
		in.Put(at+"/a.tsv", laketest.Sighting(at+":10", fmt.Sprintf("s%d", i), "1.0"),
			laketest.Login(at+":11", fmt.Sprintf("s%d", i/2), "p"+at))
	}
	for i, buckets := range []int{4, 1, 0, 100} {
		in.Lake.Config.Buckets = buckets
		other := in.Reopen()
		for h := range 3 {
			other.Ingest(laketest.HourAt(t, fmt.Sprintf("2022-05-27T%02d", 5+3*i+h)))
		}
	}
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}

// TestLongAlikeIDs finds every one of many users whose ids differ only behind what a page's statistics keep.
func TestLongAlikeIDs(t *testing.T) {
	in := laketest.NewWorld(t)
	var lines []string
	for i := range 4000 {
		lines = append(lines, laketest.Sighting("27T05:10", fmt.Sprintf("%s%05d", strings.Repeat("long-", 100), i),
			"1.0"))
	}
	in.Put("27T05/a.tsv", lines...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	now, err := gold.FindVersion(t.Context(), in.Lake, "")
	in.Must(err)
	pages := 0
	loaded, err := in.Lake.Load(t.Context(), lake.GoldUsers)
	in.Must(err)
	files, err := lake.LiveFiles(t.Context(), loaded, table.WithSnapshotID(now.SnapshotID))
	in.Must(err)
	for _, file := range files {
		parsed, closeFile, err := in.Lake.OpenParquet(file)
		in.Must(err)
		for _, group := range parsed.RowGroups() {
			index, err := group.ColumnChunks()[0].ColumnIndex()
			in.Must(err)
			pages += index.NumPages()
		}
		in.Must(closeFile())
	}
	if pages < 2*len(files) {
		t.Fatalf("only %d pages in %d files", pages, len(files))
	}
	for i := 0; i < 4000; i += 37 {
		id := fmt.Sprintf("session:%s%05d", strings.Repeat("long-", 100), i)
		if user, found, err := gold.User(t.Context(), in.Lake, now, id); err != nil || !found || user.ID != id {
			t.Fatalf("%s: %+v, %v, %v", id, user, found, err)
		}
	}
	for _, id := range []string{"", "a", "session:" + strings.Repeat("long-", 100), "zz"} {
		if user, found, err := gold.User(t.Context(), in.Lake, now, id); err != nil || found {
			t.Fatalf("%q: %+v, %v, %v", id, user, found, err)
		}
	}
}

// TestSessionBecomesKnown moves a session's row to its user without a look at all sightings: it happens every hour, to
// every session whose login falls into the next one.
func TestSessionBecomesKnown(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:59", "s1", "1.0"), laketest.Sighting("27T05:10", "s2", "1.0"),
		laketest.Login("27T05:09", "s2", "p1"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:00", "s1", "p1"), laketest.Sighting("27T06:01", "s1", "1.1"))
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Ingest(hour)
	run, _ := in.Silver(hour + 1)
	plan, merged := in.MergeGold()
	for _, each := range merged {
		if each.Late > 0 {
			t.Errorf("%d users are late", each.Late)
		}
	}
	_, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{run})
	in.Must(err)
	checks.Gold(t, in)
	if got := laketest.Show(t, in.Lake); len(got) != 2 {
		t.Errorf("gold is %q", got)
	}
}

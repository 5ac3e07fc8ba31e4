package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

func TestSettledPrefix(t *testing.T) {
	// Logs are written as run names; a capital is a run that the ledger has, "-" is a snapshot of nobody's (compaction).
	entries := func(text string) (log []logEntry) {
		for i, run := range strings.Fields(text) {
			entry := logEntry{snapshot: int64(i + 1)}
			for id := range strings.SplitSeq(strings.Trim(run, "-"), "+") {
				if id != "" {
					entry.runs = append(entry.runs, Run{ID: id})
				}
			}
			log = append(log, entry)
		}
		return log
	}
	for _, c := range []struct {
		sightings, bindings string
		s, b                int
	}{
		{"", "", 0, 0},
		{"A B C", "A B C", 3, 3},
		{"A B C", "C", 3, 1}, // not every run moves both tables
		{"A", "B C D", 1, 3},
		{"a", "", 0, 0},        // half committed
		{"A b C", "A C", 1, 1}, // what comes after a half run waits
		{"A b C", "C A", 0, 0}, // C waits for b, A's bindings for C's, and A's sightings for them
		{"A B C d", "B A d C", 2, 2},
		{"A B", "B x A", 0, 0},
		{"A B C", "A x B", 1, 1},
		{"A B", "x B", 1, 0},
		{"A x", "y A", 0, 0},
		{"P Q R S", "S x P Q R", 0, 0},
		{"A B C D", "D C B A x", 4, 4}, // crossed, but all there
		{"x A B C D", "D C B A", 0, 0},
		{"- A - b", "- - A", 3, 3}, // compaction belongs to no run
		{"- - x", "- y", 2, 1},
		{"A+B C", "A B+C", 2, 2}, // hours that were read together
		{"A+b C", "C", 0, 0},
		{"A B+C D", "D x C", 1, 0},
		{"A+B C+D", "A x D", 1, 1},
	} {
		settled := func(run Run, _ int64) bool { return run.ID == strings.ToUpper(run.ID) }
		cuts := settledPrefix(settled, entries(c.sightings), entries(c.bindings))
		s, b := cuts[0], cuts[1]
		// Whatever the figures, no run may be in by half, and no unsettled one at all.
		in, out := runsOf(entries(c.sightings)[:s]), runsOf(entries(c.sightings)[s:])
		maps.Copy(in, runsOf(entries(c.bindings)[:b]))
		maps.Copy(out, runsOf(entries(c.bindings)[b:]))
		for run := range in {
			if out[run] || !settled(run, 0) {
				t.Errorf("%q, %q: run %s is in by half", c.sightings, c.bindings, run.ID)
			}
		}
		if s != c.s || b != c.b {
			t.Errorf("%q, %q: %d and %d, not %d and %d", c.sightings, c.bindings, s, b, c.s, c.b)
		}
	}
}

// tryCommitTables does so where a step may fail, or come to nothing since a user was forgotten.
func (in *ingester) tryCommitTables(staged []StagedHour, definitions ...tableDefinition) error {
	in.tb.Helper()
	return in.try(func() error {
		c := newHoursCommit(in.lake)
		if _, err := c.begin(in.tb.Context(), staged); err != nil {
			return err
		}
		err := c.gather(in.tb.Context())
		for _, definition := range definitions {
			if err == nil {
				err = c.replace(in.tb.Context(), definition)
			}
		}
		return err
	})
}

// commitTables commits only some tables of a staged hour, as a run that dies does.
func (in *ingester) commitTables(s stagedHour, definitions ...tableDefinition) *hoursCommit {
	in.tb.Helper()
	return in.commitTablesOf([]StagedHour{s.ready()}, definitions...)
}

func (in *ingester) commitTablesOf(staged []StagedHour, definitions ...tableDefinition) *hoursCommit {
	in.tb.Helper()
	c := newHoursCommit(in.lake)
	_, err := c.begin(in.tb.Context(), staged)
	in.must(err)
	in.must(c.gather(in.tb.Context()))
	for _, definition := range definitions {
		in.must(c.replace(in.tb.Context(), definition))
	}
	return c
}

func TestGoldWaitsForHalfHours(t *testing.T) {
	for _, half := range []tableDefinition{silverSightings, silverBindings} {
		t.Run(half.name, func(t *testing.T) {
			in := newWorld(t)
			in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
			in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.1"), login("27T06:11", "s1", "p1"))
			in.put("27T07/a.tsv", sighting("27T07:10", "s1", "1.2"), login("27T07:11", "s1", "p2"))
			hour := hourAt(t, "2022-05-27T05")
			first, _ := in.silver(hour)
			staged := in.stage(hour + 1)
			in.commitTables(staged, half)
			last, _ := in.silver(hour + 2)
			runs := []Run{first, staged.run, last}
			commit := in.gold(runs...)
			if !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) || !slices.Equal(commit.Waiting, runs[1:]) {
				t.Errorf("commit %+v", commit)
			}
			if got, want := show(t, in.lake), []string{"session:s1 App 1.0 27T05:10.. ×1"}; !slices.Equal(got, want) {
				t.Errorf("gold is %q", got)
			}
			// The crash is mended between plan and commit: the hour waits for the next round.
			plan, merged := in.mergeGold()
			if !slices.Equal(plan.HalfCommitted, []string{"2022-05-27T06"}) {
				t.Errorf("half committed: %q", plan.HalfCommitted)
			}
			_, err := in.commitHour(staged)
			in.must(err)
			commit, err = in.lake.CommitUsers(t.Context(), plan, merged, commit.Waiting)
			in.must(err)
			if len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, runs[1:]) {
				t.Errorf("commit %+v", commit)
			}
			commit = in.gold(commit.Waiting...)
			if !slices.Equal(commit.Tags, []string{"hour-2022-05-27T06", "hour-2022-05-27T07"}) || len(commit.Waiting) != 0 {
				t.Errorf("commit %+v", commit)
			}
			checkGold(t, in)
		})
	}
}

// TestRerunWaitsForWhatItFound: a rerun that had nothing to commit, since a dead run left all there was, is not visible
// before the dead run's snapshots are.
func TestRerunWaitsForWhatItFound(t *testing.T) {
	in := newWorld(t)
	in.put("27T04/a.tsv", sighting("27T04:10", "s1", "0.9"))
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1"))
	hour := hourAt(t, "2022-05-27T05")
	in.ingest(hour - 1)
	in.commitTables(in.stage(hour), hourTables...)
	plan, merged := in.mergeGold()
	run, row := in.silver(hour)
	if row.Changed {
		t.Errorf("the rerun says that it changed silver")
	}
	commit, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{run})
	in.must(err)
	if len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, []Run{run}) {
		t.Errorf("an hour that gold does not show is tagged: %+v", commit)
	}
	if commit = in.gold(run); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("commit %+v", commit)
	}
	checkGold(t, in)
}

func TestCommitUsersTwice(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1"))
	in.put("27T06/a.tsv", login("27T06:11", "s1", "p1")) // moves silver, and nobody's row
	in.put("27T08/a.tsv", sighting("27T08:10", "s1", "1.1"))
	for i, tag := range []string{"hour-2022-05-27T05", "hour-2022-05-27T06", "hour-2022-05-27T07", "hour-2022-05-27T08"} {
		run, _ := in.silver(hour + telemetry.Hour(i))
		plan, merged := in.mergeGold()
		first, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{run})
		in.must(err)
		ids, tags := snapshots(t, in.lake, goldUsers)
		again, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{run})
		in.must(err)
		if !slices.Equal(first.Tags, []string{tag}) || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("first %+v, then %+v", first, again)
		}
		if idsNow, tagsNow := snapshots(t, in.lake, goldUsers); !slices.Equal(idsNow, ids) || !slices.Equal(tagsNow, tags) {
			t.Errorf("%s: snapshots %v and tags %v, then %v and %v", tag, ids, tags, idsNow, tagsNow)
		}
	}
	if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) != 2 {
		t.Errorf("%d snapshots of gold for two hours that moved a row", len(ids))
	}
	checkGold(t, in)
	checkVersions(t, in.lake)
}

func TestGoldConflict(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.1"))
	first, _ := in.silver(hour)
	plan, merged := in.mergeGold()
	second, _ := in.silver(hour + 1)
	in.gold(first, second)
	want := users(t, in.lake, "")
	if _, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{first}); !errors.Is(err, ErrConflict) {
		t.Errorf("a plan that was overtaken: %v", err)
	}
	if users(t, in.lake, "") != want {
		t.Error("a lost commit changed gold")
	}
	checkGold(t, in)
}

// follow lets gold follow until it shows the runs, whoever else writes it.
func (in *ingester) follow(ctx context.Context, runs []Run) error {
	for round := 0; len(runs) > 0 && round < 50; round++ {
		in.runs++
		plan, err := in.lake.PlanUsers(ctx, fmt.Sprintf("%s-round%d", runs[0].ID, in.runs), Again{}, func(int64) {})
		if err != nil {
			return err
		}
		var merged []MergedUsers
		late := int64(0)
		for _, group := range plan.Groups {
			each, err := in.lake.MergeUsers(ctx, plan, group, func(int64) {})
			if err != nil {
				return err
			}
			merged, late = append(merged, each), late+each.Late
		}
		if late > 0 {
			each, err := in.lake.RebuildUsers(ctx, plan, merged, func(int64) {})
			if err != nil {
				return err
			}
			merged = append(merged, each)
		}
		commit, err := in.lake.CommitUsers(ctx, plan, merged, runs)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		runs = commit.Waiting
	}
	if len(runs) > 0 {
		return fmt.Errorf("gold never showed %v", runs)
	}
	return nil
}

// reopen is another handle on the same lake, as another process has.
func (in *ingester) reopen() *ingester {
	in.tb.Helper()
	l, err := Open(in.tb.Context(), in.lake.config)
	in.must(err)
	in.tb.Cleanup(func() { l.Close() })
	other := *in
	other.lake, other.runs = l, in.runs+1000
	return &other
}

func TestTwoGoldWriters(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	var staged []stagedHour
	for i := range 4 {
		at := fmt.Sprintf("27T%02d", 5+i)
		in.put(at+"/a.tsv", sighting(at+":10", "s1", fmt.Sprintf("1.%d", i)), login(at+":11", "s1", fmt.Sprintf("p%d", i%2)), sighting(at+":12", "s2", "2.0"))
		staged = append(staged, in.stage(hour+telemetry.Hour(i)))
	}
	other := in.reopen()
	var work errgroup.Group
	for half, writer := range []*ingester{in, other} {
		work.Go(func() error {
			for _, s := range staged[2*half : 2*half+2] {
				if _, err := writer.commitHour(s); err != nil {
					return err
				}
				if err := writer.follow(t.Context(), []Run{s.run}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	in.must(work.Wait())
	if _, tags := snapshots(t, in.lake, goldUsers); len(tags) != 4 {
		t.Errorf("tags %v", tags)
	}
	checkGold(t, in)
	checkVersions(t, in.lake)
}

// compact rewrites the files of a silver table one by one, as maintenance does: other files, the same rows.
func compact[T any](t testing.TB, l *Lake, definition tableDefinition) {
	t.Helper()
	ctx := t.Context()
	loaded, err := l.load(ctx, definition)
	if err != nil {
		t.Fatal(err)
	}
	files, err := liveFiles(ctx, loaded)
	if err != nil {
		t.Fatal(err)
	}
	transaction := loaded.NewTransaction()
	rewrite := transaction.NewRewrite(nil)
	for n, file := range files {
		var rows []T
		if err := scanRows(ctx, l, file, func(batch []T) error { rows = append(rows, batch...); return nil }); err != nil {
			t.Fatal(err)
		}
		writer, err := newDataWriter[T](l, definition, partition{folder: "compacted", values: file.Partition()})
		if err == nil {
			err = writer.write(rows, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		written, err := writer.close(fmt.Sprintf("compacted-%d-%d", loaded.CurrentSnapshot().SnapshotID, n))
		if err != nil {
			t.Fatal(err)
		}
		entry, err := l.entry(*written, definition)
		if err != nil {
			t.Fatal(err)
		}
		rewrite.DeleteFile(file).AddDataFile(entry)
	}
	if err := rewrite.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := transaction.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if after.CurrentSnapshot().Summary.Operation != table.OpReplace {
		t.Fatalf("compaction made a snapshot %v", after.CurrentSnapshot().Summary)
	}
}

// TestGoldFollowsPastCompaction: rewritten files are no news, even where they hold rows that gold has not seen, and the
// hour changes again.
func TestGoldFollowsPastCompaction(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	one, two := sighting("27T05:10", "s1", "1.0", "UserId", "p1"), sighting("27T05:20", "s2", "1.1", "UserId", "p2")
	in.put("27T04/a.tsv", sighting("27T04:10", "s3", "0.9"), deviceInfo("27T04:11", "s1", "D"))
	in.put("27T05/a.tsv", one)
	in.silver(hour - 1)
	in.gold(func() Run { run, _ := in.silver(hour); return run }())
	want, _ := snapshots(t, in.lake, goldUsers)
	compact[sightingRow](t, in.lake, silverSightings)
	compact[bindingRow](t, in.lake, silverBindings)
	in.gold()
	if ids, _ := snapshots(t, in.lake, goldUsers); !slices.Equal(ids, want) {
		t.Errorf("compaction of silver moved gold: %v, then %v", want, ids)
	}
	in.put("27T05/a.tsv", one, two, login("27T05:09", "s4", "p3"), deviceInfo("27T05:09", "s2", "E"))
	in.silver(hour)
	compact[sightingRow](t, in.lake, silverSightings)
	compact[bindingRow](t, in.lake, silverBindings)
	// p2 came before the compaction and is still there after it: in one file that came, and in one that went.
	in.put("27T05/a.tsv", one, two, "", deviceInfo("27T05:09", "s2", "E"), sighting("27T05:30", "s4", "1.2"))
	run, _ := in.silver(hour)
	if commit := in.gold(run); len(commit.Waiting) > 0 {
		t.Errorf("commit %+v", commit)
	}
	checkGold(t, in)
}

// TestGoldStartsAnew: what another hand did to gold, without saying which silver it reflects, is put right.
func TestGoldStartsAnew(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), sighting("27T05:11", "s2", "1.0"), sighting("27T05:12", "s3", "1.0"), sighting("27T05:13", "s4", "1.0"))
	in.put("27T06/a.tsv", login("27T06:10", "s1", "p1"))
	in.ingest(hour)
	loaded, err := in.lake.load(t.Context(), goldUsers)
	in.must(err)
	files, err := liveFiles(t.Context(), loaded)
	in.must(err)
	in.must(in.lake.tryCommit(t.Context(), loaded, &change{remove: files[:1]}))
	run, _ := in.silver(hour + 1)
	plan, merged := in.mergeGold()
	if !plan.Rebuild {
		t.Errorf("plan %+v", plan)
	}
	if _, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{run}); err != nil {
		t.Fatal(err)
	}
	checkGold(t, in)
	if plan, _ := in.mergeGold(); plan.Rebuild || len(plan.Groups) > 0 {
		t.Errorf("and once more: %+v", plan)
	}
}

// TestBucketsAreTheTables: the setting counts when the table is made, and never again.
func TestBucketsAreTheTables(t *testing.T) {
	in := newWorld(t)
	for i := range 12 {
		at := fmt.Sprintf("27T%02d", 5+i)
		in.put(at+"/a.tsv", sighting(at+":10", fmt.Sprintf("s%d", i), "1.0"), login(at+":11", fmt.Sprintf("s%d", i/2), "p"+at))
	}
	for i, buckets := range []int{4, 1, 0, 100} {
		in.lake.config.Buckets = buckets
		other := in.reopen()
		for h := range 3 {
			other.ingest(hourAt(t, fmt.Sprintf("2022-05-27T%02d", 5+3*i+h)))
		}
	}
	checkGold(t, in)
	checkVersions(t, in.lake)
}

// TestLongAlikeIDs finds every one of many users whose ids differ only behind what a page's statistics keep.
func TestLongAlikeIDs(t *testing.T) {
	in := newWorld(t)
	var lines []string
	for i := range 4000 {
		lines = append(lines, sighting("27T05:10", fmt.Sprintf("%s%05d", strings.Repeat("long-", 100), i), "1.0"))
	}
	in.put("27T05/a.tsv", lines...)
	in.ingest(hourAt(t, "2022-05-27T05"))
	now, err := in.lake.Version(t.Context(), "")
	in.must(err)
	pages := 0
	files, _, err := in.lake.userFiles(t.Context(), now, iceberg.AlwaysTrue{})
	in.must(err)
	for _, file := range files {
		parsed, closeFile, err := in.lake.openParquet(file)
		in.must(err)
		for _, group := range parsed.RowGroups() {
			index, err := group.ColumnChunks()[0].ColumnIndex()
			in.must(err)
			pages += index.NumPages()
		}
		in.must(closeFile())
	}
	if pages < 2*len(files) {
		t.Fatalf("only %d pages in %d files", pages, len(files))
	}
	for i := 0; i < 4000; i += 37 {
		id := fmt.Sprintf("session:%s%05d", strings.Repeat("long-", 100), i)
		if user, found, err := in.lake.User(t.Context(), now, id); err != nil || !found || user.ID != id {
			t.Fatalf("%s: %+v, %v, %v", id, user, found, err)
		}
	}
	for _, id := range []string{"", "a", "session:" + strings.Repeat("long-", 100), "zz"} {
		if user, found, err := in.lake.User(t.Context(), now, id); err != nil || found {
			t.Fatalf("%q: %+v, %v, %v", id, user, found, err)
		}
	}
}

// TestSessionBecomesKnown moves a session's row to its user without a look at all sightings: it happens every hour, to
// every session whose login falls into the next one.
func TestSessionBecomesKnown(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv", sighting("27T05:59", "s1", "1.0"), sighting("27T05:10", "s2", "1.0"), login("27T05:09", "s2", "p1"))
	in.put("27T06/a.tsv", login("27T06:00", "s1", "p1"), sighting("27T06:01", "s1", "1.1"))
	hour := hourAt(t, "2022-05-27T05")
	in.ingest(hour)
	run, _ := in.silver(hour + 1)
	plan, merged := in.mergeGold()
	for _, each := range merged {
		if each.Late > 0 {
			t.Errorf("%d users are late", each.Late)
		}
	}
	_, err := in.lake.CommitUsers(t.Context(), plan, merged, []Run{run})
	in.must(err)
	checkGold(t, in)
	if got := show(t, in.lake); len(got) != 2 {
		t.Errorf("gold is %q", got)
	}
}

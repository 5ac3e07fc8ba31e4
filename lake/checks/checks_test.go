package checks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// look runs all checks at a moment of May 2022, such as 27T10:00, and gives what they found by name.
func look(t *testing.T, l *lake.Lake, at string, o checks.Options) map[string]checks.Result {
	t.Helper()
	if o.Now.IsZero() {
		now, err := time.Parse("2006-01-02T15:04", "2022-05-"+at)
		require.NoError(t, err)
		o.Now = now
	}
	found := map[string]checks.Result{}
	for _, r := range checks.Run(t.Context(), l, o) {
		if r.Check == checks.CheckDisk {
			r.State = checks.OK // how full the test's machine is, is its own matter
		}
		require.NotContains(t, found, r.Check)
		require.NotEmpty(t, r.Text)
		found[r.Check] = r
	}
	return found
}

// lines are those of an hour: so many good ones and bad ones.
func lines(hour string, good, bad int) (lines []string) {
	for i := range good {
		lines = append(lines, laketest.Sighting(fmt.Sprintf("%s:%02d", hour, i%60), fmt.Sprintf("s%s-%d", hour, i), "1.0",
			"UserId", fmt.Sprintf("user-%d", i)))
	}
	for range bad {
		lines = append(lines, "no line")
	}
	return lines
}

func (w *world) ingest(hours ...string) {
	for _, hour := range hours {
		w.Ingest(laketest.HourAt(w.TB, "2022-05-"+hour))
	}
}

type world struct{ *laketest.Ingester }

func newWorld(t *testing.T) *world { return &world{laketest.NewWorld(t)} }

// TestHours: what the ledger says of hours, each of them planted, and gone again once it is mended.
func TestHours(t *testing.T) {
	in := newWorld(t)
	for _, hour := range []string{"27T05", "27T06", "27T07"} {
		in.Put(hour+"/a.tsv", lines(hour, 120, 0)...)
		in.ingest(hour)
	}
	all := look(t, in.Lake, "27T08:20", checks.Options{})
	for name, r := range all {
		require.Contains(t, []string{checks.OK, checks.Unknown}, r.State, "%s: %s", name, r.Text)
	}
	require.Len(t, all, len(checks.BuiltIn)-2, "all but workers and rules, which are not of a lake")

	missing := look(t, in.Lake, "27T11:30", checks.Options{})
	require.Equal(t, checks.Warn, missing[checks.CheckLate].State)
	require.Equal(t, []string{"2022-05-27T08", "2022-05-27T09"}, missing[checks.CheckLate].Subjects,
		"the hour that has just ended is not late")
	require.InDelta(t, 2.5, *look(t, in.Lake, "27T11:30", checks.Options{})[checks.CheckLate].Figure, 0.01)
	require.Equal(t, checks.Warn, missing[checks.CheckFreshness].State)
	require.Equal(t, checks.Fail, look(t, in.Lake, "29T11:30", checks.Options{})[checks.CheckFreshness].State)
	require.Equal(t, checks.Fail, look(t, in.Lake, "31T00:00",
		checks.Options{Now: time.Now()})[checks.CheckFreshness].State, "a lake that rests for years")

	in.PutBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
	in.Put("27T07/a.tsv", lines("27T07", 80, 20)...)
	in.ingest("27T06", "27T07")
	bad := look(t, in.Lake, "27T08:20", checks.Options{})
	require.Equal(t, checks.Warn, bad[checks.CheckDegraded].State)
	require.Equal(t, []string{"2022-05-27T06"}, bad[checks.CheckDegraded].Subjects)
	require.Equal(t, checks.Fail, bad[checks.CheckRejects].State)
	require.Equal(t, 0.2, *bad[checks.CheckRejects].Figure)
	require.Equal(t, []string{"2022-05-27T07"}, bad[checks.CheckRejects].Subjects)
	require.Equal(t, checks.Warn, look(t, in.Lake, "27T08:20", checks.Options{Limits: map[string]checks.Limits{
		checks.CheckRejects: {Fail: new(0.3)}}})[checks.CheckRejects].State)
	require.NotContains(t, look(t, in.Lake, "27T08:20", checks.Options{Limits: map[string]checks.Limits{
		checks.CheckRejects: {Off: true}}}), checks.CheckRejects)

	require.NoError(t, os.Remove(in.Path("27T05/a.tsv")))
	in.NoteGone = true
	in.Put("27T05/b.tsv", lines("27T05", 1, 0)...)
	in.ingest("27T05")
	gone := look(t, in.Lake, "27T08:20", checks.Options{})
	require.Equal(t, checks.Warn, gone[checks.CheckGone].State)
	require.Equal(t, []string{"2022-05-27T05"}, gone[checks.CheckGone].Subjects)

	require.NoError(t, os.Remove(in.Path("27T06/b.tsv.gz")))
	in.RemoveGone = true
	in.Put("27T07/a.tsv", lines("27T07", 120, 0)...)
	in.ingest("27T05", "27T06", "27T07")
	for name, r := range look(t, in.Lake, "27T08:20", checks.Options{}) {
		require.Contains(t, []string{checks.OK, checks.Unknown}, r.State, "%s: %s", name, r.Text)
	}
	noIDs(t, bad, gone, missing)
}

// noIDs looks for users and sessions in what was found.
func noIDs(t *testing.T, all ...map[string]checks.Result) {
	t.Helper()
	for _, found := range all {
		for _, r := range found {
			require.NotContains(t, r.Text+strings.Join(r.Subjects, " "), "user-")
			require.NotContains(t, r.Text+strings.Join(r.Subjects, " "), "s27T")
		}
	}
}

// TestUsual: the ledger of five weeks tells what is usual for an hour of a weekday.
func TestUsual(t *testing.T) {
	in := newWorld(t)
	now := laketest.HourAt(t, "2022-05-27T10")
	write := func(weeks telemetry.Hour, state string, lines int64) {
		hour := now - 7*24*weeks - 2
		row := ledger.Hour{Hour: hour, RunID: in.NewRun(), State: state, Source: "x", Lines: lines, Events: lines,
			Files: min(lines, 1), StartedAt: time.Now(), FinishedAt: time.Now()}
		files, err := ledger.WriteDays(t.Context(), in.Lake, lake.OpsHours,
			map[int32][]lake.HourRow{hour.Date(): {row.Stored()}}, lake.AttemptName(row.RunID))
		require.NoError(t, err)
		entries, err := in.Lake.Entries(lake.OpsHours, files)
		require.NoError(t, err)
		loaded, err := in.Lake.Load(t.Context(), lake.OpsHours)
		require.NoError(t, err)
		require.NoError(t, in.Lake.TryCommit(t.Context(), loaded, &lake.Change{Add: entries, Fresh: true}))
	}
	for weeks := telemetry.Hour(4); weeks > 1; weeks-- {
		write(weeks, ledger.HourComplete, 1000)
	}
	write(0, ledger.HourEmpty, 0)
	found := look(t, in.Lake, "27T10:00", checks.Options{})
	require.Equal(t, checks.Fail, found[checks.CheckEmpty].State)
	require.Equal(t, []string{"2022-05-27T08"}, found[checks.CheckEmpty].Subjects)
	require.Equal(t, checks.OK, found[checks.CheckLines].State, "an empty hour is the other check's")
	for lines, state := range map[int64]string{300: checks.Warn, 400: checks.OK, 2900: checks.OK, 3100: checks.Warn} {
		write(0, ledger.HourComplete, lines)
		found := look(t, in.Lake, "27T10:00", checks.Options{})
		require.Equal(t, state, found[checks.CheckLines].State, "%d lines: %s", lines, found[checks.CheckLines].Text)
		require.Equal(t, checks.OK, found[checks.CheckEmpty].State)
	}
	write(1, ledger.HourEmpty, 0)
	write(0, ledger.HourEmpty, 0)
	require.Equal(t, checks.OK, look(t, in.Lake, "27T10:00", checks.Options{})[checks.CheckEmpty].State,
		"it was empty a week ago, too")
}

// TestBehind: gold, gold.events and the daily aggregates wait for silver, or for a run that was given up half-way.
func TestBehind(t *testing.T) {
	in := newWorld(t)
	in.Put("27T05/a.tsv", lines("27T05", 3, 0)...)
	in.ingest("27T05")
	upkeep.Daily(in.Ingester)
	later := func(d time.Duration) map[string]checks.Result {
		return look(t, in.Lake, "", checks.Options{Now: time.Now().Add(d)})
	}
	require.Equal(t, checks.OK, later(200 * time.Minute)[checks.CheckGold].State)
	require.Equal(t, checks.OK, later(200 * time.Minute)[checks.CheckDaily].State)

	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s9", "user-9"))
	in.ingest("27T06") // which changes no row of gold, and makes no commit
	require.Equal(t, checks.OK, later(200 * time.Minute)[checks.CheckGold].State)
	require.Equal(t, checks.Warn, later(200 * time.Minute)[checks.CheckDaily].State)
	upkeep.Daily(in.Ingester)
	require.Equal(t, checks.OK, later(200 * time.Minute)[checks.CheckDaily].State)

	in.Put("27T07/a.tsv", lines("27T07", 3, 0)...)
	run, _ := in.Silver(laketest.HourAt(t, "2022-05-27T07"))
	require.Equal(t, checks.OK, later(20 * time.Minute)[checks.CheckGold].State, "it has half an hour")
	behind := later(40 * time.Minute)[checks.CheckGold]
	require.Equal(t, checks.Warn, behind.State)
	require.Equal(t, []string{"2022-05-27T07"}, behind.Subjects)
	require.Equal(t, checks.Fail, later(200 * time.Minute)[checks.CheckGold].State)
	in.Gold(run)
	require.Equal(t, checks.OK, later(200 * time.Minute)[checks.CheckGold].State)
	upkeep.Daily(in.Ingester)

	require.Equal(t, checks.OK, later(10 * time.Hour)[checks.CheckMaintenance].State)
	require.Equal(t, checks.Warn, later(40 * time.Hour)[checks.CheckMaintenance].State, "it was never done")
}

// TestLake: a warehouse that can't be written to, and one that can't be read.
func TestLake(t *testing.T) {
	in := newWorld(t)
	in.Put("27T05/a.tsv", lines("27T05", 3, 0)...)
	in.ingest("27T05")
	require.Equal(t, checks.OK, look(t, in.Lake, "27T06:10", checks.Options{Probe: true})[checks.CheckLake].State)
	staging := in.Lake.Objects.LocalPath(in.Lake.StagingFolder())
	require.NoError(t, os.RemoveAll(staging))
	require.NoError(t, os.WriteFile(staging, nil, 0o644)) // no folder can be made there
	found := look(t, in.Lake, "27T06:10", checks.Options{Probe: true, Explain: func(error) string { return "the reason" }})
	require.Equal(t, checks.Fail, found[checks.CheckLake].State)
	require.Contains(t, found[checks.CheckLake].Text, "can't be written to: the reason")
	require.Equal(t, checks.OK, found[checks.CheckLate].State)

	root := in.Lake.Objects.LocalPath(in.Lake.Objects.Root)
	require.NoError(t, os.Rename(filepath.Join(root, "ops"), filepath.Join(root, "away")))
	found = look(t, in.Lake, "27T06:10", checks.Options{})
	require.Equal(t, checks.Fail, found[checks.CheckLake].State)
	require.Equal(t, checks.Unknown, found[checks.CheckLate].State)
	require.Equal(t, checks.Unknown, found[checks.CheckGold].State)
}

// TestRemembered: how maintenance and verify ended is kept, and told.
func TestRemembered(t *testing.T) {
	in := newWorld(t)
	in.Put("27T05/a.tsv", lines("27T05", 3, 0)...)
	in.ingest("27T05")
	now := func() map[string]checks.Result { return look(t, in.Lake, "", checks.Options{Now: time.Now()}) }
	require.Contains(t, now()[checks.CheckVerify].Text, "has not been run")
	remember := func(what string, differences int, text string) {
		require.NoError(t, checks.Remember(t.Context(), in.Lake, what,
			checks.Outcome{At: time.Now(), Count: differences, Text: text}))
	}
	remember(checks.CheckVerify, 3, "3 differences")
	remember(checks.CheckMaintenance, 0, "")
	require.Equal(t, checks.Fail, now()[checks.CheckVerify].State)
	require.Equal(t, checks.OK, now()[checks.CheckMaintenance].State)
	remember(checks.CheckMaintenance, 1, "gold.users: no room")
	require.Equal(t, checks.Fail, now()[checks.CheckMaintenance].State)
	require.Contains(t, now()[checks.CheckMaintenance].Text, "gold.users: no room")
	remember(checks.CheckMaintenance, 0, "")
	remember(checks.CheckVerify, 0, "0 differences")
	require.Equal(t, checks.OK, now()[checks.CheckMaintenance].State)
	require.Equal(t, checks.OK, now()[checks.CheckVerify].State)
}

// TestNewThings: a version and a device that had never been seen by so many users.
func TestNewThings(t *testing.T) {
	in := newWorld(t)
	put := func(hour, version, device string, users int) {
		var text []string
		for i := range users {
			text = append(text, laketest.Sighting(hour+":10", fmt.Sprintf("s%s%s%d", hour, version, i), version, "UserId",
				fmt.Sprintf("user-%d", i), "Device", device))
		}
		in.Put(hour+"/"+version+".tsv", text...)
		in.ingest(hour)
	}
	put("12T05", "1.0", "old", 12)
	put("12T06", "1.1", "few", 3)
	put("26T05", "1.1", "few", 9)
	put("26T06", "1.0", "old", 12)
	upkeep.Daily(in.Ingester)
	found := look(t, in.Lake, "26T08:00", checks.Options{})
	require.Equal(t, checks.OK, found[checks.CheckVersions].State, "nine are not enough")
	put("26T07", "2.0", "a, new", 11)
	upkeep.Daily(in.Ingester)
	found = look(t, in.Lake, "26T08:00", checks.Options{})
	require.Equal(t, []string{`App "2.0"`}, found[checks.CheckVersions].Subjects)
	require.Equal(t, float64(11), *found[checks.CheckVersions].Figure)
	require.Equal(t, []string{`App "a,new"`}, found[checks.CheckDevices].Subjects)
	require.Equal(t, checks.OK, look(t, in.Lake, "28T08:00", checks.Options{})[checks.CheckVersions].State,
		"new for two days")
	noIDs(t, found)
}

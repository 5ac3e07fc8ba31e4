package checks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/releases"
)

// planted puts rows of days of May 2022 in place of all daily aggregates.
func (w *world) planted(t *testing.T, rows ...lake.VersionDailyRow) {
	t.Helper()
	laketest.PlantDaily(t, w.Lake, lake.GoldVersionDaily,
		func([]lake.VersionDailyRow) []lake.VersionDailyRow { return rows })
}

// dayOf is a version's day: its users, issues and downgrades to it.
func dayOf(day int, version string, users, issues, downgrades int64) lake.VersionDailyRow {
	return lake.VersionDailyRow{Date: lake.DateOf(time.Date(2022, 5, day, 0, 0, 0, 0, time.UTC).UnixMicro()),
		Service: "App", Version: version, Device: "PC", ActiveUsers: users, VersionUsers: users, ServiceUsers: users,
		Issues: issues, DowngradesIn: downgrades}
}

func days(from, to int, version string, users, issues, downgrades int64) (rows []lake.VersionDailyRow) {
	for day := from; day <= to; day++ {
		rows = append(rows, dayOf(day, version, users, issues, downgrades))
	}
	return rows
}

// TestBusiness plants what each alert of business is about, and takes it away again.
func TestBusiness(t *testing.T) {
	in := newWorld(t)
	in.Put("12T05/a.tsv", lines("12T05", 3, 0)...)
	in.ingest("12T05")
	upkeep.Daily(in.Ingester)
	state := func(check string, o checks.Options, rows ...[]lake.VersionDailyRow) checks.Result {
		t.Helper()
		var all []lake.VersionDailyRow
		for _, each := range rows {
			all = append(all, each...)
		}
		in.planted(t, all...)
		found := look(t, in.Lake, "26T08:00", o)
		noIDs(t, found)
		return found[check]
	}
	set := func(check string, warn float64) checks.Options {
		return checks.Options{Limits: map[string]checks.Limits{check: {Warn: &warn}}}
	}

	old := days(1, 26, "1.0", 100, 1, 1)
	quiet := state(checks.CheckAdoption, checks.Options{}, old, days(25, 26, "2.0", 99, 0, 0))
	require.Equal(t, checks.OK, quiet.State, "99 of 199 are not half")
	found := state(checks.CheckAdoption, checks.Options{}, old, days(25, 25, "2.0", 100, 0, 0))
	require.Equal(t, checks.Warn, found.State)
	require.Equal(t, []string{"App 2.0"}, found.Subjects)
	require.Equal(t, 0.5, *found.Figure)
	require.True(t, found.Event)
	require.Equal(t, checks.OK, state(checks.CheckAdoption, checks.Options{}, old,
		days(26, 26, "2.0", 500, 0, 0)).State, "today is not over")
	require.Equal(t, checks.OK, state(checks.CheckAdoption, checks.Options{}, old,
		days(23, 25, "2.0", 100, 0, 0)).State, "it had come so far before")
	require.Equal(t, checks.Warn, state(checks.CheckAdoption, set(checks.CheckAdoption, 0.1), old,
		days(25, 25, "2.0", 12, 0, 0)).State)

	// 1.0 had 1 of 100 a day in its first three days, and more later on, which does not count.
	before := append(days(1, 3, "1.0", 100, 1, 0), days(4, 25, "1.0", 100, 90, 0)...)
	require.Equal(t, checks.OK, state(checks.CheckIssues, checks.Options{}, before,
		days(23, 25, "2.0", 100, 3, 0)).State, "the intervals overlap")
	found = state(checks.CheckIssues, checks.Options{}, before, days(23, 25, "2.0", 100, 9, 0))
	require.Equal(t, checks.Warn, found.State)
	require.Equal(t, []string{"App 2.0"}, found.Subjects)
	require.Equal(t,
		`App 2.0 has 61.9 to 130.9 issues per 1000 users a day in its first 3 days, "1.0" had 3.4 to 29.4 `+
			"at that age", found.Text)
	require.InDelta(t, 61.9/29.4, *found.Figure, 0.01)
	_, err := releases.Import(t.Context(), in.Lake, []releases.Row{{Service: "App", Version: "1.0", Channel: "stable",
		ReleasedAt: time.Date(2022, 5, 4, 0, 0, 0, 0, time.UTC).UnixMicro()}}, false)
	require.NoError(t, err)
	require.Equal(t, checks.OK, state(checks.CheckIssues, checks.Options{}, before,
		days(23, 25, "2.0", 100, 10, 0)).State, "people said that it was released later, and those days were worse")

	usual := days(1, 23, "1.0", 1000, 0, 2)
	require.Equal(t, checks.OK, state(checks.CheckDowngrades, checks.Options{}, usual,
		days(24, 25, "1.0", 1000, 0, 6)).State)
	found = state(checks.CheckDowngrades, checks.Options{}, usual, days(24, 24, "1.0", 1000, 0, 2),
		days(25, 25, "1.0", 1000, 0, 20))
	require.Equal(t, checks.Warn, found.State, found.Text)
	require.Equal(t, []string{"App 2022-05-25"}, found.Subjects)
	require.Contains(t, found.Text, "20 downgrades of 1000 users")
	require.Equal(t, checks.OK, state(checks.CheckDowngrades, checks.Options{}, usual,
		days(24, 25, "1.0", 1000, 0, 2)).State)
}

// TestSwitchOff: a version is safe to be switched off once as few users as the goal says run it or an older one.
func TestSwitchOff(t *testing.T) {
	in := newWorld(t)
	sight := func(hour, user, version string) string {
		return laketest.Sighting(hour+":10", "s"+hour+user, version, "UserId", "user-"+user)
	}
	var text []string
	for n := range 4 {
		text = append(text, sight("27T05", fmt.Sprint(n), "1.0"))
	}
	text = append(text, sight("27T05", "4", "2.0"), laketest.Sighting("27T05:10", "nobody", "1.0"))
	in.Put("27T05/a.tsv", text...)
	in.ingest("27T05")
	goals := checks.Options{Goals: []checks.Goal{{Service: "App", Version: "1.9", Users: 2},
		{Service: "Other", Version: "1", Users: 0}}}
	found := look(t, in.Lake, "27T08:00", checks.Options{Goals: goals.Goals[:1]})[checks.CheckSwitchOff]
	require.Equal(t, checks.OK, found.State)
	require.Equal(t, "4 active users at or below App 1.9, the goal is 2", found.Text)
	in.Put("27T06/a.tsv", sight("27T06", "0", "2.0"), sight("27T06", "1", "2.0"))
	in.ingest("27T06")
	found = look(t, in.Lake, "27T08:00", goals)[checks.CheckSwitchOff]
	require.Equal(t, checks.Warn, found.State)
	require.Equal(t, []string{"App 1.9", "Other 1"}, found.Subjects)
	require.Contains(t, found.Text, "safe to switch off: App 1.9, Other 1; 2 active users at or below App 1.9")
	in.Put("27T07/a.tsv", sight("27T07", "0", "1.1"))
	in.ingest("27T07")
	found = look(t, in.Lake, "27T08:00", checks.Options{Goals: goals.Goals[:1]})[checks.CheckSwitchOff]
	require.Equal(t, checks.OK, found.State, "one went back")
	require.Equal(t, checks.OK, look(t, in.Lake, "27T08:00", checks.Options{})[checks.CheckSwitchOff].State)
}

package daily_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// showDaily is gold.version_daily as a person would write it down: the counts that are not nought.
func showDaily(t testing.TB, l *lake.Lake) (lines []string) {
	t.Helper()
	for _, row := range laketest.RowsOf[lake.VersionDailyRow](t, l, lake.GoldVersionDaily) {
		line := fmt.Sprintf("%s %s/%s %s:", lake.FormatDate(row.Date)[8:], row.Service, row.Device, row.Version)
		for i, count := range row.Counts() {
			if *count != 0 {
				line += fmt.Sprintf(" %s %d", lake.GoldVersionDaily.Schema().Fields()[4+i].Name, *count)
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func wantDaily(t *testing.T, l *lake.Lake, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	if got := showDaily(t, l); !slices.Equal(got, want) {
		t.Errorf("gold.version_daily is\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	checks.Verify(t, l)
}

func TestDaily(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("26T23/a.tsv",
		laketest.Sighting("26T23:10", "s1", "1.0", "UserId", "p1", "Device", "D1"),
		laketest.Sighting("26T23:10", "s3", "1.0", "UserId", "p1", "Device", "D2"),
		laketest.Sighting("26T23:20", "s4", "1.1"), laketest.Event("26T23:50", "s5", "Crash"),
		laketest.Event("26T23:55", "s1", "SessionEnd", "Duration", "90.5"),
		laketest.Event("26T23:56", "s1", "SessionEnd", "Duration", "long"))
	in.Put("27T00/a.tsv",
		laketest.Sighting("27T00:10", "s1", "1.1", "Device", "D1"),
		laketest.Event("27T00:20", "s1", "Notification", "Status", "Sent", "Device", "D1"),
		laketest.Event("27T00:21", "s1", "Notification", "Status", "sent", "Device", "D1"),
		laketest.Sighting("27T00:30", "s6", "0.9", "UserId", "p1", "Device", "D2"))
	in.Ingest(laketest.HourAt(t, "2022-05-26T23"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T00"))
	upkeep.Daily(in)
	first := []string{
		"26 App/ : active_users 1 anonymous_users 1 version_users 1 service_users 1 sessions 1 issues 1",
		"26 App/ 1.1: active_users 1 anonymous_users 1 version_users 1 service_users 1 sessions 1 " +
			"new_installations 1 anonymous_installations 1",
		"26 App/D1 1.0: active_users 1 version_users 1 service_users 1 sessions 1 sessions_ended 1 " +
			"session_seconds 91 new_installations 1",
		"26 App/D2 1.0: active_users 1 sessions 1 new_installations 1",
		"27 App/D1 1.0: upgrades_out 1",
		"27 App/D1 1.1: active_users 1 version_users 1 sessions 1 notifications_sent 1 notifications_other 1 " +
			"upgrades_in 1",
		"27 App/D2 0.9: active_users 1 version_users 1 service_users 1 sessions 1 downgrades_in 1",
		"27 App/D2 1.0: downgrades_out 1",
	}
	wantDaily(t, in.Lake, first...)
	if commit := upkeep.Daily(in); commit.Dates != 0 {
		t.Errorf("nothing changed, and %d dates are counted", commit.Dates)
	}

	// A binding of the next day tells whose the crash was, and a late sighting undoes what began an installation.
	in.Put("27T01/a.tsv", laketest.Login("27T01:00", "s5", "p5"))
	in.Put("27T02/a.tsv", laketest.Sighting("25T12:00", "s9", "1.1", "UserId", "p1", "Device", "D1"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T01"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T02"))
	upkeep.Daily(in)
	wantDaily(t, in.Lake,
		"25 App/D1 1.1: active_users 1 version_users 1 service_users 1 sessions 1 new_installations 1",
		"26 App/ : active_users 1 version_users 1 service_users 1 sessions 1 issues 1",
		first[1],
		"26 App/D1 1.0: active_users 1 version_users 1 service_users 1 sessions 1 sessions_ended 1 "+
			"session_seconds 91 downgrades_in 1",
		"26 App/D1 1.1: downgrades_out 1",
		first[3],
		"27 App/ : active_users 1 version_users 1 service_users 1 sessions 1",
		first[4], first[5], first[6], first[7])

	// All of it goes again.
	in.RemoveGone = true
	in.Put("27T01/a.tsv")
	in.Put("27T02/a.tsv")
	in.Ingest(laketest.HourAt(t, "2022-05-27T01"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T02"))
	upkeep.Daily(in)
	wantDaily(t, in.Lake, first...)
}

// TestDailyCountsFewDates: what lies around midnight is looked at, and the rest of the days beside is left alone.
func TestDailyCountsFewDates(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T12/a.tsv", laketest.Sighting("27T12:00", "s1", "1.0"))
	in.Put("28T12/a.tsv", laketest.Sighting("28T12:00", "s2", "1.0"))
	in.Put("29T11/a.tsv", laketest.Sighting("29T11:00", "s3", "1.0"))
	in.Put("29T12/a.tsv", laketest.Login("29T10:00", "s2", "p2"))
	for _, step := range []struct {
		hour  string
		dates int
	}{{"27T12", 1}, {"28T12", 1}, {"29T11", 1}, {"29T12", 2}} {
		in.Ingest(laketest.HourAt(t, "2022-05-"+step.hour))
		if commit := upkeep.Daily(in); commit.Dates != step.dates {
			t.Errorf("after %s %d dates are counted, not %d", step.hour, commit.Dates, step.dates)
		}
	}
	checks.Verify(t, in.Lake)
}

func TestDailyWaitsForHalfHours(t *testing.T) {
	for n := 3; n <= 4; n++ { // up to silver.events, and up to silver.sightings
		in := laketest.NewWorld(t)
		in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
		in.Put("28T05/a.tsv", laketest.Sighting("28T05:10", "s2", "1.0"), laketest.Login("28T05:20", "s2", "p2"))
		in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
		staged := in.Stage(laketest.HourAt(t, "2022-05-28T05"))
		in.CommitTables(staged, lake.HourTables[:n]...)
		plan, _ := upkeep.CountDaily(in)
		if plan.Dates != 1 || len(plan.HalfCommitted) != 1 {
			t.Errorf("the plan is %+v", plan)
		}
		upkeep.Daily(in)
		checks.Verify(t, in.Lake)
		if _, err := in.CommitHour(staged); err != nil {
			t.Fatal(err)
		}
		in.Gold(staged.Run)
		upkeep.Daily(in)
		if lines := showDaily(t, in.Lake); len(lines) != 2 {
			t.Errorf("gold.version_daily is %q", lines)
		}
		checks.Verify(t, in.Lake)
	}
}

// TestDailyAfterHalfACommit: a refresh dies between its two tables, and what it counted is undone before the next one.
func TestDailyAfterHalfACommit(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Daily(in)
	want := laketest.DumpAll(t, in.Lake)
	in.Put("27T05/late.tsv", laketest.Event("20T05:10", "s2", "Crash"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	plan, counted := upkeep.CountDaily(in)
	in.Must(upkeep.HalfCommitDaily(in, plan, counted))
	if rows := laketest.RowsOf[lake.EventDailyRow](t, in.Lake, lake.GoldEventDaily); len(rows) != 2 {
		t.Errorf("half a commit: %+v", rows)
	}
	checks.Verify(t, in.Lake)
	in.Put("27T05/late.tsv")
	in.RemoveGone = true
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Daily(in)
	if got := laketest.DumpAll(t, in.Lake); got != want {
		t.Errorf("the tables are\n%s\nnot\n%s", got, want)
	}
	checks.Verify(t, in.Lake)
}

// TestFrozenDates drops events, as retention does: their counts stay, and moves stay right.
func TestFrozenDates(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("26T05/a.tsv", laketest.Sighting("26T05:10", "s1", "1.0", "UserId", "p1"),
		laketest.Event("26T05:20", "s1", "Crash"))
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.1", "UserId", "p1"))
	in.Ingest(laketest.HourAt(t, "2022-05-26T05"))
	upkeep.Daily(in)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	before := laketest.HourAt(t, "2022-05-27T00").Date()
	if err := daily.FreezeDates(t.Context(), in.Lake, before); !errors.Is(err, lake.ErrConflict) {
		t.Errorf("frozen while events are not counted: %v", err)
	}
	upkeep.Daily(in)
	in.Must(daily.FreezeDates(t.Context(), in.Lake, before))
	in.Must(daily.FreezeDates(t.Context(), in.Lake, before-10))
	in.Must(in.Lake.Commit(t.Context(), lake.SilverEvents, func(loaded *table.Table) (*lake.Change, error) {
		files, err := in.Lake.HourFiles(t.Context(), loaded, laketest.HourAt(t, "2022-05-26T05"))
		return &lake.Change{Remove: files, Summary: iceberg.Properties{}}, err
	}))
	upkeep.Daily(in)
	same := []string{
		"26 App/ 1.0: active_users 1 version_users 1 service_users 1 sessions 1 issues 1 new_installations 1",
		"27 App/ 1.0: upgrades_out 1", "27 App/ 1.1: active_users 1 version_users 1 service_users 1 sessions 1 " +
			"upgrades_in 1"}
	if got := showDaily(t, in.Lake); !slices.Equal(got, same) {
		t.Errorf("after the drop: %q", got)
	}
	// A late hour of a frozen date: who was active is not counted any more, what was installed is.
	in.Put("27T06/a.tsv", laketest.Sighting("26T04:00", "s7", "1.1", "UserId", "p1"),
		laketest.Event("26T04:10", "s7", "Crash"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	upkeep.Daily(in)
	late := []string{"26 App/ 1.0: active_users 1 version_users 1 service_users 1 sessions 1 issues 1 downgrades_in 1",
		"26 App/ 1.1: new_installations 1 downgrades_out 1", same[1], same[2]}
	if got := showDaily(t, in.Lake); !slices.Equal(got, late) {
		t.Errorf("after a late hour: %q", got)
	}
}

// TestDailyOfManyKeys: names come from clients, and may be another one in each event. They are summed in pieces.
func TestDailyOfManyKeys(t *testing.T) {
	in := laketest.NewWorld(t)
	const events = 80_000
	random := rand.New(rand.NewPCG(5, 5))
	lines := []string{laketest.Sighting("27T05:01", "s0", "1.0", "UserId", "p1")}
	for n := range events {
		name := fmt.Sprintf("%016x", random.Uint64())
		if n%4 == 0 {
			name = "one that all use"
		}
		lines = append(lines, laketest.Event("27T05:10", fmt.Sprintf("s%d", n/10), "FeatureUsed", "Feature", name))
	}
	in.Put("27T05/a.tsv", lines...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	plan, counted := upkeep.CountDaily(in)
	if _, err := daily.CommitDaily(t.Context(), in.Lake, plan, counted); err != nil {
		t.Fatal(err)
	}
	rows := laketest.RowsOf[lake.EventDailyRow](t, in.Lake, lake.GoldEventDaily)
	if len(rows) < events*3/4 {
		t.Errorf("%d rows", len(rows))
	}
	checks.Verify(t, in.Lake)
}

// TestDailyOfSummaries: what files count is kept and read again, and is made again where it is lost.
func TestDailyOfSummaries(t *testing.T) {
	defer daily.SummarizeAll()()
	in := laketest.NewWorld(t)
	folder := in.Lake.Objects.LocalPath(in.Lake.StagingFolder()) + "/daily-keys1/p_ingest_date_utc=2022-05-27"
	kept := func(want int) {
		t.Helper()
		if found, _ := filepath.Glob(folder + "/*.json"); len(found) != want {
			t.Errorf("%d summaries, not %d", len(found), want)
		}
	}
	add := func(hour int, lines ...string) {
		t.Helper()
		in.Put(fmt.Sprintf("27T%02d/a.tsv", hour), lines...)
		in.Ingest(laketest.HourAt(t, fmt.Sprintf("2022-05-27T%02d", hour)))
		upkeep.Daily(in)
		checks.Verify(t, in.Lake)
	}
	for hour := range 4 {
		var lines []string
		for n := range 40 {
			session := fmt.Sprintf("s%d", n*(1+hour%2)) // some go on in the next hour
			at := fmt.Sprintf("27T%02d:%02d", hour, n)
			lines = append(lines, laketest.Sighting(at, session, fmt.Sprintf("1.%d", hour/2)),
				laketest.Event(at, session, "FeatureUsed", "Feature", fmt.Sprintf("f%d", n%7)))
			if n%3 > 0 {
				lines = append(lines, laketest.Login(at, session, fmt.Sprintf("p%d", n%11)))
			}
		}
		add(hour, lines...)
		kept(hour + 1)
	}
	// A late binding gives events of other files to another user: these have other names, and summaries of their own.
	add(4, laketest.Login("27T03:00", "s3", "p99"), laketest.Event("27T00:00", "s5", "Crash"))
	kept(5)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	add(5, laketest.Sighting("27T05:00", "s3", "2.0"))
	kept(6)
	in.RemoveGone = true
	add(2)
	kept(5)
}

func TestVerifyCatchesWrongDays(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a lake for each fault")
	}
	for _, test := range []struct {
		name  string
		plant func(t *testing.T, l *lake.Lake)
		want  string
	}{
		{"an altered count", func(t *testing.T, l *lake.Lake) {
			laketest.PlantDaily(t, l, lake.GoldVersionDaily,
				func(rows []lake.VersionDailyRow) []lake.VersionDailyRow { rows[0].ServiceUsers++; return rows })
		}, `^1 gold.version_daily .*service_users is 2 and should be 1`},
		{"an altered move", func(t *testing.T, l *lake.Lake) {
			laketest.PlantDaily(t, l, lake.GoldVersionDaily,
				func(rows []lake.VersionDailyRow) []lake.VersionDailyRow {
					rows[len(rows)-1].UpgradesIn--
					return rows
				})
		}, `^1 gold.version_daily .*upgrades_in is 0 and should be 1`},
		{"a doubled row", func(t *testing.T, l *lake.Lake) {
			laketest.PlantDaily(t, l, lake.GoldVersionDaily,
				func(rows []lake.VersionDailyRow) []lake.VersionDailyRow { return append(rows, rows[0]) })
		}, `^1 gold.version_daily .*has two rows`},
		{"a row that is gone", func(t *testing.T, l *lake.Lake) {
			laketest.PlantDaily(t, l, lake.GoldEventDaily,
				func(rows []lake.EventDailyRow) []lake.EventDailyRow { return rows[1:] })
		}, `^1 gold.event_daily .*should be there`},
		{"a row too many", func(t *testing.T, l *lake.Lake) {
			laketest.PlantDaily(t, l, lake.GoldEventDaily,
				func(rows []lake.EventDailyRow) []lake.EventDailyRow { rows[0].Name = "x"; return rows })
		}, `^1 gold.event_daily .*should not be`},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := laketest.PlantedWorld(t)
			upkeep.Daily(in)
			checks.Verify(t, in.Lake)
			test.plant(t, in.Lake)
			if lines, _ := checks.Verified(t, in.Lake); !slices.ContainsFunc(lines,
				regexp.MustCompile(test.want).MatchString) {
				t.Errorf("verify says %q", lines)
			}
		})
	}
}

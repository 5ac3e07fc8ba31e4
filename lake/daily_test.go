package lake

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// countDaily takes a refresh of the daily aggregates as far as its commit.
func (in *ingester) countDaily() (DailyPlan, []CountedDates) {
	in.tb.Helper()
	ctx := in.tb.Context()
	var plan DailyPlan
	in.do(func() (err error) {
		in.runs++ // a refresh is one attempt
		plan, err = in.lake.PlanDaily(ctx, fmt.Sprintf("daily%05d-%d", in.runs, time.Now().UnixNano()), func(int64) {})
		return err
	})
	var counted []CountedDates
	for _, group := range plan.Groups {
		in.do(func() error {
			each, err := in.lake.CountDates(ctx, plan, group, func(int64) {})
			if err == nil {
				counted = append(counted, each)
			}
			return err
		})
	}
	return plan, counted
}

// daily refreshes the daily aggregates.
func (in *ingester) daily() DailyCommit {
	in.tb.Helper()
	plan, counted := in.countDaily()
	var commit DailyCommit
	in.do(func() (err error) { commit, err = in.lake.CommitDaily(in.tb.Context(), plan, counted); return err })
	in.do(func() error { return in.lake.DropDaily(in.tb.Context(), plan) })
	return commit
}

// anyDaily refreshes them, or dies between the commits of the two tables, or is overtaken.
func (in *ingester) anyDaily(r *rand.Rand) {
	in.tb.Helper()
	switch r.IntN(4) {
	case 0:
		plan, counted := in.countDaily()
		in.must(in.halfCommitDaily(plan, counted))
	case 1:
		plan, counted := in.countDaily()
		in.daily()
		if _, err := in.lake.CommitDaily(in.tb.Context(), plan, counted); err != nil && !errors.Is(err, ErrConflict) {
			in.tb.Errorf("a refresh that was overtaken: %v", err)
		}
	default:
		in.daily()
	}
}

// halfCommitDaily commits the first table only.
func (in *ingester) halfCommitDaily(plan DailyPlan, counted []CountedDates) error {
	staged, added, err := in.lake.stagedDaily(plan, counted)
	in.must(err)
	return in.lake.commitDaily(in.tb.Context(), dailyTables[0], staged, added[dailyTables[0].name])
}

// showDaily is gold.version_daily as a person would write it down: the counts that are not nought.
func showDaily(t testing.TB, l *Lake) (lines []string) {
	t.Helper()
	for _, row := range rowsOf[versionDailyRow](t, l, goldVersionDaily) {
		line := fmt.Sprintf("%s %s/%s %s:", formatDate(row.Date)[8:], row.Service, row.Device, row.Version)
		for i, count := range row.counts() {
			if *count != 0 {
				line += fmt.Sprintf(" %s %d", goldVersionDaily.schema().Fields()[4+i].Name, *count)
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func wantDaily(t *testing.T, l *Lake, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	if got := showDaily(t, l); !slices.Equal(got, want) {
		t.Errorf("gold.version_daily is\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	checkVerify(t, l)
}

func TestDaily(t *testing.T) {
	in := newWorld(t)
	in.put("26T23/a.tsv",
		sighting("26T23:10", "s1", "1.0", "UserId", "p1", "Device", "D1"), sighting("26T23:10", "s3", "1.0", "UserId", "p1", "Device", "D2"),
		sighting("26T23:20", "s4", "1.1"), event("26T23:50", "s5", "Crash"),
		event("26T23:55", "s1", "SessionEnd", "Duration", "90.5"), event("26T23:56", "s1", "SessionEnd", "Duration", "long"))
	in.put("27T00/a.tsv",
		sighting("27T00:10", "s1", "1.1", "Device", "D1"), event("27T00:20", "s1", "Notification", "Status", "Sent", "Device", "D1"),
		event("27T00:21", "s1", "Notification", "Status", "sent", "Device", "D1"), sighting("27T00:30", "s6", "0.9", "UserId", "p1", "Device", "D2"))
	in.ingest(hourAt(t, "2022-05-26T23"))
	in.ingest(hourAt(t, "2022-05-27T00"))
	in.daily()
	first := []string{
		"26 App/ : active_users 1 anonymous_users 1 version_users 1 service_users 1 sessions 1 issues 1",
		"26 App/ 1.1: active_users 1 anonymous_users 1 version_users 1 service_users 1 sessions 1 new_installations 1 anonymous_installations 1",
		"26 App/D1 1.0: active_users 1 version_users 1 service_users 1 sessions 1 sessions_ended 1 session_seconds 91 new_installations 1",
		"26 App/D2 1.0: active_users 1 sessions 1 new_installations 1",
		"27 App/D1 1.0: upgrades_out 1",
		"27 App/D1 1.1: active_users 1 version_users 1 sessions 1 notifications_sent 1 notifications_other 1 upgrades_in 1",
		"27 App/D2 0.9: active_users 1 version_users 1 service_users 1 sessions 1 downgrades_in 1",
		"27 App/D2 1.0: downgrades_out 1",
	}
	wantDaily(t, in.lake, first...)
	if commit := in.daily(); commit.Dates != 0 {
		t.Errorf("nothing changed, and %d dates are counted", commit.Dates)
	}

	// A binding of the next day tells whose the crash was, and a late sighting undoes what began an installation.
	in.put("27T01/a.tsv", login("27T01:00", "s5", "p5"))
	in.put("27T02/a.tsv", sighting("25T12:00", "s9", "1.1", "UserId", "p1", "Device", "D1"))
	in.ingest(hourAt(t, "2022-05-27T01"))
	in.ingest(hourAt(t, "2022-05-27T02"))
	in.daily()
	wantDaily(t, in.lake,
		"25 App/D1 1.1: active_users 1 version_users 1 service_users 1 sessions 1 new_installations 1",
		"26 App/ : active_users 1 version_users 1 service_users 1 sessions 1 issues 1",
		first[1],
		"26 App/D1 1.0: active_users 1 version_users 1 service_users 1 sessions 1 sessions_ended 1 session_seconds 91 downgrades_in 1",
		"26 App/D1 1.1: downgrades_out 1",
		first[3],
		"27 App/ : active_users 1 version_users 1 service_users 1 sessions 1",
		first[4], first[5], first[6], first[7])

	// All of it goes again.
	in.removeGone = true
	in.put("27T01/a.tsv")
	in.put("27T02/a.tsv")
	in.ingest(hourAt(t, "2022-05-27T01"))
	in.ingest(hourAt(t, "2022-05-27T02"))
	in.daily()
	wantDaily(t, in.lake, first...)
}

// TestDailyCountsFewDates: what lies around midnight is looked at, and the rest of the days beside is left alone.
func TestDailyCountsFewDates(t *testing.T) {
	in := newWorld(t)
	in.put("27T12/a.tsv", sighting("27T12:00", "s1", "1.0"))
	in.put("28T12/a.tsv", sighting("28T12:00", "s2", "1.0"))
	in.put("29T11/a.tsv", sighting("29T11:00", "s3", "1.0"))
	in.put("29T12/a.tsv", login("29T10:00", "s2", "p2"))
	for _, step := range []struct {
		hour  string
		dates int
	}{{"27T12", 1}, {"28T12", 1}, {"29T11", 1}, {"29T12", 2}} {
		in.ingest(hourAt(t, "2022-05-"+step.hour))
		if commit := in.daily(); commit.Dates != step.dates {
			t.Errorf("after %s %d dates are counted, not %d", step.hour, commit.Dates, step.dates)
		}
	}
	checkVerify(t, in.lake)
}

func TestDailyWaitsForHalfHours(t *testing.T) {
	for n := 3; n <= 4; n++ { // up to silver.events, and up to silver.sightings
		in := newWorld(t)
		in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
		in.put("28T05/a.tsv", sighting("28T05:10", "s2", "1.0"), login("28T05:20", "s2", "p2"))
		in.ingest(hourAt(t, "2022-05-27T05"))
		staged := in.stage(hourAt(t, "2022-05-28T05"))
		in.commitTables(staged, hourTables[:n]...)
		plan, _ := in.countDaily()
		if plan.Dates != 1 || len(plan.HalfCommitted) != 1 {
			t.Errorf("the plan is %+v", plan)
		}
		in.daily()
		checkVerify(t, in.lake)
		if _, err := in.commitHour(staged); err != nil {
			t.Fatal(err)
		}
		in.gold(staged.run)
		in.daily()
		if lines := showDaily(t, in.lake); len(lines) != 2 {
			t.Errorf("gold.version_daily is %q", lines)
		}
		checkVerify(t, in.lake)
	}
}

// TestDailyAfterHalfACommit: a refresh dies between its two tables, and what it counted is undone before the next one.
func TestDailyAfterHalfACommit(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.daily()
	want := dumpAll(t, in.lake)
	in.put("27T05/late.tsv", event("20T05:10", "s2", "Crash"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.must(in.halfCommitDaily(in.countDaily()))
	if rows := rowsOf[eventDailyRow](t, in.lake, goldEventDaily); len(rows) != 2 {
		t.Errorf("half a commit: %+v", rows)
	}
	checkVerify(t, in.lake)
	in.put("27T05/late.tsv")
	in.removeGone = true
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.daily()
	if got := dumpAll(t, in.lake); got != want {
		t.Errorf("the tables are\n%s\nnot\n%s", got, want)
	}
	checkVerify(t, in.lake)
}

// TestFrozenDates drops events, as retention does: their counts stay, and moves stay right.
func TestFrozenDates(t *testing.T) {
	in := newWorld(t)
	in.put("26T05/a.tsv", sighting("26T05:10", "s1", "1.0", "UserId", "p1"), event("26T05:20", "s1", "Crash"))
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.1", "UserId", "p1"))
	in.ingest(hourAt(t, "2022-05-26T05"))
	in.daily()
	in.ingest(hourAt(t, "2022-05-27T05"))
	before := hourAt(t, "2022-05-27T00").Date()
	if err := in.lake.FreezeDates(t.Context(), before); !errors.Is(err, ErrConflict) {
		t.Errorf("frozen while events are not counted: %v", err)
	}
	in.daily()
	in.must(in.lake.FreezeDates(t.Context(), before))
	in.must(in.lake.FreezeDates(t.Context(), before-10))
	in.must(in.lake.commit(t.Context(), silverEvents, func(loaded *table.Table) (*change, error) {
		files, err := in.lake.hourFiles(t.Context(), loaded, hourAt(t, "2022-05-26T05"))
		return &change{remove: files, summary: iceberg.Properties{}}, err
	}))
	in.daily()
	same := []string{"26 App/ 1.0: active_users 1 version_users 1 service_users 1 sessions 1 issues 1 new_installations 1",
		"27 App/ 1.0: upgrades_out 1", "27 App/ 1.1: active_users 1 version_users 1 service_users 1 sessions 1 upgrades_in 1"}
	if got := showDaily(t, in.lake); !slices.Equal(got, same) {
		t.Errorf("after the drop: %q", got)
	}
	// A late hour of a frozen date: who was active is not counted any more, what was installed is.
	in.put("27T06/a.tsv", sighting("26T04:00", "s7", "1.1", "UserId", "p1"), event("26T04:10", "s7", "Crash"))
	in.ingest(hourAt(t, "2022-05-27T06"))
	in.daily()
	late := []string{"26 App/ 1.0: active_users 1 version_users 1 service_users 1 sessions 1 issues 1 downgrades_in 1",
		"26 App/ 1.1: new_installations 1 downgrades_out 1", same[1], same[2]}
	if got := showDaily(t, in.lake); !slices.Equal(got, late) {
		t.Errorf("after a late hour: %q", got)
	}
}

// TestDailyOfManyKeys: names come from clients, and may be another one in each event. They are summed in pieces.
func TestDailyOfManyKeys(t *testing.T) {
	in := newWorld(t)
	const events = 80_000
	random := rand.New(rand.NewPCG(5, 5))
	lines := []string{sighting("27T05:01", "s0", "1.0", "UserId", "p1")}
	for n := range events {
		name := fmt.Sprintf("%016x", random.Uint64())
		if n%4 == 0 {
			name = "one that all use"
		}
		lines = append(lines, event("27T05:10", fmt.Sprintf("s%d", n/10), "FeatureUsed", "Feature", name))
	}
	in.put("27T05/a.tsv", lines...)
	in.ingest(hourAt(t, "2022-05-27T05"))
	plan, counted := in.countDaily()
	if _, err := in.lake.CommitDaily(t.Context(), plan, counted); err != nil {
		t.Fatal(err)
	}
	rows := rowsOf[eventDailyRow](t, in.lake, goldEventDaily)
	if len(rows) < events*3/4 {
		t.Errorf("%d rows", len(rows))
	}
	checkVerify(t, in.lake)
}

// checkInstalledBase holds the sum of all moves up to the end of each date against the intervals in effect then.
func checkInstalledBase(t testing.TB, l *Lake) {
	t.Helper()
	type key struct{ service, version, device string }
	at := map[int32]map[key]int64{}
	for _, row := range rowsOf[versionDailyRow](t, l, goldVersionDaily) {
		if at[row.Date] == nil {
			at[row.Date] = map[key]int64{}
		}
		at[row.Date][key{row.Service, row.Version, row.Device}] = row.NewInstallations + row.UpgradesIn + row.DowngradesIn - row.UpgradesOut - row.DowngradesOut
	}
	users := rowsOf[userRow](t, l, goldUsers)
	base := map[key]int64{}
	for _, date := range slices.Sorted(maps.Keys(at)) {
		for key, n := range at[date] {
			base[key] += n
		}
		end := int64(date+1) * microsPerDay
		want := map[key]int64{}
		for _, user := range users {
			for _, i := range user.History {
				if i.ValidFrom < end && (i.ValidTo == nil || *i.ValidTo >= end) {
					want[key{i.Service, i.Version, i.Device}]++
				}
			}
		}
		for key, n := range base {
			if n != want[key] {
				t.Errorf("at the end of %s, %v is installed %d times, and by gold.version_daily %d", formatDate(date), key, want[key], n)
			}
			delete(want, key)
		}
		for key, n := range want {
			t.Errorf("at the end of %s, %v is installed %d times, and not by gold.version_daily", formatDate(date), key, n)
		}
	}
}

func TestVerifyCatchesWrongDays(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a lake for each fault")
	}
	for _, test := range []struct {
		name  string
		plant func(t *testing.T, l *Lake)
		want  string
	}{
		{"an altered count", func(t *testing.T, l *Lake) {
			plantDaily(t, l, goldVersionDaily, func(rows []versionDailyRow) []versionDailyRow { rows[0].ServiceUsers++; return rows })
		}, `^1 gold.version_daily .*service_users is 2 and should be 1`},
		{"an altered move", func(t *testing.T, l *Lake) {
			plantDaily(t, l, goldVersionDaily, func(rows []versionDailyRow) []versionDailyRow { rows[len(rows)-1].UpgradesIn--; return rows })
		}, `^1 gold.version_daily .*upgrades_in is 0 and should be 1`},
		{"a doubled row", func(t *testing.T, l *Lake) {
			plantDaily(t, l, goldVersionDaily, func(rows []versionDailyRow) []versionDailyRow { return append(rows, rows[0]) })
		}, `^1 gold.version_daily .*has two rows`},
		{"a row that is gone", func(t *testing.T, l *Lake) {
			plantDaily(t, l, goldEventDaily, func(rows []eventDailyRow) []eventDailyRow { return rows[1:] })
		}, `^1 gold.event_daily .*should be there`},
		{"a row too many", func(t *testing.T, l *Lake) {
			plantDaily(t, l, goldEventDaily, func(rows []eventDailyRow) []eventDailyRow { rows[0].Name = "x"; return rows })
		}, `^1 gold.event_daily .*should not be`},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := plantedWorld(t)
			in.daily()
			checkVerify(t, in.lake)
			test.plant(t, in.lake)
			if lines, _ := verified(t, in.lake); !slices.ContainsFunc(lines, regexp.MustCompile(test.want).MatchString) {
				t.Errorf("verify says %q", lines)
			}
		})
	}
}

// plantDaily rewrites the one file of a daily table, as no refresh of ours does.
func plantDaily[T any](t *testing.T, l *Lake, definition tableDefinition, alter func([]T) []T) {
	t.Helper()
	err := l.commit(t.Context(), definition, func(loaded *table.Table) (*change, error) {
		live, err := liveFiles(t.Context(), loaded)
		if err != nil {
			return nil, err
		}
		rows, err := readRows[T](t.Context(), l, live)
		if err != nil {
			return nil, err
		}
		writer, err := newDataWriter[T](l, definition, partition{folder: "planted", values: live[0].Partition()})
		if err != nil {
			return nil, err
		}
		if err := writer.write(alter(rows), 0); err != nil {
			return nil, err
		}
		written, err := writer.close("planted")
		if err != nil {
			return nil, err
		}
		entry, err := l.entry(*written, definition)
		return &change{remove: live, add: []iceberg.DataFile{entry}, summary: iceberg.Properties{}}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

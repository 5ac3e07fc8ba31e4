package events_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
)

// show writes the rows as: 27T05:10 Crash of p1 App/D1 1.0.
func show(t *testing.T, in *laketest.Ingester) (lines []string) {
	t.Helper()
	for _, row := range laketest.RowsOf[lake.ResolvedRow](t, in.Lake, lake.GoldEvents) {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s of %s %s/%s %s",
			time.UnixMicro(row.Time).UTC().Format("02T15:04"), row.EventName, row.UserID, row.Service, row.Device,
			row.Version)))
	}
	slices.Sort(lines)
	return lines
}

func want(t *testing.T, in *laketest.Ingester, lines ...string) {
	t.Helper()
	if got := show(t, in); !slices.Equal(got, lines) {
		t.Errorf("gold.events has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
	checks.Verify(t, in.Lake)
}

func files(t *testing.T, in *laketest.Ingester) (paths []string) {
	t.Helper()
	for _, file := range laketest.FilesNow(t, in.Lake, lake.GoldEvents) {
		paths = append(paths, file.FilePath())
	}
	slices.Sort(paths)
	return paths
}

// TestEventsFollow: a late Login, a changed hour and one that goes move the rows concerned, and no others' files.
func TestEventsFollow(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Event("27T05:50", "s1", "Crash"))
	in.Put("27T06/a.tsv", laketest.Event("27T06:10", "s2", "Crash", "UserId", "p2"),
		laketest.DeviceInfo("27T06:11", "s2", "D2"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Events(in)
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	upkeep.Events(in)
	second := []string{"27T06:10 Issue of p2 App/D2", "27T06:11 DeviceInfo of p2 App/D2"}
	want(t, in, append([]string{"27T05:10 SoftwareVersion of session:s1 App/ 1.0",
		"27T05:50 Issue of session:s1 App/ 1.0"}, second...)...)

	before := files(t, in)
	in.Put("27T07/a.tsv", laketest.Login("27T07:00", "s1", "p1"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T07"))
	if followed := upkeep.Events(in); followed.Resolved != 2 || followed.Came != 1 {
		t.Errorf("a Login that comes late: %+v", followed)
	}
	late := append([]string{"27T05:10 SoftwareVersion of p1 App/ 1.0", "27T05:50 Issue of p1 App/ 1.0"}, second...)
	want(t, in, append(late, "27T07:00 Login of p1 App/ 1.0")...)
	stayed := 0
	for _, path := range files(t, in) {
		if slices.Contains(before, path) {
			stayed++
		}
	}
	if stayed != 1 {
		t.Errorf("%d files stayed", stayed)
	}
	if followed := upkeep.Events(in); followed.Files != 0 {
		t.Errorf("nothing changed: %+v", followed)
	}

	in.Put("27T06/b.tsv", laketest.Event("27T06:20", "s2", "Crash"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	upkeep.Events(in)
	want(t, in, append(append(slices.Clone(late), "27T06:20 Issue of p2 App/D2"), "27T07:00 Login of p1 App/ 1.0")...)

	in.RemoveGone = true
	in.Put("27T07/a.tsv")
	in.Ingest(laketest.HourAt(t, "2022-05-27T07"))
	upkeep.Events(in)
	want(t, in, append([]string{"27T05:10 SoftwareVersion of session:s1 App/ 1.0",
		"27T05:50 Issue of session:s1 App/ 1.0"}, append(second, "27T06:20 Issue of p2 App/D2")...)...)
}

// TestEventsOfALakeOfBefore: a table that nobody filled takes in all of silver.
func TestEventsOfALakeOfBefore(t *testing.T) {
	in := laketest.NewWorld(t)
	for hour := range 5 {
		in.Put(fmt.Sprintf("27T%02d/a.tsv", hour), laketest.Sighting(fmt.Sprintf("27T%02d:10", hour), "s1", "1.0",
			"UserId", "p1"))
		in.Silver(laketest.HourAt(t, fmt.Sprintf("2022-05-27T%02d", hour)))
	}
	in.Gold()
	if lag, err := ledger.LagOfEvents(t.Context(), in.Lake); err != nil || !lag.Behind || len(lag.Hours) != 5 {
		t.Errorf("behind: %+v, %v", lag, err)
	}
	if followed := upkeep.Events(in); followed.Came != 5 {
		t.Errorf("%+v", followed)
	}
	if lag, err := ledger.LagOfEvents(t.Context(), in.Lake); err != nil || lag.Behind || len(lag.Hours) != 0 {
		t.Errorf("behind: %+v, %v", lag, err)
	}
	checks.Verify(t, in.Lake)
}

// TestEventsPutTogether: once a day has passed, its rows lie by user, and what comes late still finds them.
func TestEventsPutTogether(t *testing.T) {
	in := laketest.NewWorld(t)
	for hour := 10; hour < 16; hour++ {
		at := fmt.Sprintf("27T%d", hour)
		in.Put(at+"/a.tsv", laketest.Sighting(at+":10", fmt.Sprintf("s%d", hour), "1.0", "UserId",
			fmt.Sprintf("p%d", 30-hour)), laketest.Event(at+":20", fmt.Sprintf("t%d", hour), "Crash"))
		in.Ingest(laketest.HourAt(t, "2022-05-"+at))
		upkeep.Events(in)
	}
	in.Put("27T15/late.tsv", laketest.Sighting("20T10:00", "s9", "0.9", "UserId", "p9"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T15"))
	upkeep.Events(in)
	rows := show(t, in)
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1})
	if n := len(files(t, in)); n != 6 {
		t.Errorf("the day is still open, and has %d files", n)
	}
	upkeep.Maintain(in, maintain.Upkeep{})
	if n := len(files(t, in)); n != 2 { // the stray lies by itself
		t.Errorf("the day has %d files", n)
	}
	want(t, in, rows...)
	for _, file := range laketest.FilesNow(t, in.Lake, lake.GoldEvents) {
		stored, err := lake.ReadRows[lake.ResolvedRow](t.Context(), in.Lake, []iceberg.DataFile{file})
		if err != nil || !slices.IsSortedFunc(stored, func(a, b lake.ResolvedRow) int {
			return strings.Compare(a.UserID, b.UserID)
		}) {
			t.Errorf("rows are not in the order of users: %v", err)
		}
	}
	in.Put("28T01/a.tsv", laketest.Login("27T16:00", "t12", "p1"))
	in.Ingest(laketest.HourAt(t, "2022-05-28T01"))
	if followed := upkeep.Events(in); followed.Resolved != 1 {
		t.Errorf("a Login that comes late: %+v", followed)
	}
	checks.Verify(t, in.Lake)
	before := files(t, in)
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1})
	if got := files(t, in); !slices.Equal(got, before) {
		t.Errorf("what was put together is put together again: %v, before %v", got, before)
	}
}

// TestEventsGoWithSilver: retention takes the rows of an hour from both, though a day's file has others.
func TestEventsGoWithSilver(t *testing.T) {
	in := laketest.NewWorld(t)
	for hour := 10; hour < 14; hour++ {
		at := fmt.Sprintf("27T%d", hour)
		in.Put(at+"/a.tsv", laketest.Sighting(at+":10", "s1", "1.0", "UserId", "p1"))
		in.Ingest(laketest.HourAt(t, "2022-05-"+at))
	}
	upkeep.Daily(in)
	upkeep.Maintain(in, maintain.Upkeep{})
	savings, err := maintain.DropBefore(t.Context(), in.Lake, ledger.LayerEvents, laketest.HourAt(t, "2022-05-27T12"),
		false)
	in.Must(err)
	if len(savings) != 2 || savings[1].Table != lake.GoldEvents.Name || savings[1].Bytes <= 0 {
		t.Errorf("%+v", savings)
	}
	left := []string{"27T12:10 SoftwareVersion of p1 App/ 1.0", "27T13:10 SoftwareVersion of p1 App/ 1.0"}
	if got := show(t, in); !slices.Equal(got, left) {
		t.Errorf("at once: %v", got)
	}
	upkeep.Daily(in)
	want(t, in, left...)
}

// TestVerifyCatchesWrongEvents alters rows, and verify tells.
func TestVerifyCatchesWrongEvents(t *testing.T) {
	for name, alter := range map[string]func([]lake.ResolvedRow) []lake.ResolvedRow{
		"another user":    func(rows []lake.ResolvedRow) []lake.ResolvedRow { rows[0].UserID = "x"; return rows },
		"another version": func(rows []lake.ResolvedRow) []lake.ResolvedRow { rows[0].Version = "x"; return rows },
		"another device":  func(rows []lake.ResolvedRow) []lake.ResolvedRow { rows[0].Device = "x"; return rows },
		"a row twice":     func(rows []lake.ResolvedRow) []lake.ResolvedRow { return append(rows, rows[0]) },
		"a row that went": func(rows []lake.ResolvedRow) []lake.ResolvedRow { return rows[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0", "UserId", "p1"),
				laketest.Event("27T05:50", "s1", "SessionEnd", "Duration", "12.5"))
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			upkeep.Events(in)
			checks.Verify(t, in.Lake)
			laketest.PlantDaily(t, in.Lake, lake.GoldEvents, alter)
			lines, _ := checks.Verified(t, in.Lake)
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "gold.events") }) {
				t.Errorf("verify says %q", lines)
			}
		})
	}
}

// TestEventsOff: what is off stays as it is, says so and what it lacks, and catches up once it is on again.
func TestEventsOff(t *testing.T) {
	in := laketest.NewWorld(t)
	lag := func() ledger.EventsLag {
		lag, err := ledger.LagOfEvents(t.Context(), in.Lake)
		in.Must(err)
		return lag
	}
	ingest := func(hour string) {
		in.Put(hour+"/a.tsv", laketest.Sighting(hour+":10", "s1", "1.0", "UserId", "p1"))
		in.Ingest(laketest.HourAt(t, "2022-05-"+hour))
	}
	ingest("27T05")
	upkeep.Daily(in)
	in.Must(ledger.TurnOff(t.Context(), in.Lake, lake.GoldEvents))
	if got := lag(); got.Behind || !got.Off {
		t.Errorf("off, and nothing came: %+v", got)
	}
	ingest("27T06")
	ingest("27T07")
	before := show(t, in)
	got := lag()
	if fmt.Sprint(got.Hours) != "[2022-05-27T06 2022-05-27T07]" || !got.Behind || !got.Off {
		t.Errorf("off, and two hours came: %+v", got)
	}
	if len(before) != 1 {
		t.Errorf("what is off has %v", before)
	}
	checks.Verify(t, in.Lake) // stale is not wrong
	upkeep.Daily(in)
	if got := lag(); got.Behind || got.Off || len(got.Hours) != 0 {
		t.Errorf("on again: %+v", got)
	}
	if rows := show(t, in); len(rows) != 3 {
		t.Errorf("on again, it has %v", rows)
	}
	checks.Verify(t, in.Lake)
}

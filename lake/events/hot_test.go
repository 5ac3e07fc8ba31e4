package events_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
)

// Of a large session, only what lies next to a change is read again. Whatever comes, goes, is late or names somebody
// else, that leads to the rows that reading all of it leads to.
func TestLargeSessionsAreToldAsSmallOnesAre(t *testing.T) {
	group, session := sessions.LargeGroup, *events.LargeSession
	defer func() { sessions.LargeGroup, *events.LargeSession = group, session }()
	sessions.LargeGroup, *events.LargeSession = 1, 2
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 15))
		in := laketest.NewWorld(t)
		in.RemoveGone = true
		first := laketest.HourAt(t, "2022-05-26T20")
		for n := range 9 {
			hour := first + [...]telemetry.Hour{0, 1, 30, 2, 3, 1, 30, 4, 2}[n]
			var lines []string
			for range 1 + r.IntN(6) {
				at := hour.Start().Add(time.Duration(r.IntN(60)) * time.Minute)
				if r.IntN(4) == 0 {
					at = at.Add(-time.Duration(r.IntN(40)) * time.Hour)
				}
				lines = append(lines, hotLine(r, at))
			}
			in.Put(hour.Start().Format("02T15")+"/a.tsv", lines...)
			in.Ingest(hour)
			if r.IntN(3) > 0 {
				upkeep.Events(in)
			}
		}
		upkeep.Events(in)
		checks.Verify(t, in.Lake)
	}
}

// hotLine is a line of a session that everybody shares.
func hotLine(r *rand.Rand, at time.Time) string {
	when, service := at.Format("02T15:04"), [...]string{"App", "Game"}[r.IntN(2)]
	line := ""
	switch r.IntN(7) {
	case 0:
		line = laketest.Event(when, "hot", "Login", "UserId", fmt.Sprint("p", r.IntN(3)))
	case 1:
		line = laketest.Event(when, "hot", "Logout")
	case 2:
		line = laketest.DeviceInfo(when, "hot", fmt.Sprint("D", r.IntN(3)))
	case 3, 4:
		line = laketest.Sighting(when, "hot", fmt.Sprint("1.", r.IntN(3)))
	default:
		line = laketest.Event(when, "hot", "FeatureUsed", "Feature", "x")
	}
	return strings.Replace(line, "\tApp\t", "\t"+service+"\t", 1)
}

// The hour after that of a large session costs what came, not what the session has. Bytes are counted, not time.
func TestHourAfterALargeSession(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 90,000 lines")
	}
	in := laketest.NewWorld(t)
	var lines []string
	start := laketest.HourAt(t, "2022-05-27T05").Start()
	for i := range 90_000 {
		at := start.Add(time.Duration(i) * 30 * time.Millisecond).Format("2006-01-02T15:04:05.000+0000")
		body := [...]string{fmt.Sprintf("'SoftwareVersion', 'Version': 1.%d", i/3%50),
			fmt.Sprintf("'Login', 'UserId': 'user%d'", i/3%7), "'FeatureUsed', 'Feature': 'f'"}[i%3]
		lines = append(lines, fmt.Sprintf("T\t%s\tApp\tHOT\t%d\t{'Name': %s}", at, i, body))
	}
	in.Put("27T05/a.tsv", lines...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Events(in)
	few := status.HotRows
	defer func() { status.HotRows = few }()
	status.HotRows = 40_000
	if now, err := status.Read(t.Context(), in.Lake); err != nil || len(now.HotSessions) != 1 ||
		now.HotSessions[0].SessionID != "HOT" || now.HotSessions[0].Rows < 50_000 {
		t.Errorf("status names %+v, %v", now.HotSessions, err)
	}
	hourOf := func(hour int, session string) uint64 {
		at := fmt.Sprintf("27T%02d:", hour)
		in.Put(at[:5]+"/a.tsv", laketest.Sighting(at+"10", session, "1.1"), laketest.Login(at+"20", session, "user1"),
			laketest.Event(at+"30", session, "FeatureUsed", "Feature", "x"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		in.Ingest(laketest.HourAt(t, "2022-05-"+at[:5]))
		upkeep.Events(in)
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) >> 20
	}
	cold, hot := hourOf(6, "COLD"), hourOf(7, "HOT")
	t.Logf("%d MiB, and %d of another session", hot, cold)
	if hot > cold+80 {
		t.Errorf("an hour that goes on with the session took %d MiB, one of another session %d", hot, cold)
	}
	checks.Verify(t, in.Lake)
}

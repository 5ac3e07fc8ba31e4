package generate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// What the demo tells about its world is so.
//
//nolint:cyclop,funlen // each fact is asked of one world, which is read once
func TestDemoFacts(t *testing.T) {
	o, f := Demo(), DemoFacts()
	sightings := map[string][]history.Sighting{}
	lines, bad, accepted := map[telemetry.Hour]int{}, map[telemetry.Hour]int{}, map[string]time.Time{}
	for _, h := range hours(o) {
		for e := range Events(o, h) {
			lines[h]++
			switch {
			case e.Reason != "":
				bad[h]++
			case e.Repeated:
			case e.Kind == telemetry.KindSoftwareVersion:
				sightings[e.User] = append(sightings[e.User], e.Sighting())
			case e.Kind == telemetry.KindNotification && e.Status == "Accepted" && e.Target == f.After:
				accepted[e.User] = time.UnixMicro(e.Time)
			}
		}
	}
	at := func(user string, t time.Time) string {
		row := history.Build(user, history.KindUser, sightings[user])
		var versions []string
		for _, in := range row.At(t.UnixMicro()) {
			versions = append(versions, in.Service+"/"+in.Device+" "+in.Version)
		}
		return strings.Join(versions, ", ")
	}
	before, after := f.Service+"/"+f.Device+" "+f.Before, f.Service+"/"+f.Device+" "+f.After
	for moment, want := range map[time.Time]string{f.Asked: before, f.Upgrade.Add(-time.Microsecond): before,
		f.Upgrade:           after,
		f.UpgradeHour.End(): after, o.From.Start(): ""} {
		if got := at(f.User, moment); got != want {
			t.Errorf("%s at %v: %q, want %q", f.User, moment, got, want)
		}
	}
	if told := accepted[f.User]; told.IsZero() || !told.Before(f.LateUpgrade) ||
		telemetry.HourOf(f.Upgrade) != f.UpgradeHour {
		t.Errorf("told at %v", told)
	}
	anonymous, _ := history.UserID("", f.Session)
	if len(sightings[anonymous]) != 1 || len(sightings[f.Owner]) != 0 {
		t.Errorf("%d sightings of %s, %d of %s", len(sightings[anonymous]), anonymous, len(sightings[f.Owner]), f.Owner)
	}
	down := history.Build(f.Downgraded, history.KindUser, sightings[f.Downgraded])
	if last := down.History[len(down.History)-1]; !last.IsDowngrade ||
		telemetry.HourOf(time.UnixMicro(last.ValidFrom)) != f.DowngradeHour {
		t.Errorf("%+v", down)
	}
	for h, n := range lines {
		if n == 0 || h == f.EmptyHour || (bad[h]*20 > n) != (h == f.BrokenHour) {
			t.Errorf("%v: %d lines, %d bad", h, n, bad[h])
		}
	}
	if len(lines) != o.Hours-1 {
		t.Errorf("%d hours with lines", len(lines))
	}

	// The same with the late file.
	dir := t.TempDir()
	if s, err := DemoLate(t.Context(), dir); err != nil || s.Lines != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	path := filepath.Join(dir, filepath.FromSlash(f.LateHour.Folder()), "late.tsv")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "Telemetry\t2022-05-27T20:05:10.902+0000\tClientApp\t5E1F0000000000000000000000000A09\t1\t{'Name': " +
		"'Login', 'PlayerId': 'p1', 'Method': 'token'}\n" +
		"Telemetry\t2022-05-27T20:05:11.902+0000\tClientApp\t5E1F0000000000000000000000000A09\t2\t{'Name': " +
		"'SoftwareVersion', 'Version': 1.22.04, 'Device': 'Gameboy'}\n" +
		"Telemetry\t2022-05-28T07:06:59.000+0000\tClientApp\t5E1F0000000000000000000000000D01\t1\t{'Name': " +
		"'Login', 'PlayerId': 'p2', 'Method': 'token'}\n"
	if string(content) != want {
		t.Errorf("the late file:\n%s\nwant\n%s", content, want)
	}
	sightings[f.User] = append(sightings[f.User],
		history.Sighting{Service: f.Service, Device: f.Device, HasDevice: true, Version: f.After,
			Time: f.LateUpgrade.UnixMicro(), Transaction: 2})
	if got := at(f.User, f.Asked); got != after {
		t.Errorf("with the late file: %q", got)
	}
	if o.From+telemetry.Hour(o.Hours) != f.LateHour {
		t.Errorf("the late hour is %v", f.LateHour)
	}
}

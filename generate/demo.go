package generate

import (
	"context"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// Facts are what is known of the demo's world beforehand: the names and hours to ask about.
type Facts struct {
	// One user, one device, one upgrade: Before until the session at Upgrade, After from then on.
	User, Service, Device string
	Before, After         string
	Upgrade               time.Time // the first sighting of After, until the late file comes
	UpgradeHour           telemetry.Hour

	// The late file tells that the upgrade was at LateUpgrade: what was in effect at Asked, in between, is Before
	// without it and After with it. It lies in LateHour, the one after the world.
	LateHour    telemetry.Hour
	LateUpgrade time.Time
	Asked       time.Time

	// A session without a Login, until the late file brings it: its row is then gone, its history the owner's.
	Session, Owner string

	// A user who goes back to an older version in an hour.
	Downgraded    string
	DowngradeHour telemetry.Hour

	EmptyHour  telemetry.Hour // without files
	BrokenHour telemetry.Hour // with many bad lines
}

// DemoFacts are the facts of the world that Demo describes.
func DemoFacts() Facts {
	from := demoStart()
	at := func(day, hour, minute, second, ms int) time.Time {
		return from.Start().AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
			time.Duration(second)*time.Second + time.Duration(ms)*time.Millisecond)
	}
	return Facts{
		User: "p1", Service: "ClientApp", Device: "Gameboy", Before: "1.22.03", After: "1.22.04",
		Upgrade: at(1, 9, 12, 40, 118), UpgradeHour: from + 24 + 9,
		LateHour: from + 48, LateUpgrade: at(0, 20, 5, 11, 902), Asked: at(0, 22, 0, 0, 0),
		Session: "5E1F0000000000000000000000000D01", Owner: "p2",
		Downgraded: "p3", DowngradeHour: from + 24 + 11,
		EmptyHour: from + 24 + 3, BrokenHour: from + 18,
	}
}

func demoStart() telemetry.Hour {
	from, _ := telemetry.ParseHour("2022-05-27T00")
	return from
}

// Demo is a small world of two days for showing: two hundred users, a release in the middle of the first day, and the
// users, hours and faults of DemoFacts.
func Demo() Options {
	o := Defaults()
	facts := DemoFacts()
	o.From, o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = demoStart(), 48, 200, 1500, 2
	o.Cadence, o.EmptyHours = 24*time.Hour, 0
	o.Empty, o.Broken = []telemetry.Hour{facts.EmptyHour}, []telemetry.Hour{facts.BrokenHour}
	o.Script = demoScript(facts)
	return o
}

// DemoLate writes, into the hour after the demo's world, the late file that changes what is known of the past.
func DemoLate(ctx context.Context, dir string) (Summary, error) {
	facts := DemoFacts()
	offline := act(facts.User, facts.Service, facts.Device, "5E1F0000000000000000000000000A09",
		facts.LateUpgrade.Add(-time.Second), facts.After)
	script := at(facts.LateHour, append(offline, Event{
		Kind: telemetry.KindLogin, Time: demoAnonymous(facts).Add(-time.Second).UnixMicro(), Service: facts.Service,
		Session:     facts.Session,
		Transaction: 1, User: facts.Owner, NamesUser: true,
	})...)
	path := facts.LateHour.Folder() + "/late.tsv"
	return writeFile(ctx, dir, path, scripted(script, facts.LateHour, path))
}

func demoAnonymous(f Facts) time.Time { return f.UpgradeHour.Start().Add(-2*time.Hour + 7*time.Minute) }

func demoScript(f Facts) []Event {
	day := demoStart()
	session := func(letter string) string { return "5E1F0000000000000000000000000" + letter }
	moment := func(h telemetry.Hour, minutes int) time.Time {
		return h.Start().Add(time.Duration(minutes) * time.Minute)
	}
	var script []Event
	add := func(h telemetry.Hour, events []Event) { script = append(script, at(h, events...)...) }

	// The upgrade, told before it happens. The session before it is the last that the lake hears of in time.
	add(day+5, act(f.User, f.Service, f.Device, session("A01"), moment(day+5, 31), f.Before))
	told := act(f.User, f.Service, f.Device, session("A02"), moment(day+16, 2), f.Before)
	for i, status := range []string{"Sent", "Shown", "Accepted"} {
		told = append(told, Event{Kind: telemetry.KindNotification, Time: moment(day+16, 5+i).UnixMicro(),
			Service: f.Service, Session: session("A02"),
			Transaction: int64(3 + i), User: f.User, Device: f.Device, HasDevice: true, Target: f.After,
			Status: status})
	}
	add(day+16, told)
	add(f.UpgradeHour, act(f.User, f.Service, f.Device, session("A03"), f.Upgrade.Add(-time.Second), f.After))
	add(day+24+15, act(f.User, f.Service, f.Device, session("A04"), moment(day+24+15, 44), f.After))

	// Nobody knows whose this session is, as long as the late file is not there.
	anonymous := demoAnonymous(f)
	nobody, _ := history.UserID("", f.Session)
	add(telemetry.HourOf(anonymous),
		[]Event{{Kind: telemetry.KindSoftwareVersion, Time: anonymous.UnixMicro(), Service: f.Service,
			Session:     f.Session,
			Transaction: 2, User: nobody, Device: f.Device, HasDevice: true, NamesDevice: true, Version: f.After}})

	// There and back again.
	add(day+8, act(f.Downgraded, f.Service, "PC", session("C01"), moment(day+8, 10), f.Before))
	add(day+24+1, act(f.Downgraded, f.Service, "PC", session("C02"), moment(day+24+1, 20), f.After))
	add(f.DowngradeHour, act(f.Downgraded, f.Service, "PC", session("C03"), moment(f.DowngradeHour, 30), f.Before))
	return script
}

// act is a short session: a Login, and a second later the version on the device.
func act(user, service, device, session string, start time.Time, version string) []Event {
	return []Event{
		{Kind: telemetry.KindLogin, Time: start.UnixMicro(), Service: service, Session: session, Transaction: 1,
			User: user, NamesUser: true,
			Device: device, HasDevice: true},
		{Kind: telemetry.KindSoftwareVersion, Time: start.Add(time.Second).UnixMicro(), Service: service,
			Session: session, Transaction: 2, User: user,
			Device: device, HasDevice: true, NamesDevice: true, Version: version},
	}
}

func at(h telemetry.Hour, events ...Event) []Event {
	for i := range events {
		events[i].Hour = h
	}
	return events
}

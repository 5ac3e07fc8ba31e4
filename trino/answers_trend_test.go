package trino_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/telemetry"
)

// dayOf is the day of UTC of a time, at its start.
func dayOf(time int64) moment { return moment(time - time%day) }

// trend is a version's day.
type trend struct {
	date moment
	release
}

// copies is a version's day on one device.
type copies struct {
	trend
	device string
}

// before says whether NULL, or the lesser text by bytes, comes first: of the versions, then of the devices.
func (c copies) before(other copies) bool {
	first := func(a, b string) int { return cmp.Compare(strings.TrimPrefix(a, null), strings.TrimPrefix(b, null)) }
	return cmp.Or(first(c.version, other.version), first(c.device, other.device)) < 0
}

// trendCounts are what happened on a version's day on one device.
type trendCounts struct {
	users, versionUsers, serviceUsers, sessions                 int
	ended, seconds, issues, fresh, upIn, downIn, upOut, downOut int64
}

func (t *truth) versionTrend() (a answer) {
	days := map[copies]*trendCounts{}
	at := func(key copies) *trendCounts {
		if days[key] == nil {
			days[key] = &trendCounts{}
		}
		return days[key]
	}
	t.countActivity(at)
	t.countMoves(at)
	type serviceDay struct {
		date    moment
		service string
	}
	ofService := map[serviceDay]int{}
	for key, c := range days {
		ofService[serviceDay{key.date, key.service}] += c.serviceUsers
	}
	type installations struct {
		release
		device string
	}
	installed := map[installations]int64{}
	for _, key := range slices.SortedFunc(maps.Keys(days),
		func(a, b copies) int { return cmp.Compare(a.date, b.date) }) {
		c := days[key]
		of := installations{key.release, key.device}
		installed[of] += c.fresh + c.upIn + c.downIn - c.upOut - c.downOut
		all := ofService[serviceDay{key.date, key.service}]
		low, high := wilson(c.serviceUsers, all)
		a.row(key.date, key.service, key.version, t.rank[key.release], key.device,
			c.users, c.versionUsers, c.serviceUsers, part(c.serviceUsers, all),
			c.sessions, c.ended, c.seconds, c.issues, c.fresh, c.upIn, c.downIn, c.upOut, c.downOut, 0, 0,
			installed[of], low, high, all < few)
	}
	return a
}

// countActivity counts events, their sessions, and their users: in all rows, in the first of a version, and in the
// first of a service.
func (t *truth) countActivity(at func(copies) *trendCounts) {
	type who struct {
		date                   moment
		service, version, user string
	}
	rows, sessions, first := distinct[copies]{}, distinct[copies]{}, map[who]copies{}
	for _, f := range t.facts {
		key := copies{trend{dayOf(f.Time), f.release()}, f.on()}
		rows.add(key, f.User)
		sessions.add(key, f.Session)
		for _, user := range []who{{key.date, f.Service, f.version, f.User}, {key.date, f.Service, "", f.User}} {
			if known, ok := first[user]; !ok || key.before(known) {
				first[user] = key
			}
		}
		c := at(key)
		switch f.Kind {
		case telemetry.KindIssue:
			c.issues++
		case telemetry.KindSessionEnd:
			c.ended, c.seconds = c.ended+1, c.seconds+f.Duration
		}
	}
	for key := range rows {
		c := at(key)
		c.users, c.sessions = rows.n(key), sessions.n(key)
	}
	for user, key := range first {
		if c := at(key); user.version == "" {
			c.serviceUsers++
		} else {
			c.versionUsers++
		}
	}
}

// countMoves counts what installations came to a version, and left it.
func (t *truth) countMoves(at func(copies) *trendCounts) {
	type installation struct{ user, service, device string }
	moves := map[installation][]stay{}
	for _, s := range t.stays {
		in := installation{s.user, s.Service, s.on()}
		moves[in] = append(moves[in], s)
	}
	for in, stays := range moves {
		slices.SortFunc(stays, func(a, b stay) int { return cmp.Compare(a.ValidFrom, b.ValidFrom) })
		on := func(s stay, of release) *trendCounts { return at(copies{trend{dayOf(s.ValidFrom), of}, in.device}) }
		on(stays[0], stays[0].release()).fresh++
		for i, s := range stays[1:] {
			from, to := on(s, stays[i].release()), on(s, s.release())
			if t.rank[s.release()] < t.rank[stays[i].release()] {
				from.downOut++
				to.downIn++
			} else {
				from.upOut++
				to.upIn++
			}
		}
	}
}

func (t *truth) eventTrend() (a answer) {
	type about struct {
		trend
		event, name, detail string
	}
	events := map[about]int{}
	for _, f := range t.facts {
		key := about{trend{dayOf(f.Time), f.release()}, f.Kind.String(), "", ""}
		switch f.Kind {
		case telemetry.KindFeatureUsed:
			key.name = f.Feature
		case telemetry.KindIssue:
			key.name, key.detail = f.Code, f.Severity
		case telemetry.KindNotification:
			key.name, key.detail = f.Target, f.Status
		case telemetry.KindInstall:
			key.name, key.detail = f.Source, f.Campaign
		case telemetry.KindExperiment:
			key.name, key.detail = f.ExperimentName, f.ExperimentArm
		case telemetry.KindDeviceInfo:
			key.name, key.detail = f.OS, f.Model
		}
		events[key]++
	}
	for key, n := range events {
		a.row(key.date, key.service, key.version, t.rank[key.release], key.event, orNull(key.name, key.name != ""),
			orNull(key.detail, key.detail != ""), n)
	}
	return a
}

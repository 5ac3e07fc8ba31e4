package trino_test

import (
	"cmp"
	"maps"
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

// dayOf is the day of UTC of a time, at its start.
func dayOf(time int64) moment { return moment(time - time%day) }

// trend is a version's day.
type trend struct {
	date moment
	release
}

func (t *truth) versionTrend() (a answer) {
	type serviceDay struct {
		date    moment
		service string
	}
	users, ofService, sessions := distinct[trend]{}, distinct[serviceDay]{}, distinct[trend]{}
	type counts struct{ ended, seconds, issues, fresh, upIn, downIn, upOut, downOut int64 }
	days := map[trend]*counts{}
	at := func(time int64, r release) *counts {
		key := trend{dayOf(time), r}
		if days[key] == nil {
			days[key] = &counts{}
		}
		return days[key]
	}
	for _, f := range t.facts {
		key, c := trend{dayOf(f.Time), f.release()}, at(f.Time, f.release())
		users.add(key, f.User)
		ofService.add(serviceDay{key.date, f.Service}, f.User)
		sessions.add(key, f.Session+f.on())
		switch f.Kind {
		case telemetry.KindIssue:
			c.issues++
		case telemetry.KindSessionEnd:
			c.ended, c.seconds = c.ended+1, c.seconds+f.Duration
		}
	}
	type installation struct{ user, service, device string }
	moves := map[installation][]stay{}
	for _, s := range t.stays {
		in := installation{s.user, s.Service, s.on()}
		moves[in] = append(moves[in], s)
	}
	for _, stays := range moves {
		slices.SortFunc(stays, func(a, b stay) int { return cmp.Compare(a.ValidFrom, b.ValidFrom) })
		at(stays[0].ValidFrom, stays[0].release()).fresh++
		for i, s := range stays[1:] {
			from, to := at(s.ValidFrom, stays[i].release()), at(s.ValidFrom, s.release())
			if t.rank[s.release()] < t.rank[stays[i].release()] {
				from.downOut++
				to.downIn++
			} else {
				from.upOut++
				to.upIn++
			}
		}
	}
	installed := map[release]int64{}
	for _, key := range slices.SortedFunc(maps.Keys(days),
		func(a, b trend) int { return cmp.Compare(a.date, b.date) }) {
		c, n := days[key], users.n(key)
		installed[key.release] += c.fresh + c.upIn + c.downIn - c.upOut - c.downOut
		a.row(key.date, key.service, key.version, t.rank[key.release],
			n, part(n, ofService.n(serviceDay{key.date, key.service})), sessions.n(key),
			part(c.seconds, c.ended), c.issues, part(1000*c.issues, int64(n)), c.fresh, c.upIn, c.downIn, c.upOut,
			c.downOut, 0, 0, installed[key.release])
	}
	return a
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

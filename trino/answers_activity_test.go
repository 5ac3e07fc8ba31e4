package trino_test

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// activity is what known users did while a version ran.
type activity struct {
	release
	users, days, affected    map[any]bool
	sessions                 map[string]*sessionActivity
	events, features, issues int
	ended                    []float64 // seconds, sorted
}

type sessionActivity struct {
	features, issues int
	seconds          float64
	ended            bool
}

// activities are those of all versions with any, the oldest of each service first.
func (t *truth) activities() []*activity {
	all := map[release]*activity{}
	for _, f := range t.of() {
		a := all[f.release()]
		if a == nil {
			a = &activity{release: f.release(), users: map[any]bool{}, days: map[any]bool{}, affected: map[any]bool{},
				sessions: map[string]*sessionActivity{}}
			all[f.release()] = a
		}
		if a.sessions[f.Session] == nil {
			a.sessions[f.Session] = &sessionActivity{}
		}
		session := a.sessions[f.Session]
		a.events++
		a.users[f.User] = true
		a.days[f.User+time.UnixMicro(f.Time).UTC().Format(time.DateOnly)] = true
		switch f.Kind {
		case telemetry.KindFeatureUsed:
			a.features++
			session.features++
		case telemetry.KindIssue:
			a.issues++
			session.issues++
			a.affected[f.User] = true
		case telemetry.KindSessionEnd:
			a.ended = append(a.ended, float64(f.Duration))
			session.seconds, session.ended = float64(f.Duration), true
		}
	}
	for _, a := range all {
		slices.Sort(a.ended)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *activity) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(t.rank[a.release], t.rank[b.release]))
	})
}

func (a *activity) seconds() (total float64) {
	for _, seconds := range a.ended {
		total += seconds
	}
	return total
}

// before is the active version before the one at a place, in order, nil for the first of a service.
func before(all []*activity, at int) *activity {
	if at == 0 || all[at-1].service != all[at].service {
		return nil
	}
	return all[at-1]
}

func (t *truth) versionActivity() (a answer) {
	for _, v := range t.activities() {
		seconds := any(null)
		if len(v.ended) > 0 {
			seconds = v.seconds()
		}
		a.row(v.service, v.version, t.rank[v.release], len(v.users), len(v.days), len(v.sessions), v.events, v.features,
			v.issues, len(v.ended), seconds)
	}
	return a
}

func (t *truth) issuesByVersion() (a answer) {
	all := t.activities()
	rate := func(v *activity) float64 { return 1000 * float64(v.issues) / float64(len(v.users)) }
	for i, v := range all {
		change := any(null)
		if previous := before(all, i); previous != nil {
			change = rate(v) - rate(previous)
		}
		low, high := wilson(len(v.affected), len(v.users))
		a.row(v.service, v.version, t.rank[v.release], v.issues, len(v.affected), len(v.users),
			part(len(v.affected), len(v.users)), rate(v),
			part(1000*v.issues, len(v.sessions)), change, low, high, len(v.users) < few,
			byarLow(v.issues, len(v.users)), byarHigh(v.issues, len(v.users)),
			byarLow(v.issues, len(v.sessions)), byarHigh(v.issues, len(v.sessions)))
	}
	return a
}

func (t *truth) issueCodesByVersion() (a answer) {
	type issue struct {
		release
		code, severity string
	}
	issues, users, active := map[issue]int{}, distinct[issue]{}, t.activeUsers()
	for _, f := range t.of(telemetry.KindIssue) {
		key := issue{f.release(), f.Code, f.Severity}
		issues[key]++
		users.add(key, f.User)
	}
	for key, n := range issues {
		a.row(key.service, key.version, t.rank[key.release], key.code, key.severity, n, users.n(key),
			active.n(key.release), part(1000*n, active.n(key.release)), byarLow(n, active.n(key.release)),
			byarHigh(n, active.n(key.release)), active.n(key.release) < few)
	}
	return a
}

func (t *truth) versionEngagement() (a answer) {
	for _, v := range t.activities() {
		users, sessions := len(v.users), len(v.sessions)
		a.row(v.service, v.version, t.rank[v.release], users, part(len(v.days), users), part(sessions, users),
			part(v.features, users), part(sessions, len(v.days)))
	}
	return a
}

func (t *truth) versionRetention() (a answer) {
	type user struct{ service, id string }
	latest := map[user]stay{}
	for _, s := range t.stays {
		key := user{s.Service, s.user}
		// At the same moment, the interval that began last, then the device.
		if l, ok := latest[key]; s.known &&
			(!ok || cmp.Or(cmp.Compare(s.LastSeenAt, l.LastSeenAt), cmp.Compare(s.ValidFrom, l.ValidFrom),
				cmp.Compare(s.Device, l.Device)) > 0) {
			latest[key] = s
		}
	}
	for r, users := range t.adopted() {
		cells := []any{r.service, r.version, t.rank[r], len(users)}
		for _, days := range []int64{1, 7, 30} {
			followed, retained := 0, 0
			for id, since := range users {
				if since+days*day > t.end {
					continue
				}
				followed++
				if latest[user{r.service, id}].LastSeenAt >= since+days*day {
					retained++
				}
			}
			cells = append(cells, followed, retained, part(retained, followed))
		}
		last, churned := 0, 0
		for id := range users {
			if l := latest[user{r.service, id}]; l.Version == r.version {
				last++
				if l.LastSeenAt <= t.end-30*day {
					churned++
				}
			}
		}
		a.row(append(cells, last, churned, part(churned, len(users)))...)
	}
	return a
}

// over is the day after the last one that is over: its hours were ingested, and there is a sighting on it or later.
func (t *truth) over() moment {
	return min(dayOf((t.newestHour + 1).Start().UnixMicro()), dayOf(t.end)+moment(day))
}

// retention is classic: on just that day.
func (t *truth) retention() (a answer) {
	type user struct{ service, id string }
	type visit struct {
		user
		date moment
	}
	seen := map[visit]bool{}
	for _, f := range t.of() {
		seen[visit{user{f.Service, f.User}, dayOf(f.Time)}] = true
	}
	for r, users := range t.adopted() {
		cohorts := map[moment][]string{}
		for id, since := range users {
			cohorts[dayOf(since)] = append(cohorts[dayOf(since)], id)
		}
		for date, ids := range cohorts {
			for n := int64(0); n <= 30 && date+moment(n*day) < t.over(); n++ {
				retained := 0
				for _, id := range ids {
					if seen[visit{user{r.service, id}, date + moment(n*day)}] {
						retained++
					}
				}
				a.row(r.service, r.version, t.rank[r], date, n, len(ids), retained, part(retained, len(ids)))
			}
		}
	}
	return a
}

func (t *truth) releaseFocus() (a answer) {
	type subject struct {
		release
		kind, name string
	}
	events, users := map[subject]int{}, distinct[subject]{}
	for _, f := range t.of(telemetry.KindFeatureUsed, telemetry.KindIssue) {
		key := subject{f.release(), "feature", f.Feature}
		if f.Kind == telemetry.KindIssue {
			key = subject{f.release(), "issue", f.Code}
		}
		events[key]++
		users.add(key, f.User)
	}
	all := t.activities()
	for i, v := range all {
		previous := before(all, i)
		if previous == nil {
			continue
		}
		named := map[subject]bool{}
		for key := range events {
			if key.release == v.release || key.release == previous.release {
				named[subject{kind: key.kind, name: key.name}] = true
			}
		}
		for key := range named {
			now, then := key, key
			now.release, then.release = v.release, previous.release
			rate, old := 1000*float64(events[now])/float64(len(v.users)), 1000*float64(events[then])/float64(
				len(previous.users))
			a.row(v.service, v.version, t.rank[v.release], previous.version, key.kind, key.name, events[now],
				users.n(now), rate, old, rate-old, byarLow(events[now], len(v.users)),
				byarHigh(events[now], len(v.users)), min(len(v.users), len(previous.users)) < few)
		}
	}
	return a
}

func (t *truth) releaseCadence() (a answer) {
	adopted := t.adopted()
	days := func(from, to int64) float64 { return float64((to-from)/1000) / 86400e3 }
	for service, versions := range t.versions {
		var releases []release
		for _, version := range versions { // the oldest first: a release is sighted before every newer version
			r := release{service, version}
			if !slices.ContainsFunc(versions[t.rank[r]:],
				func(newer string) bool { return t.first[release{service, newer}] <= t.first[r] }) {
				releases = append(releases, r)
			}
		}
		for i, r := range releases {
			since, until, next := any(null), any(null), int64(math.MaxInt64)
			if i > 0 {
				since = days(t.first[releases[i-1]], t.first[r])
			}
			if i+1 < len(releases) {
				next = t.first[releases[i+1]]
				until = days(t.first[r], next)
			}
			var taken []float64
			early := 0
			for _, at := range adopted[r] {
				taken = append(taken, days(t.first[r], at))
				if at < next {
					early++
				}
			}
			slices.Sort(taken)
			a.row(service, r.version, t.rank[r], moment(t.first[r]), since, until, len(taken), lower(taken, 5),
				early, part(early, len(taken)))
		}
	}
	return a
}

func (t *truth) versionBehaviour() (a answer) {
	for _, v := range t.activities() {
		a.row(v.service, v.version, t.rank[v.release], len(v.sessions), len(v.ended), part(v.seconds(), len(v.ended)),
			lower(v.ended, 5), lower(v.ended, 9),
			part(v.features, len(v.sessions)), part(v.issues, len(v.sessions)))
	}
	return a
}

func (t *truth) versionCorrelations() (a answer) {
	type points struct{ ranks, features, issues, endedRanks, seconds []float64 }
	services := map[string]*points{}
	for _, v := range t.activities() {
		p := services[v.service]
		if p == nil {
			p = &points{}
			services[v.service] = p
		}
		rank := float64(t.rank[v.release])
		for _, s := range v.sessions {
			p.ranks, p.features, p.issues = append(p.ranks, rank), append(p.features,
				float64(s.features)), append(p.issues, float64(s.issues))
			if s.ended {
				p.endedRanks, p.seconds = append(p.endedRanks, rank), append(p.seconds, s.seconds)
			}
		}
	}
	for service, p := range services {
		a.row(service, len(p.ranks), correlation(p.ranks, p.features), correlation(p.ranks, p.issues), len(p.seconds),
			correlation(p.endedRanks, p.seconds))
	}
	return a
}

// correlation is Pearson's, to 9 decimals; NULL where either side does not vary.
func correlation(x, y []float64) any {
	mean := func(of []float64) (sum float64) {
		for _, v := range of {
			sum += v / float64(len(of))
		}
		return sum
	}
	meanX, meanY, xy, xx, yy := mean(x), mean(y), 0.0, 0.0, 0.0
	for i := range x {
		dx, dy := x[i]-meanX, y[i]-meanY
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return null
	}
	return math.Round(xy/math.Sqrt(xx*yy)*1e9) / 1e9
}

package trino_test

import (
	"cmp"
	"math"
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

// The answer of each view, from the truth, in the order of its columns; rows in any order.

func (t *truth) events() (a answer) {
	for i := range t.facts {
		f := &t.facts[i]
		kind := "user"
		if !f.known {
			kind = "session"
		}
		text := func(text string) string { return orNull(text, text != "") }
		seconds := any(null)
		if f.Kind == telemetry.KindSessionEnd {
			seconds = float64(f.Duration)
		}
		a.row(moment(f.Time), f.Kind, f.Session, f.User, kind, f.Service, f.on(), f.version, text(f.Target),
			text(f.Status), seconds,
			text(f.Feature), text(f.Code), text(f.Severity), text(f.Message), text(f.Source), text(f.Campaign),
			text(f.ExperimentName), text(f.ExperimentArm), sampleID(f.User))
	}
	return a
}

func (t *truth) activeInstallations() (a answer) {
	for kind, known := range map[string]bool{"user": true, "session": false} {
		for _, s := range t.active(known) {
			a.row(s.user, kind, s.Service, s.on(), s.Version, t.rank[s.release()], moment(s.ValidFrom),
				moment(s.LastSeenAt))
		}
	}
	return a
}

func (t *truth) activeVersions() (a answer) {
	users, week, today, sessions := distinct[release]{}, distinct[release]{}, distinct[release]{}, distinct[release]{}
	ofService := distinct[string]{}
	installations, all := map[release]int{}, map[release]bool{}
	for _, s := range t.active(true) {
		r := s.release()
		all[r] = true
		users.add(r, s.user)
		ofService.add(s.Service, s.user)
		installations[r]++
		if s.LastSeenAt > t.end-7*day {
			week.add(r, s.user)
		}
		if s.LastSeenAt > t.end-day {
			today.add(r, s.user)
		}
	}
	for _, s := range t.active(false) {
		all[s.release()] = true
		sessions.add(s.release(), s.user)
	}
	for r := range all {
		everyone := ofService.n(r.service)
		low, high := wilson(users.n(r), everyone)
		a.row(r.service, r.version, t.rank[r], users.n(r), part(users.n(r), everyone), week.n(r), today.n(r),
			installations[r], sessions.n(r), moment(t.first[r]), moment(t.last[r]), low, high, everyone < few)
	}
	return a
}

func (t *truth) shutdownImpact() (a answer) {
	type scope struct {
		service string
		all     bool
		device  string
	}
	here := map[scope][]stay{}
	for _, s := range t.active(true) {
		for _, in := range []scope{{s.Service, true, null}, {s.Service, false, s.on()}} {
			here[in] = append(here[in], s)
		}
	}
	for in, stays := range here {
		for _, version := range t.versions[in.service] {
			limit := t.rank[release{in.service, version}]
			everyone, exactly, below, above := distinct[int]{}, distinct[int]{}, distinct[int]{}, distinct[int]{}
			installations := 0
			for _, s := range stays {
				everyone.add(0, s.user)
				switch rank := t.rank[s.release()]; {
				case rank > limit:
					above.add(0, s.user)
				default:
					below.add(0, s.user)
					installations++
					if rank == limit {
						exactly.add(0, s.user)
					}
				}
			}
			cutOff := everyone.n(0) - above.n(0)
			lowBelow, highBelow := wilson(below.n(0), everyone.n(0))
			lowCut, highCut := wilson(cutOff, everyone.n(0))
			a.row(in.service, in.all, in.device, version, limit, exactly.n(0), below.n(0),
				part(below.n(0), everyone.n(0)), cutOff,
				part(cutOff, everyone.n(0)), installations, lowBelow, highBelow, lowCut, highCut, everyone.n(0) < few)
		}
	}
	return a
}

func (t *truth) shutdownUsers() (a answer) {
	active := t.active(true)
	for r, limit := range t.rank {
		newer := map[string]bool{}
		for _, s := range active {
			newer[s.user] = newer[s.user] || s.Service == r.service && t.rank[s.release()] > limit
		}
		for _, s := range active {
			if rank := t.rank[s.release()]; s.Service == r.service && rank <= limit {
				a.row(r.service, r.version, limit, s.user, s.on(), s.Version, rank, moment(s.ValidFrom),
					moment(s.LastSeenAt), newer[s.user])
			}
		}
	}
	return a
}

func (t *truth) versionDeviceDistribution() (a answer) {
	type place struct{ service, version, device string }
	users := distinct[place]{}
	for _, s := range t.active(true) {
		for _, p := range []place{{s.Service, s.Version, s.on()}, {s.Service, s.Version, ""}, {s.Service, "", s.on()},
			{s.Service, "", ""}} {
			users.add(p, s.user)
		}
	}
	for p := range users {
		if n := users.n(p); p.version != "" && p.device != "" {
			ofService := users.n(place{p.service, "", ""})
			ofVersion, ofDevice := users.n(place{p.service, p.version, ""}), users.n(place{p.service, "", p.device})
			low, high := wilson(n, ofService)
			lowVersion, highVersion := wilson(n, ofVersion)
			lowDevice, highDevice := wilson(n, ofDevice)
			a.row(p.service, p.version, t.rank[release{p.service, p.version}], p.device, n, part(n, ofService),
				part(n, ofVersion), part(n, ofDevice), low, high, lowVersion, highVersion, lowDevice, highDevice,
				min(ofVersion, ofDevice) < few)
		}
	}
	return a
}

func (t *truth) notificationStatus() (a answer) {
	type told struct {
		at       int64
		statuses map[string]bool
	}
	byTarget := map[release]map[string]*told{}
	for _, f := range t.of(telemetry.KindNotification) {
		target := release{f.Service, f.Target}
		if byTarget[target] == nil {
			byTarget[target] = map[string]*told{}
		}
		user := byTarget[target][f.User]
		if user == nil {
			user = &told{f.Time, map[string]bool{}}
			byTarget[target][f.User] = user
		}
		user.at = min(user.at, f.Time)
		user.statuses[f.Status] = true
	}
	for target, users := range byTarget {
		reached := map[string]int{}
		var waits []float64
		acceptedAndUpgraded := 0
		for id, user := range users {
			for status := range user.statuses {
				reached[status]++
			}
			upgraded := int64(math.MaxInt64)
			for _, s := range t.stays {
				if s.user == id && s.release() == target && s.ValidFrom >= user.at {
					upgraded = min(upgraded, s.ValidFrom)
				}
			}
			if upgraded == math.MaxInt64 {
				continue
			}
			waits = append(waits, float64((upgraded-user.at)/1000)/3600e3)
			if user.statuses["Accepted"] {
				acceptedAndUpgraded++
			}
		}
		slices.Sort(waits)
		rank := any(null)
		if n, sighted := t.rank[target]; sighted {
			rank = n
		}
		low, high := wilson(len(waits), len(users))
		a.row(target.service, target.version, rank, len(users), reached["Sent"], reached["Shown"], reached["Accepted"],
			reached["Dismissed"],
			reached["Failed"], len(waits), acceptedAndUpgraded, part(len(waits), len(users)), lower(waits, 5),
			low, high, len(users) < few)
	}
	return a
}

func (t *truth) featureUse() (a answer) {
	type use struct {
		release
		feature string
	}
	type feature struct{ service, feature string }
	uses, users, active := map[use][]fact{}, distinct[use]{}, t.activeUsers()
	first := map[feature]int{}
	for _, f := range t.of(telemetry.KindFeatureUsed) {
		u := use{f.release(), f.Feature}
		uses[u] = append(uses[u], f)
		users.add(u, f.User)
		if at, rank := first[feature{f.Service, f.Feature}], t.rank[u.release]; at == 0 || rank < at {
			first[feature{f.Service, f.Feature}] = rank
		}
	}
	for u, facts := range uses {
		rank, firstRank := t.rank[u.release], first[feature{u.service, u.feature}]
		oldest := rank
		for r := range active {
			if r.service == u.service {
				oldest = min(oldest, t.rank[r])
			}
		}
		low, high := wilson(users.n(u), active.n(u.release))
		a.row(u.service, u.feature, u.version, rank, t.versions[u.service][firstRank-1], rank == firstRank &&
			rank > oldest, len(facts), users.n(u),
			part(users.n(u), active.n(u.release)), moment(earliest(facts)), moment(latest(facts)), low, high,
			active.n(u.release) < few)
	}
	return a
}

func earliest(facts []fact) int64 {
	return slices.MinFunc(facts, func(a, b fact) int { return cmp.Compare(a.Time, b.Time) }).Time
}

func latest(facts []fact) int64 {
	return slices.MaxFunc(facts, func(a, b fact) int { return cmp.Compare(a.Time, b.Time) }).Time
}

func (t *truth) experimentVariants() (a answer) {
	type arm struct {
		release
		experiment, variant string
	}
	type subject struct{ service, experiment, user string }
	met, variants := map[arm][]fact{}, distinct[subject]{}
	for _, f := range t.of(telemetry.KindExperiment) {
		key := arm{f.release(), f.ExperimentName, f.ExperimentArm}
		met[key] = append(met[key], f)
		variants.add(subject{f.Service, f.ExperimentName, f.User}, f.ExperimentArm)
	}
	for key, facts := range met {
		mine, all, several := map[string]bool{}, map[string]bool{}, 0
		var last int64
		for other, facts := range met {
			if other.release == key.release && other.experiment == key.experiment {
				for _, f := range facts {
					all[f.User] = true
				}
				last = max(last, latest(facts))
			}
		}
		for _, f := range facts {
			if !mine[f.User] && variants.n(subject{f.Service, f.ExperimentName, f.User}) > 1 {
				several++
			}
			mine[f.User] = true
		}
		issues, ended, seconds := 0, 0, 0.0
		for _, f := range t.of(telemetry.KindIssue, telemetry.KindSessionEnd) {
			switch {
			case f.release() != key.release || !mine[f.User]:
			case f.Kind == telemetry.KindIssue:
				issues++
			default:
				ended, seconds = ended+1, seconds+float64(f.Duration)
			}
		}
		low, high := wilson(len(mine), len(all))
		a.row(key.service, key.experiment, key.variant, key.version, t.rank[key.release], last > t.end-7*day, len(mine),
			part(len(mine), len(all)),
			several, part(1000*issues, len(mine)), part(seconds, ended), moment(earliest(facts)), moment(latest(facts)),
			low, high, len(all) < few, byarLow(issues, len(mine)), byarHigh(issues, len(mine)), len(mine) < few)
	}
	return a
}

func (t *truth) installationSources() (a answer) {
	type origin struct{ service, source, campaign string }
	installs, ofService := map[origin][]fact{}, distinct[string]{}
	users, active := distinct[origin]{}, distinct[origin]{}
	for _, f := range t.of(telemetry.KindInstall) {
		from := origin{f.Service, orNull(f.Source, f.Source != ""), orNull(f.Campaign, f.Campaign != "")}
		installs[from] = append(installs[from], f)
		users.add(from, f.User)
		ofService.add(f.Service, f.User)
		for _, s := range t.active(true) {
			if s.user == f.User && s.Service == f.Service {
				active.add(from, f.User)
			}
		}
	}
	for from, facts := range installs {
		n := users.n(from)
		low, high := wilson(n, ofService.n(from.service))
		lowActive, highActive := wilson(active.n(from), n)
		a.row(from.service, from.source, from.campaign, len(facts), n, part(n, ofService.n(from.service)),
			active.n(from), part(active.n(from), n),
			moment(earliest(facts)), moment(latest(facts)), low, high, lowActive, highActive, n < few)
	}
	return a
}

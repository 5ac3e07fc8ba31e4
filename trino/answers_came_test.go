package trino_test

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/telemetry"
)

// cameFrom is the source of each known user's first Install event in a service.
func (t *truth) cameFrom() map[[2]string]string {
	first := map[[2]string]fact{}
	for _, f := range t.of(telemetry.KindInstall) {
		key := [2]string{f.Service, f.User}
		if known, ok := first[key]; !ok ||
			cmp.Or(cmp.Compare(f.Time, known.Time), cmp.Compare(f.Source, known.Source)) < 0 {
			first[key] = f
		}
	}
	sources := map[[2]string]string{}
	for key, f := range first {
		sources[key] = f.Source
	}
	return sources
}

func (t *truth) cohorts() (a answer) {
	type member struct {
		since int64
		first stay
	}
	began := map[[2]string]member{}
	for _, s := range t.stays {
		key := [2]string{s.Service, s.user}
		if m, ok := began[key]; s.known && (!ok || cmp.Or(cmp.Compare(s.ValidFrom, m.first.ValidFrom),
			cmp.Compare(s.Device, m.first.Device), cmp.Compare(s.Version, m.first.Version)) < 0) {
			began[key] = member{int64(dayOf(s.ValidFrom)), s}
		}
	}
	seen := map[[2]string]map[int64]bool{}
	for _, f := range t.of() {
		key := [2]string{f.Service, f.User}
		if seen[key] == nil {
			seen[key] = map[int64]bool{}
		}
		seen[key][int64(dayOf(f.Time))] = true
	}
	type cohort struct {
		release
		source string
		day    int64
	}
	users, retained := map[cohort]int{}, map[cohort]int{}
	sources := t.cameFrom()
	for key, m := range began {
		source := sources[key]
		for n := int64(0); n <= 30 && moment(m.since+n*day) < t.over(); n++ {
			c := cohort{m.first.release(), orNull(source, source != ""), n}
			users[c]++
			if seen[key][m.since+n*day] {
				retained[c]++
			}
		}
	}
	for c, n := range users {
		low, high := wilson(retained[c], n)
		a.row(c.service, c.version, t.rank[c.release], c.source, c.day, n, retained[c], part(retained[c], n), low, high,
			n < few)
	}
	return a
}

func (t *truth) sourcesByVersion() (a answer) {
	type from struct {
		release
		source string
	}
	users, all, sources := distinct[from]{}, distinct[release]{}, t.cameFrom()
	for _, s := range t.active(true) {
		source := sources[[2]string{s.Service, s.user}]
		users.add(from{s.release(), orNull(source, source != "")}, s.user)
		all.add(s.release(), s.user)
	}
	for f := range users {
		n, of := users.n(f), all.n(f.release)
		low, high := wilson(n, of)
		a.row(f.service, f.version, t.rank[f.release], f.source, n, of, part(n, of), low, high, of < few)
	}
	return a
}

func (t *truth) notificationUsers() (a answer) {
	type key struct {
		release
		user string
	}
	got := map[key][]fact{}
	for _, f := range t.of(telemetry.KindNotification) {
		k := key{release{f.Service, f.Target}, f.User}
		got[k] = append(got[k], f)
	}
	for k, facts := range got {
		state := "other"
		for _, each := range []string{"Sent", "Shown", "Failed", "Dismissed", "Accepted"} {
			if slices.ContainsFunc(facts, func(f fact) bool { return f.Status == each }) {
				state = strings.ToLower(each)
			}
		}
		upgraded, oldest := int64(math.MaxInt64), math.MaxInt
		for _, s := range t.stays {
			if s.user == k.user && s.release() == k.release && s.ValidFrom >= earliest(facts) {
				upgraded = min(upgraded, s.ValidFrom)
			}
		}
		for _, s := range t.active(true) {
			if s.user == k.user && s.Service == k.service && t.rank[s.release()] < t.rank[k.release] {
				oldest = min(oldest, t.rank[s.release()])
			}
		}
		at, older, rank := any(null), any(null), any(null)
		if upgraded != math.MaxInt64 {
			at = moment(upgraded)
		}
		if oldest != math.MaxInt {
			older = t.versions[k.service][oldest-1]
		}
		if n, sighted := t.rank[k.release]; sighted {
			rank = n
		}
		a.row(k.service, k.version, rank, k.user, moment(earliest(facts)), moment(latest(facts)), state,
			at, older != null, older)
	}
	return a
}

func (t *truth) notificationFunnel() (a answer) {
	told, got := map[release]map[string]int64{}, map[string]distinct[release]{}
	for _, stage := range []string{"told", "Shown", "Accepted", "upgraded"} {
		got[stage] = distinct[release]{}
	}
	for _, f := range t.of(telemetry.KindNotification) {
		target := release{f.Service, f.Target}
		if told[target] == nil {
			told[target] = map[string]int64{}
		}
		if at, ok := told[target][f.User]; !ok || f.Time < at {
			told[target][f.User] = f.Time
		}
		got["told"].add(target, f.User)
		if users, is := got[f.Status]; is {
			users.add(target, f.User)
		}
	}
	for _, s := range t.stays {
		if at, ok := told[s.release()][s.user]; ok && s.ValidFrom >= at {
			got["upgraded"].add(s.release(), s.user)
		}
	}
	for target := range told {
		rank := any(null)
		if n, sighted := t.rank[target]; sighted {
			rank = n
		}
		all := got["told"].n(target)
		for i, stage := range []string{"told", "Shown", "Accepted", "upgraded"} {
			n := got[stage].n(target)
			low, high := wilson(n, all)
			a.row(target.service, target.version, rank, i+1, strings.ToLower(stage), n, part(n, all), low, high,
				all < few)
		}
	}
	return a
}

package trino_test

import (
	"hash/crc32"
	"maps"
	"math"
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

// sampleID is the hundredth of users that one falls into.
func sampleID(user string) uint32 { return crc32.ChecksumIEEE([]byte(user)) % 100 }

// percent is the value of sorted ones that so many of a hundred do not exceed.
func percent[T any](sorted []T, percent int) T { return sorted[(len(sorted)*percent+99)/100-1] }

func (f *fact) isCrash() bool {
	return f.Kind == telemetry.KindIssue && slices.Contains([]string{"fatal", "critical", "crash"}, f.Severity)
}

func (t *truth) sessionLength() (a answer) {
	for _, v := range t.activities() {
		n := len(v.ended)
		if n == 0 {
			continue
		}
		a.row(v.service, v.version, t.rank[v.release], n, v.ended[0], percent(v.ended, 25), percent(v.ended, 50),
			percent(v.ended, 75), percent(v.ended, 90), percent(v.ended, 99), v.ended[n-1], n < few)
	}
	return a
}

func (t *truth) sessionLengthHistogram() (a answer) {
	edges := []float64{0, 60, 180, 300, 600, 900, 1200, 1800, 3600, 7200, math.Inf(1)}
	for _, v := range t.activities() {
		for bin := range edges[1:] {
			from, to, n := edges[bin], edges[bin+1], 0
			for _, seconds := range v.ended {
				if seconds >= from && seconds < to {
					n++
				}
			}
			upper := any(to)
			if math.IsInf(to, 1) {
				upper = null
			}
			if len(v.ended) > 0 {
				a.row(v.service, v.version, t.rank[v.release], bin+1, from, upper, n, part(n, len(v.ended)))
			}
		}
	}
	return a
}

func (t *truth) crashFree() (a answer) {
	users, sessions := distinct[release]{}, distinct[release]{}
	for _, f := range t.of() {
		if f.isCrash() {
			users.add(f.release(), f.User)
			sessions.add(f.release(), f.Session)
		}
	}
	for _, v := range t.activities() {
		n, all := len(v.users)-users.n(v.release), len(v.users)
		free, in := len(v.sessions)-sessions.n(v.release), len(v.sessions)
		low, high := wilson(n, all)
		lowS, highS := wilson(free, in)
		a.row(v.service, v.version, t.rank[v.release], all, n, part(n, all), low, high, in, free, part(free, in),
			lowS, highS,
			all < few)
	}
	return a
}

func (t *truth) newIssues() (a answer) {
	type coded struct{ service, code string }
	in := map[coded]map[release][]fact{}
	active, oldest := t.activeUsers(), map[string]int{}
	for r := range active {
		if rank := t.rank[r]; oldest[r.service] == 0 || rank < oldest[r.service] {
			oldest[r.service] = rank
		}
	}
	for _, f := range t.of(telemetry.KindIssue) {
		key := coded{f.Service, f.Code}
		if in[key] == nil {
			in[key] = map[release][]fact{}
		}
		in[key][f.release()] = append(in[key][f.release()], f)
	}
	for key, versions := range in {
		first := slices.MinFunc(slices.Collect(maps.Keys(versions)),
			func(a, b release) int { return t.rank[a] - t.rank[b] })
		if t.rank[first] == oldest[key.service] {
			continue
		}
		users := map[string]bool{}
		for _, f := range versions[first] {
			users[f.User] = true
		}
		low, high := wilson(len(users), active.n(first))
		a.row(key.service, first.version, t.rank[first], key.code, len(versions[first]), len(users), active.n(first),
			part(len(users), active.n(first)), low, high, active.n(first) < few, moment(earliest(versions[first])),
			len(versions)-1)
	}
	return a
}

func (t *truth) sampleRatio() (a answer) {
	type experiment struct{ service, name string }
	met := map[experiment]map[string]map[string]bool{} // users, and the variants of each
	for _, f := range t.of(telemetry.KindExperiment) {
		key := experiment{f.Service, f.ExperimentName}
		if met[key] == nil {
			met[key] = map[string]map[string]bool{}
		}
		if met[key][f.User] == nil {
			met[key][f.User] = map[string]bool{}
		}
		met[key][f.User][f.ExperimentArm] = true
	}
	for key, users := range met {
		alone, several, all := map[string]int{}, map[string]int{}, 0
		for _, variants := range users {
			for variant := range variants {
				if len(variants) == 1 {
					alone[variant]++
					all++
				} else {
					several[variant]++
				}
			}
		}
		arms := maps.Clone(alone)
		maps.Copy(arms, several)
		k := float64(len(arms))
		chi := 0.0
		for variant := range arms {
			chi += math.Pow(float64(alone[variant])-float64(all)/k, 2) / (float64(all) / k)
		}
		p, mismatch := any(null), false
		if k > 1 {
			value := math.Erfc(math.Sqrt(chi / 2)) // of one degree of freedom
			if k > 2 {
				value = math.Exp(-chi / 2)
			}
			p, mismatch = rounded(value, 6), value < 0.001
		}
		for variant := range arms {
			low, high := wilson(alone[variant], all)
			a.row(key.service, key.name, variant, alone[variant], part(alone[variant], all), low, high, 1/k,
				several[variant],
				rounded(chi, 6), p, mismatch, float64(all) < few*k)
		}
	}
	return a
}

// sampleVariance is that of a sample; NULL of one.
func sampleVariance(of []float64, digits int) any {
	if len(of) < 2 {
		return null
	}
	mean, sum := 0.0, 0.0
	for _, v := range of {
		mean += v / float64(len(of))
	}
	for _, v := range of {
		sum += (v - mean) * (v - mean)
	}
	return rounded(sum/float64(len(of)-1), digits)
}

func (t *truth) experimentDays() (a answer) {
	type arm struct{ service, experiment, variant string }
	since := map[arm]map[string]moment{}
	for _, f := range t.of(telemetry.KindExperiment) {
		key := arm{f.Service, f.ExperimentName, f.ExperimentArm}
		if since[key] == nil {
			since[key] = map[string]moment{}
		}
		if at, ok := since[key][f.User]; !ok || dayOf(f.Time) < at {
			since[key][f.User] = dayOf(f.Time)
		}
	}
	type armDay struct {
		arm
		date moment
	}
	issues, ended := map[armDay]map[string]float64{}, map[armDay][]float64{}
	for _, f := range t.of() {
		for key, users := range since {
			at, met := users[f.User]
			if !met || key.service != f.Service || dayOf(f.Time) < at {
				continue
			}
			on := armDay{key, dayOf(f.Time)}
			if issues[on] == nil {
				issues[on] = map[string]float64{}
			}
			issues[on][f.User] += 0
			switch f.Kind {
			case telemetry.KindIssue:
				issues[on][f.User]++
			case telemetry.KindSessionEnd:
				ended[on] = append(ended[on], float64(f.Duration))
			}
		}
	}
	for on, users := range issues {
		sum, seconds := 0.0, 0.0
		for _, n := range users {
			sum += n
		}
		for _, s := range ended[on] {
			seconds += s
		}
		a.row(on.date, on.service, on.experiment, on.variant, len(users), sum, sum/float64(len(users)),
			sampleVariance(slices.Collect(maps.Values(users)), 6), len(ended[on]), part(seconds, len(ended[on])),
			sampleVariance(ended[on], 3), len(users) < few)
	}
	return a
}

func (t *truth) crashesByDevice() (a answer) {
	type place struct{ service, device string }
	type code struct {
		place
		code string
	}
	crashes, users, active := map[code]int{}, distinct[code]{}, distinct[place]{}
	for _, f := range t.of() {
		at := place{f.Service, f.on()}
		active.add(at, f.User)
		if f.isCrash() {
			crashes[code{at, f.Code}]++
			users.add(code{at, f.Code}, f.User)
		}
	}
	for c, n := range crashes {
		rank := 1
		for other, more := range crashes {
			if other.place == c.place && more > n {
				rank++
			}
		}
		low, high := wilson(users.n(c), active.n(c.place))
		a.row(c.service, c.device, c.code, rank, n, users.n(c), active.n(c.place),
			part(users.n(c), active.n(c.place)), low,
			high, active.n(c.place) < few)
	}
	return a
}

func (t *truth) deviceTrend() (a answer) {
	type place struct {
		date            moment
		service, device string
	}
	users, sessions, events, issues := distinct[place]{}, distinct[place]{}, map[place]int{}, map[place]int{}
	for _, f := range t.of() {
		at := place{dayOf(f.Time), f.Service, f.on()}
		users.add(at, f.User)
		users.add(place{at.date, at.service, ""}, f.User) // of all devices
		sessions.add(at, f.Session)
		events[at]++
		if f.Kind == telemetry.KindIssue {
			issues[at]++
		}
	}
	for at, n := range events {
		all := users.n(place{at.date, at.service, ""})
		low, high := wilson(users.n(at), all)
		a.row(at.date, at.service, at.device, users.n(at), part(users.n(at), all), sessions.n(at), n, issues[at],
			low, high, all < few)
	}
	return a
}

func (t *truth) featureUsersByDay() (a answer) {
	type use struct {
		date             moment
		service, feature string
	}
	users, uses := distinct[use]{}, map[use]int{}
	for _, f := range t.of() {
		users.add(use{dayOf(f.Time), f.Service, ""}, f.User)
		if f.Kind == telemetry.KindFeatureUsed {
			u := use{dayOf(f.Time), f.Service, f.Feature}
			users.add(u, f.User)
			uses[u]++
		}
	}
	for u, n := range uses {
		all := users.n(use{u.date, u.service, ""})
		low, high := wilson(users.n(u), all)
		a.row(u.date, u.service, u.feature, users.n(u), n, all, part(users.n(u), all), low, high, all < few)
	}
	return a
}

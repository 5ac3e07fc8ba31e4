package trino_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/telemetry"
)

// What the generator knows of its world, without the lake and without SQL: the answers that the views must give.

// null is how a NULL prints.
const null = "–"

// moment is a time in microseconds UTC; it prints as the world's rows do.
type moment int64

func (m moment) String() string { return time.UnixMicro(int64(m)).UTC().Format(time.RFC3339Nano) }

const day = int64(24 * time.Hour / time.Microsecond)

// release is a version of a service.
type release struct{ service, version string }

// fact is an event that counts.
type fact struct {
	generate.Event
	known   bool   // its user is one, not a session that nobody is known to own
	version string // what ran, by the sightings of its session
}

func (f *fact) on() string { return orNull(f.Device, f.HasDevice) }

func (f *fact) release() release { return release{f.Service, f.version} }

func orNull(text string, ok bool) string {
	if !ok {
		return null
	}
	return text
}

// stay is an interval of a user's history.
type stay struct {
	history.Interval
	user  string
	known bool
}

func (s *stay) on() string { return orNull(s.Device, s.HasDevice) }

func (s *stay) release() release { return release{s.Service, s.Version} }

// truth is all of it.
type truth struct {
	facts []fact
	stays []stay
	end   int64 // the last sighting

	newestHour telemetry.Hour // that has a file

	everyone []history.User // where histories are what is known

	told    map[release]releases.Row // what people told of releases
	uptaken []uptaken                // computed once

	versions map[string][]string // by service, the oldest first
	rank     map[release]int     // from 1
	first    map[release]int64   // sighting
	last     map[release]int64
}

func emptyTruth() *truth {
	return &truth{told: map[release]releases.Row{}, versions: map[string][]string{}, rank: map[release]int{},
		first: map[release]int64{},
		last:  map[release]int64{}}
}

func newTruth(options generate.Options) *truth {
	t := emptyTruth()
	sessions := map[string][]fact{}
	for e := range generate.Truth(options) {
		t.newestHour = max(t.newestHour, e.Hour)
		if e.Kind != telemetry.KindOther {
			sessions[e.Session] = append(sessions[e.Session],
				fact{Event: e, known: !strings.HasPrefix(e.User, history.KindSession+":")})
		}
	}
	sightings := map[string][]history.Sighting{}
	for _, facts := range sessions {
		slices.SortFunc(facts, func(a, b fact) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction))
		})
		for i := range facts {
			facts[i].version = sightedAround(facts, i)
			if facts[i].Kind == telemetry.KindSoftwareVersion {
				sightings[facts[i].User] = append(sightings[facts[i].User], facts[i].Sighting())
			}
		}
		t.facts = append(t.facts, facts...)
	}
	for user, list := range sightings {
		for _, interval := range history.Build(user, "", list).History {
			s := stay{interval, user, !strings.HasPrefix(user, history.KindSession+":")}
			t.stays = append(t.stays, s)
			t.see(&s)
		}
	}
	t.order()
	return t
}

// order gives the versions that were seen their ranks.
func (t *truth) order() {
	for service, versions := range t.versions {
		slices.SortFunc(versions, func(a, b string) int { return history.SortVersions(service, a, b) })
		for i, version := range versions {
			t.rank[release{service, version}] = i + 1
		}
	}
}

func (t *truth) see(s *stay) {
	r := s.release()
	if _, seen := t.first[r]; !seen {
		t.versions[s.Service] = append(t.versions[s.Service], s.Version)
		t.first[r], t.last[r] = s.ValidFrom, s.LastSeenAt
	}
	t.first[r], t.last[r] = min(t.first[r], s.ValidFrom), max(t.last[r], s.LastSeenAt)
	t.end = max(t.end, s.LastSeenAt)
}

// sightedAround is the version that the session's facts, in order, tell for one of them: that of the last sighting
// up to it, else of the first one after it. The generator's sessions have one service each, and end within the
// hour.
func sightedAround(facts []fact, at int) string {
	for i := at; i >= 0; i-- {
		if facts[i].Kind == telemetry.KindSoftwareVersion {
			return facts[i].Version
		}
	}
	for i := at; i < len(facts); i++ {
		if facts[i].Kind == telemetry.KindSoftwareVersion {
			return facts[i].Version
		}
	}
	return null
}

// active are the installations of known users, and of sessions, that were sighted in the last 30 days.
func (t *truth) active(known bool) (list []stay) {
	for _, s := range t.stays {
		if s.Open && s.LastSeenAt > t.end-30*day && s.known == known {
			list = append(list, s)
		}
	}
	return list
}

// of are the facts of known users, of some kinds; all kinds when none is named.
func (t *truth) of(kinds ...telemetry.Kind) (list []fact) {
	for _, f := range t.facts {
		if f.known && (len(kinds) == 0 || slices.Contains(kinds, f.Kind)) {
			list = append(list, f)
		}
	}
	return list
}

// adopted says when each known user first ran each version.
func (t *truth) adopted() map[release]map[string]int64 {
	since := map[release]map[string]int64{}
	for _, s := range t.stays {
		if !s.known {
			continue
		}
		users := since[s.release()]
		if users == nil {
			users = map[string]int64{}
			since[s.release()] = users
		}
		if at, ok := users[s.user]; !ok || s.ValidFrom < at {
			users[s.user] = s.ValidFrom
		}
	}
	return since
}

// activeUsers counts the known users of each version, with any event.
func (t *truth) activeUsers() distinct[release] {
	users := distinct[release]{}
	for _, f := range t.of() {
		users.add(f.release(), f.User)
	}
	return users
}

// distinct counts different values by key.
type distinct[K comparable] map[K]map[any]bool

func (d distinct[K]) add(key K, value any) {
	if d[key] == nil {
		d[key] = map[any]bool{}
	}
	d[key][value] = true
}

func (d distinct[K]) n(key K) int { return len(d[key]) }

// part is a share; NULL of nothing.
func part[A, B int | int64 | float64](some A, all B) any {
	if all == 0 {
		return null
	}
	return float64(some) / float64(all)
}

// lower is the value of sorted ones at or below which n tenths lie; NULL of none.
func lower[T any](sorted []T, tenths int) any {
	if len(sorted) == 0 {
		return null
	}
	return sorted[(len(sorted)*tenths+9)/10-1]
}

// answer collects rows as text.
type answer []string

func (a *answer) row(cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = fmt.Sprint(cell)
	}
	*a = append(*a, strings.Join(text, " | "))
}

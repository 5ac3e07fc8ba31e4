package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// The rules of docs/ARCHITECTURE.md, sections Identity and History, once more and to the letter. Only the order of
// versions is shared with package history: it is a definition.

// plainSession is all that silver has of one session.
type plainSession struct {
	sightings []lake.SightingRow
	bindings  map[string][]lake.BindingRow // by kind
}

func (s *plainSession) add(fact sessionFact) {
	if fact.Binding.Kind == "" {
		s.sightings = append(s.sightings, fact.Sighting)
		return
	}
	if s.bindings == nil {
		s.bindings = map[string][]lake.BindingRow{}
	}
	s.bindings[fact.Binding.Kind] = append(s.bindings[fact.Binding.Kind], fact.Binding)
}

const plainWindow = 24 * 60 * 60 * 1_000_000 // a day, in microseconds

// resolve finds the user and the device of every sighting.
func (s *plainSession) resolve() []plainSighting {
	slices.SortFunc(s.sightings, func(a, b lake.SightingRow) int { return cmp.Compare(a.Time, b.Time) })
	named := map[string][]lake.BindingRow{} // those that are no endings
	for kind, bindings := range s.bindings {
		slices.SortFunc(bindings, func(a, b lake.BindingRow) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
				strings.Compare(a.FileName, b.FileName), cmp.Compare(a.LineNumber, b.LineNumber),
				-strings.Compare(a.Value, b.Value))
		})
		for _, binding := range bindings {
			if binding.Value != "" {
				named[kind] = append(named[kind], binding)
			}
		}
	}
	// Sightings and bindings pass by in the order of time, like two hands of a clock.
	passed, passedNamed := map[string]int{}, map[string]int{}
	pass := func(hands map[string]int, kind string, bindings []lake.BindingRow, time int64) int {
		for hands[kind] < len(bindings) && bindings[hands[kind]].Time <= time {
			hands[kind]++
		}
		return hands[kind]
	}
	bound := func(kind string, time int64) string {
		bindings := s.bindings[kind]
		at, next := pass(passed, kind, bindings, time), pass(passedNamed, kind, named[kind], time)
		if at > 0 && time-bindings[at-1].Time <= plainWindow {
			return bindings[at-1].Value // "": the session ended
		}
		if next < len(named[kind]) && named[kind][next].Time-time <= plainWindow {
			return named[kind][next].Value
		}
		return ""
	}
	resolved := make([]plainSighting, len(s.sightings))
	for i, row := range s.sightings {
		// Both hands must move for each sighting, whether or not it names its user and device.
		user, device := bound(lake.BindingUser, row.Time), bound(lake.BindingDevice, row.Time)
		if row.UserID != "" {
			user = row.UserID
		}
		if row.Device != "" {
			device = row.Device
		}
		switch {
		case user == "":
			user = "session:" + row.SessionID
		case strings.HasPrefix(user, "session:"), strings.HasPrefix(user, "user:"):
			user = "user:" + user
		}
		resolved[i] = plainSighting{
			User: user, Service: row.ServiceName, Device: device, Version: row.Version, Time: row.Time,
			Transaction: row.Transaction,
			File:        row.FileName, Line: row.LineNumber,
		}
	}
	return resolved
}

// plainUser makes the row of a user from all of the user's sightings.
func plainUser(id string, sightings []plainSighting) *lake.UserRow {
	type installation struct{ service, device string }
	installations := map[installation][]plainSighting{}
	for _, s := range sightings {
		at := installation{s.Service, s.Device}
		installations[at] = append(installations[at], s)
	}
	row := &lake.UserRow{UserID: id, UserKind: "user"}
	if strings.HasPrefix(id, "session:") {
		row.UserKind = "session"
	}
	for at, seen := range installations {
		for _, interval := range plainIntervals(at.service, seen) {
			interval.Service, interval.Device = at.service, at.device
			row.History = append(row.History, interval)
		}
	}
	slices.SortFunc(row.History, plainOrder)
	plainSummary(row)
	return row
}

// plainOrder: by the start, then service, then device; no device is "", which comes first.
func plainOrder(a, b lake.IntervalRow) int {
	return cmp.Or(cmp.Compare(a.ValidFrom, b.ValidFrom), strings.Compare(a.Service, b.Service),
		strings.Compare(a.Device, b.Device))
}

// plainIntervals: runs of one version, less those during which the next one began, and what then is equal joined.
func plainIntervals(service string, seen []plainSighting) (intervals []lake.IntervalRow) {
	slices.SortFunc(seen, func(a, b plainSighting) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), strings.Compare(a.Version, b.Version))
	})
	var runs []lake.IntervalRow
	for _, s := range seen {
		if last := len(runs) - 1; last >= 0 && runs[last].Version == s.Version {
			runs[last].LastSeenAt = s.Time
			runs[last].Sightings++
			continue
		}
		runs = append(runs, lake.IntervalRow{Version: s.Version, ValidFrom: s.Time, LastSeenAt: s.Time, Sightings: 1,
			IsDowngrade: new(false)})
	}
	for i, run := range runs {
		if i+1 < len(runs) && runs[i+1].ValidFrom == run.ValidFrom {
			continue
		}
		last := len(intervals) - 1
		if last >= 0 && intervals[last].Version == run.Version {
			intervals[last].LastSeenAt = run.LastSeenAt
			intervals[last].Sightings += run.Sightings
			continue
		}
		if last >= 0 {
			from := run.ValidFrom
			intervals[last].ValidTo = &from
			older, comparable := history.CompareVersions(service, run.Version, intervals[last].Version)
			if run.IsDowngrade = nil; comparable {
				run.IsDowngrade = new(older < 0)
			}
		}
		intervals = append(intervals, run)
	}
	return intervals
}

// plainSummary fills in what follows from a row's history.
func plainSummary(row *lake.UserRow) {
	type pair struct{ service, version string }
	pairs := map[pair]bool{}
	for i, interval := range row.History {
		pairs[pair{interval.Service, interval.Version}] = true
		if i == 0 || interval.ValidFrom < row.FirstSeenAt {
			row.FirstSeenAt = interval.ValidFrom
		}
		if i == 0 || interval.LastSeenAt > row.LastSeenAt {
			row.LastSeenAt = interval.LastSeenAt
		}
	}
	row.VersionCount = int64(len(pairs))
	current := slices.MaxFunc(row.History, plainOrder)
	row.CurrentService, row.CurrentDevice, row.CurrentVersion, row.CurrentSince = current.Service, current.Device, current.Version, current.ValidFrom
	row.PreviousVersion = ""
	for _, interval := range row.History {
		if interval.Service == current.Service && interval.Device == current.Device &&
			interval.ValidFrom < current.ValidFrom {
			row.PreviousVersion = interval.Version // the last one stays
		}
	}
}

// plainDifference says in what a row of gold differs from what it should be; "" if in nothing.
func plainDifference(is, want *lake.UserRow) string {
	var texts []string
	differ := func(name string, is, want any) {
		if is != want {
			texts = append(texts, fmt.Sprintf("%s is %v and should be %v", name, is, want))
		}
	}
	differ("user_kind", is.UserKind, want.UserKind)
	differ("first_seen_at", lake.Moment(is.FirstSeenAt), lake.Moment(want.FirstSeenAt))
	differ("last_seen_at", lake.Moment(is.LastSeenAt), lake.Moment(want.LastSeenAt))
	differ("current_service", is.CurrentService, want.CurrentService)
	differ("current_device", is.CurrentDevice, want.CurrentDevice)
	differ("current_version", is.CurrentVersion, want.CurrentVersion)
	differ("current_since", lake.Moment(is.CurrentSince), lake.Moment(want.CurrentSince))
	differ("previous_version", is.PreviousVersion, want.PreviousVersion)
	differ("version_count", is.VersionCount, want.VersionCount)
	for i := range max(len(is.History), len(want.History)) {
		isText, wantText := "missing", "absent"
		if i < len(is.History) {
			isText = is.History[i].String()
		}
		if i < len(want.History) {
			wantText = want.History[i].String()
		}
		differ(fmt.Sprintf("interval %d", i+1), isText, wantText)
	}
	return strings.Join(texts, "; ")
}

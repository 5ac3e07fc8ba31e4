package plain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// installation is one of a user's.
type installation struct{ service, device string }

// User makes the row of a user from all of the user's sightings. most is how many intervals it may hold; 0: any number.
func User(id string, sightings []Sighting, most int) *lake.UserRow {
	installations := map[installation][]Sighting{}
	for _, s := range sightings {
		at := installation{s.Service, s.Device}
		installations[at] = append(installations[at], s)
	}
	row := &lake.UserRow{UserID: id}
	for at, seen := range installations {
		for _, interval := range intervals(at.service, seen) {
			interval.Service, interval.Device = at.service, at.device
			row.History = append(row.History, interval)
		}
	}
	slices.SortFunc(row.History, Order)
	Summarize(row)
	if most > 0 {
		cut(row, most)
	}
	return row
}

// endOfTime is what a row says that lacks an interval which has not ended.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()

// cut takes intervals out of a row, the one that ended first to begin with, until it has no more than it may hold. What
// it says of the whole history stays.
func cut(row *lake.UserRow, most int) {
	ended := func(i lake.IntervalRow) int64 {
		if i.ValidTo == nil {
			return endOfTime
		}
		return *i.ValidTo
	}
	surplus := len(row.History) - most
	if surplus <= 0 {
		return
	}
	slices.SortFunc(row.History, func(a, b lake.IntervalRow) int {
		return cmp.Or(cmp.Compare(ended(a), ended(b)), Order(a, b))
	})
	row.IntervalsCut, row.CutBefore = int64(surplus), new(ended(row.History[surplus-1]))
	row.History = row.History[surplus:]
	slices.SortFunc(row.History, Order)
}

// Contradictions say in what a row can't be of its own history. Of one that was cut, the history does not tell it all.
func Contradictions(row *lake.UserRow) string {
	want := *row
	Summarize(&want)
	if row.IntervalsCut > 0 {
		want.FirstSeenAt, want.LastSeenAt = min(want.FirstSeenAt, row.FirstSeenAt), max(want.LastSeenAt, row.LastSeenAt)
		want.VersionCount = max(want.VersionCount, row.VersionCount)
		want.PreviousVersion = cmp.Or(want.PreviousVersion, row.PreviousVersion)
	}
	return UserDifference(row, &want)
}

// Order is that of a history: by the start, then service, then device; no device is "", which comes first.
func Order(a, b lake.IntervalRow) int {
	return cmp.Or(cmp.Compare(a.ValidFrom, b.ValidFrom), strings.Compare(a.Service, b.Service),
		strings.Compare(a.Device, b.Device))
}

// intervals are runs of one version, less those during which the next one began, and what then is equal joined.
func intervals(service string, seen []Sighting) (intervals []lake.IntervalRow) {
	runs := runs(seen)
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

// runs are sightings of one version that follow each other.
func runs(seen []Sighting) (runs []lake.IntervalRow) {
	slices.SortFunc(seen, func(a, b Sighting) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Version, b.Version))
	})
	for _, s := range seen {
		if last := len(runs) - 1; last >= 0 && runs[last].Version == s.Version {
			runs[last].LastSeenAt = s.Time
			runs[last].Sightings++
			continue
		}
		runs = append(runs, lake.IntervalRow{Version: s.Version, ValidFrom: s.Time, LastSeenAt: s.Time, Sightings: 1,
			IsDowngrade: new(false)})
	}
	return runs
}

// Summarize fills in what follows from a row's id and history.
func Summarize(row *lake.UserRow) {
	if row.UserKind = "user"; strings.HasPrefix(row.UserID, "session:") {
		row.UserKind = "session"
	}
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
	current := slices.MaxFunc(row.History, Order)
	row.CurrentService, row.CurrentDevice = current.Service, current.Device
	row.CurrentVersion, row.CurrentSince = current.Version, current.ValidFrom
	row.PreviousVersion = ""
	for _, interval := range row.History {
		if interval.Service == current.Service && interval.Device == current.Device &&
			interval.ValidFrom < current.ValidFrom {
			row.PreviousVersion = interval.Version // the last one stays
		}
	}
}

// intervalText is an interval as a person reads it.
func intervalText(i *lake.IntervalRow) string {
	text := i.Service
	if i.Device != "" {
		text += "/" + i.Device
	}
	to := ""
	if i.ValidTo != nil {
		to = lake.Moment(*i.ValidTo)
	}
	text += fmt.Sprintf(" %s [%s, %s) last seen %s, %d sightings", i.Version, lake.Moment(i.ValidFrom), to,
		lake.Moment(i.LastSeenAt), i.Sightings)
	switch {
	case i.IsDowngrade == nil:
		text += ", not comparable with the one before"
	case *i.IsDowngrade:
		text += ", a downgrade"
	}
	return text
}

// Faults say what is wrong with the intervals of a history by themselves.
func Faults(row *lake.UserRow) (faults []string) {
	before := map[installation]*lake.IntervalRow{}
	for i := range row.History {
		interval := &row.History[i]
		at := installation{interval.Service, interval.Device}
		if text := fault(before[at], interval); text != "" {
			faults = append(faults, fmt.Sprintf("interval %d, %s: %s", i+1, intervalText(interval), text))
		}
		before[at] = interval
	}
	for _, last := range before {
		if last.ValidTo != nil {
			faults = append(faults, fmt.Sprintf("the last interval of an installation is closed: %s",
				intervalText(last)))
		}
	}
	return faults
}

// fault says what is wrong with an interval that follows another one of its installation, or none.
func fault(before, interval *lake.IntervalRow) string {
	switch {
	case interval.ValidTo != nil && *interval.ValidTo <= interval.ValidFrom:
		return "it is less than one microsecond long"
	case interval.Sightings < 1:
		return "it has no sighting"
	case interval.LastSeenAt < interval.ValidFrom || interval.ValidTo != nil && interval.LastSeenAt > *interval.ValidTo:
		return "it was last seen outside of itself"
	case before == nil:
		return ""
	case before.ValidTo == nil || *before.ValidTo > interval.ValidFrom:
		return "it overlaps the interval before it, " + intervalText(before)
	case *before.ValidTo < interval.ValidFrom:
		return "there is a gap after the interval before it, " + intervalText(before)
	case before.Version == interval.Version:
		return "it has the version of the interval before it"
	}
	return ""
}

// Package history turns sightings of software versions into intervals: which version was in effect, where, from when to
// when. It is pure: no I/O, no clock. Every time is in microseconds since 1970-01-01 UTC.
package history

import (
	"cmp"
	"slices"
	"strings"
)

// Sighting is one SoftwareVersion event whose user and device are already known: this installation ran this version at
// this moment. File and Line say where the event stands in the source; they only break ties.
type Sighting struct {
	Service           string
	Device            string
	HasDevice         bool // without a device the installation is one of its own, and Device means nothing
	Version           string
	Time, Transaction int64
	File              string
	Line              int64
}

// Compare orders events: by time, then transaction, then file and line. It is total for the events of one source.
func (a *Sighting) Compare(b *Sighting) int {
	return compareOrder(a.Time, b.Time, a.Transaction, b.Transaction, a.File, b.File, a.Line, b.Line)
}

func compareOrder(timeA, timeB, transactionA, transactionB int64, fileA, fileB string, lineA, lineB int64) int {
	return cmp.Or(cmp.Compare(timeA, timeB), cmp.Compare(transactionA, transactionB),
		strings.Compare(fileA, fileB), cmp.Compare(lineA, lineB))
}

func (a *Sighting) installation() installation {
	return newInstallation(a.Service, a.HasDevice, a.Device)
}

// Interval is a version in effect in one installation: [ValidFrom, ValidTo), or from ValidFrom on while Open.
type Interval struct {
	Service            string
	Device             string
	HasDevice          bool
	Version            string
	ValidFrom, ValidTo int64 // ValidTo means nothing while Open
	Open               bool
	LastSeenAt         int64 // the last of the interval's sightings
	Sightings          int64
	// IsDowngrade: older in rank, by CompareVersions, than the installation's interval before it. NotComparable:
	// with that one, so that nobody knows. Both are false for the first interval of an installation.
	IsDowngrade, NotComparable bool
}

func (i *Interval) installation() installation {
	return newInstallation(i.Service, i.HasDevice, i.Device)
}

// Compare orders a history: by the start, then service, then device, no device before any device.
func (i *Interval) Compare(other *Interval) int {
	if i.ValidFrom != other.ValidFrom {
		return cmp.Compare(i.ValidFrom, other.ValidFrom)
	}
	a, b := i.installation(), other.installation()
	return a.compare(&b)
}

// installation is one copy of one product on one device; the user is given.
type installation struct {
	service   string
	hasDevice bool
	device    string
}

func newInstallation(service string, hasDevice bool, device string) installation {
	if !hasDevice {
		device = ""
	}
	return installation{service, hasDevice, device}
}

func (a *installation) compare(b *installation) int {
	if c := strings.Compare(a.service, b.service); c != 0 {
		return c
	}
	if a.hasDevice != b.hasDevice {
		if b.hasDevice {
			return -1
		}
		return 1
	}
	return strings.Compare(a.device, b.device)
}

// User is the one row of a user: the history, and what follows from it. All of it is zero for a user never sighted.
type User struct {
	ID                      string
	Kind                    string // KindUser or KindSession
	FirstSeenAt, LastSeenAt int64  // the first ValidFrom and the last LastSeenAt of the history

	// The current interval is the one with the latest ValidFrom; at a tie, the last of them in the history.
	CurrentService     string
	CurrentDevice      string
	CurrentHasDevice   bool
	CurrentVersion     string
	CurrentSince       int64
	PreviousVersion    string // of the interval before the current one, in the same installation
	HasPreviousVersion bool

	VersionCount int64      // distinct pairs of service and version
	History      []Interval // in the order of Interval.Compare

	// A row holds no more intervals than a table lets it (docs/ARCHITECTURE.md, Cut histories): IntervalsCut older ones
	// are missing in History, all of which had ended by CutBefore. All other fields are of the whole history.
	IntervalsCut int64
	CutBefore    int64 // means nothing while IntervalsCut is 0; EndOfTime where an interval was cut that had not ended
}

// Build makes the row of a user from all of the user's sightings, whatever their order. It sorts its argument in place.
//
// The rules (docs/ARCHITECTURE.md, section History): within an installation, runs of sightings of one version, in the
// order of Compare, become intervals that start at the run's first sighting and end where the next run starts. A run
// that starts at the same microsecond as the next is dropped, its sightings with it, so of several versions at one
// microsecond the last one counts; neighbours that then show the same version are joined.
func Build(id, kind string, sightings []Sighting) User {
	user := User{ID: id, Kind: kind}
	user.Append(sightings)
	return user
}

// Append brings the row up to date with newer sightings: the result equals a Build over all sightings, old and new. It
// returns false, and changes nothing, when a sighting is not strictly later than the last one of its installation, or
// when what was cut from the row decides; the caller then rebuilds. It sorts its argument in place.
func (u *User) Append(sightings []Sighting) bool {
	if len(sightings) == 0 {
		return true
	}
	slices.SortFunc(sightings, CompareWithinUser)
	before := *u
	before.History = slices.Clone(u.History)
	b := NewBuilder(before, 0)
	for i := range sightings {
		if !b.Add(&sightings[i]) {
			return false
		}
	}
	*u = b.User()
	return true
}

// CompareWithinUser sorts by installation and, within it, in the order of events. The version comes last so that even
// events that claim the same place in the source give one result in whatever order they come.
func CompareWithinUser(a, b Sighting) int {
	installationA, installationB := a.installation(), b.installation()
	if c := installationA.compare(&installationB); c != 0 {
		return c
	}
	if c := a.Compare(&b); c != 0 {
		return c
	}
	return strings.Compare(a.Version, b.Version)
}

// summarize derives the other fields of the row from its history, which is not empty, but for the previous version.
func (u *User) summarize() {
	versions := make(map[versionName]struct{}, 1)
	u.FirstSeenAt, u.LastSeenAt = u.History[0].ValidFrom, u.History[0].LastSeenAt
	for i := range u.History {
		interval := &u.History[i]
		u.FirstSeenAt, u.LastSeenAt = min(u.FirstSeenAt, interval.ValidFrom), max(u.LastSeenAt, interval.LastSeenAt)
		versions[versionName{interval.Service, interval.Version}] = struct{}{}
	}
	u.VersionCount = int64(len(versions))
	current := &u.History[len(u.History)-1]
	u.CurrentService, u.CurrentDevice, u.CurrentHasDevice = current.Service, current.Device, current.HasDevice
	u.CurrentVersion, u.CurrentSince = current.Version, current.ValidFrom
}

// CutAt tells that intervals that were in effect at a moment may be missing in the row.
func (u *User) CutAt(t int64) bool { return u.IntervalsCut > 0 && t < u.CutBefore }

// At returns the intervals in effect at a moment, one for each installation known by then, in the order of the history.
func (u *User) At(t int64) []Interval {
	var in []Interval
	for _, interval := range u.History {
		if interval.ValidFrom <= t && (interval.Open || t < interval.ValidTo) {
			in = append(in, interval)
		}
	}
	return in
}

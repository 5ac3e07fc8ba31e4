package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
)

// EndOfTime is the CutBefore of a user of whom an interval was cut that has not ended: 9999-12-31T23:59:59.999999Z.
const EndOfTime = 253_402_300_799_999_999

// Builder brings a user's row up to date with newer sightings, which come one by one in the order of CompareWithinUser.
// It holds three times as many intervals as a row may have, however many sightings come; and 16 bytes for each
// different version of those that it cut.
type Builder struct {
	user User
	max  int                  // of intervals in the row
	old  []Interval           // those of the row before, in their order
	open map[installation]int // where the last interval of each installation lies in old
	made []Interval           // new ones, which nothing changes any more
	cut  cut

	in      installation // of the sightings that come at present
	began   bool         // whether any came
	last    *Interval    // the installation's last interval: of old, or at own; nil: none
	own     Interval
	run     Sighting // the first sighting of the run that is not an interval yet
	runs    bool     // whether there is one
	from    int64    // when it began: before its first sighting, if the row's last interval goes on
	seen    int64    // the time of its last sighting
	counted int64

	current  Interval                 // the last in the order of a history; the version before it is the user's
	someone  bool                     // whether there is one
	versions map[versionName]struct{} // those of the row before, if it was cut
}

type versionName struct{ service, version string }

// NewBuilder begins with a row, or with nothing but a user's id and kind. max is how many intervals the row may have
// in the end; 0: any number. The row's History is changed in place.
func NewBuilder(user User, max int) *Builder {
	if max == 0 {
		max = math.MaxInt
	}
	b := &Builder{user: user, max: max, old: user.History, open: make(map[installation]int, 1)}
	for i := range b.old {
		b.open[b.old[i].installation()] = i
	}
	if len(b.old) == 0 {
		return b
	}
	b.someone = true
	b.current = Interval{Service: user.CurrentService, Device: user.CurrentDevice, HasDevice: user.CurrentHasDevice,
		ValidFrom: user.CurrentSince}
	if user.IntervalsCut > 0 {
		b.versions = map[versionName]struct{}{}
		for i := range b.old {
			b.versions[versionName{b.old[i].Service, b.old[i].Version}] = struct{}{}
		}
	}
	return b
}

// Add takes the next sighting. It returns false when the row can't be brought up to date from what it has: the sighting
// is not strictly later than the last one of its installation, or whether its installation or version is new depends
// on what was cut. The Builder is of no use then.
func (b *Builder) Add(s *Sighting) bool {
	if in := s.installation(); !b.began || in != b.in {
		b.endInstallation()
		b.in, b.began, b.last = in, true, nil
		if at, known := b.open[in]; known {
			b.last = &b.old[at]
			if s.Time <= b.last.LastSeenAt {
				return false
			}
		} else if b.user.IntervalsCut > 0 && b.user.CutBefore == EndOfTime {
			return false
		}
	}
	if b.versions != nil {
		if _, known := b.versions[versionName{s.Service, s.Version}]; !known {
			return false
		}
	}
	if b.runs && s.Version == b.run.Version {
		b.seen = s.Time
		b.counted++
		return true
	}
	fresh := !b.runs
	if b.runs && b.from != s.Time { // else the run is dropped
		b.endRun()
	}
	b.run, b.runs, b.from, b.seen, b.counted = *s, true, s.Time, s.Time, 1
	if fresh && b.last != nil && b.last.Version == s.Version {
		b.from = b.last.ValidFrom
	}
	return true
}

// endRun makes an interval of the run, or of it and the interval before it.
func (b *Builder) endRun() {
	b.runs = false
	if b.last != nil && b.last.Version == b.run.Version {
		b.last.LastSeenAt = b.seen
		b.last.Sightings += b.counted
		return
	}
	next := Interval{
		Service: b.in.service, Device: b.in.device, HasDevice: b.in.hasDevice, Version: b.run.Version,
		ValidFrom: b.run.Time, Open: true, LastSeenAt: b.seen, Sightings: b.counted,
	}
	if before := b.last; before != nil {
		before.Open, before.ValidTo = false, next.ValidFrom
		order, comparable := CompareVersions(next.Service, next.Version, before.Version)
		next.IsDowngrade, next.NotComparable = order < 0, !comparable
	}
	if !b.someone || next.Compare(&b.current) > 0 {
		b.someone, b.current = true, next
		b.user.PreviousVersion, b.user.HasPreviousVersion = "", false
		if b.last != nil {
			b.user.PreviousVersion, b.user.HasPreviousVersion = b.last.Version, true
		}
	}
	b.keep()
	b.own, b.last = next, &b.own
}

// endInstallation is for when no more sightings of it come.
func (b *Builder) endInstallation() {
	if b.runs {
		b.endRun()
	}
	b.keep()
	b.last = nil
}

// keep puts the last interval to the others, if it is a new one.
func (b *Builder) keep() {
	if b.last != &b.own {
		return
	}
	b.made = append(b.made, b.own)
	if len(b.made)/2 >= b.max {
		b.made = b.cut.from(b.made, b.max)
	}
}

// User ends the work: the row equals one that is made of all sightings, old and new.
func (b *Builder) User() User {
	if !b.began {
		return b.user
	}
	b.endInstallation()
	b.user.History = append(b.old, b.made...)
	if len(b.user.History) > b.max {
		b.user.History = b.cut.from(b.user.History, b.max)
	}
	slices.SortFunc(b.user.History, func(a, b Interval) int { return a.Compare(&b) })
	before := b.user
	b.user.summarize()
	b.cut.addTo(&b.user, &before)
	return b.user
}

// cut is what was left out of a history.
type cut struct {
	intervals           int64
	before              int64
	firstSeen, lastSeen int64
	versions            map[[16]byte]struct{} // by a digest: there may be millions
}

// from leaves the newest intervals of a history. Newer is what ended later; what has not ended is newer than what has,
// and what began later than what began before. So each installation keeps its last intervals, without a gap; and a
// row to which newer sightings are added holds the newest of all: an interval that ends makes room for none that was
// cut, since the one that follows it takes its place.
func (c *cut) from(intervals []Interval, most int) []Interval {
	slices.SortFunc(intervals, func(a, b Interval) int { return -compareNewness(&a, &b) })
	for i := most; i < len(intervals); i++ {
		c.note(&intervals[i])
	}
	clear(intervals[most:])
	return intervals[:most]
}

func compareNewness(a, b *Interval) int {
	return cmp.Or(cmp.Compare(a.end(), b.end()), a.Compare(b))
}

// end is when the interval ended, or EndOfTime.
func (i *Interval) end() int64 {
	if i.Open {
		return EndOfTime
	}
	return i.ValidTo
}

func (c *cut) note(i *Interval) {
	if c.intervals == 0 {
		c.firstSeen, c.lastSeen, c.before = i.ValidFrom, i.LastSeenAt, i.end()
		c.versions = map[[16]byte]struct{}{}
	}
	c.intervals++
	c.firstSeen, c.lastSeen, c.before = min(c.firstSeen, i.ValidFrom), max(c.lastSeen, i.LastSeenAt), max(c.before,
		i.end())
	c.versions[versionDigest(i)] = struct{}{}
}

func versionDigest(i *Interval) [16]byte {
	text := make([]byte, 0, 128)
	text = binary.AppendUvarint(text, uint64(len(i.Service)))
	text = append(append(text, i.Service...), i.Version...)
	sum := sha256.Sum256(text)
	return [16]byte(sum[:])
}

// addTo makes a row that was summarized from its own history one of the whole history. before is the row that it was.
func (c *cut) addTo(user, before *User) {
	if before.IntervalsCut > 0 {
		user.FirstSeenAt = min(user.FirstSeenAt, before.FirstSeenAt)
		user.LastSeenAt = max(user.LastSeenAt, before.LastSeenAt)
		user.VersionCount = before.VersionCount // no other version came, or the row would have been refused
	}
	if c.intervals == 0 {
		return
	}
	user.FirstSeenAt, user.LastSeenAt = min(user.FirstSeenAt, c.firstSeen), max(user.LastSeenAt, c.lastSeen)
	if before.IntervalsCut == 0 {
		for i := range user.History {
			c.versions[versionDigest(&user.History[i])] = struct{}{}
		}
		user.VersionCount = int64(len(c.versions))
		user.CutBefore = c.before
	}
	user.CutBefore = max(user.CutBefore, c.before)
	user.IntervalsCut += c.intervals
}

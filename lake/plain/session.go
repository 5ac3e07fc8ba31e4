package plain

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/versionlake/versionlake/lake"
)

// Session is all that silver has of one session, or of the lines without one, which nothing ties together.
type Session struct {
	ID        string // "": none
	Events    []lake.SilverRow
	Sightings []lake.SightingRow
	Bindings  []lake.BindingRow
}

// Sighting is a sighting whose user and device are known.
type Sighting struct {
	User, Service, Device, Version string
	Time, Transaction              int64
	File                           string
	Line                           int64
}

// Event is an event whose user, device and version are known.
type Event struct {
	User, Session string
	Row           lake.SilverRow // with Device and Version as they were found out
}

const window = 24 * 60 * 60 * 1_000_000 // a day, in microseconds

// facts are what is known of a session, in the order of events.
type facts struct {
	all []lake.BindingRow
	// Those that count for what came before them, too: an ending does not.
	backwards []lake.BindingRow
}

func factsOf(rows []lake.BindingRow, backwards func(lake.BindingRow) bool) facts {
	slices.SortFunc(rows, func(a, b lake.BindingRow) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
			strings.Compare(a.FileName, b.FileName), cmp.Compare(a.LineNumber, b.LineNumber),
			-strings.Compare(a.Value, b.Value)) // of a Logout that names its user, the ending is the last
	})
	f := facts{all: rows}
	for _, row := range rows {
		if backwards(row) {
			f.backwards = append(f.backwards, row)
		}
	}
	return f
}

// at is the value of the last fact at or before a moment, else of the first after it, no further away than a day.
func (f *facts) at(time int64) string {
	after := func(rows []lake.BindingRow) int {
		return sort.Search(len(rows), func(i int) bool { return rows[i].Time > time })
	}
	if next := after(f.all); next > 0 && time-f.all[next-1].Time <= window {
		return f.all[next-1].Value
	}
	if next := after(f.backwards); next < len(f.backwards) && f.backwards[next].Time-time <= window {
		return f.backwards[next].Value
	}
	return ""
}

// bound are the facts that bindings of one kind tell.
func (s *Session) bound(kind string) facts {
	var rows []lake.BindingRow
	for _, row := range s.Bindings {
		if row.Kind == kind {
			rows = append(rows, row)
		}
	}
	return factsOf(rows, func(row lake.BindingRow) bool { return row.Value != "" })
}

// user is whose a row is that names its user, or does not.
func (s *Session) user(named string, users *facts, time int64) string {
	user := cmp.Or(named, users.at(time))
	switch {
	case user == "":
		return "session:" + s.ID
	case strings.HasPrefix(user, "session:"), strings.HasPrefix(user, "user:"):
		return "user:" + user
	}
	return user
}

// Sighted finds the user and the device of every sighting.
func (s *Session) Sighted() []Sighting {
	users, devices := s.bound(lake.BindingUser), s.bound(lake.BindingDevice)
	sighted := make([]Sighting, len(s.Sightings))
	for i, row := range s.Sightings {
		sighted[i] = Sighting{
			User: s.user(row.UserID, &users, row.Time), Service: row.ServiceName,
			Device: cmp.Or(row.Device, devices.at(row.Time)), Version: row.Version,
			Time: row.Time, Transaction: row.Transaction, File: row.FileName, Line: row.LineNumber,
		}
	}
	return sighted
}

// Happened finds the user, the device and the version of every event (docs/METRICS.md, Whose an event is).
func (s *Session) Happened() []Event {
	users, devices := s.bound(lake.BindingUser), s.bound(lake.BindingDevice)
	seen := s.seen(&devices)
	happened := make([]Event, len(s.Events))
	for i, row := range s.Events {
		user := s.user(row.UserID, &users, row.Time)
		isSighting := row.EventName == "SoftwareVersion" && row.Version != ""
		of := seen[row.ServiceName]
		row.Device = cmp.Or(row.Device, devices.at(row.Time))
		if row.Device == "" && !isSighting {
			row.Device = of.devices.at(row.Time)
		}
		row.Version = cmp.Or(row.Version, of.versions.at(row.Time))
		happened[i] = Event{User: user, Session: s.ID, Row: row}
	}
	return happened
}

// seenFacts are what the sightings of a session tell of one service.
type seenFacts struct{ versions, devices facts }

func (s *Session) seen(bound *facts) map[string]seenFacts {
	seen := map[string]seenFacts{}
	if s.ID == "" {
		return seen
	}
	versions, devices := map[string][]lake.BindingRow{}, map[string][]lake.BindingRow{}
	for _, row := range s.Sightings {
		fact := lake.BindingRow{Value: row.Version, Time: row.Time, Transaction: row.Transaction,
			FileName: row.FileName, LineNumber: row.LineNumber}
		versions[row.ServiceName] = append(versions[row.ServiceName], fact)
		fact.Value = cmp.Or(row.Device, bound.at(row.Time))
		devices[row.ServiceName] = append(devices[row.ServiceName], fact)
	}
	always := func(lake.BindingRow) bool { return true }
	for service := range versions {
		seen[service] = seenFacts{factsOf(versions[service], always), factsOf(devices[service], always)}
	}
	return seen
}

package daily

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// dayEvent is an event whose user, device and version are known.
type dayEvent struct {
	key   dayKey
	user  string
	ended int64 // seconds, see endedAfter
}

// sessions counts what sessions tell alone, and hands on which users they are of.
func (c *dayCounting) sessions(ctx context.Context, j *sessions.Join, users *objects.Spill) error {
	counts := objects.NewLanes[sessionCounting]()
	if err := j.Sessions(ctx, func(rows []*sessions.SessionRow) error {
		return counts.With(func(s *sessionCounting) error {
			if s.tally == nil {
				s.tally = newTally(c.add)
			}
			s.read(rows)
			return s.count(users)
		})
	}); err != nil {
		return err
	}
	for _, s := range counts.All() {
		if s.tally != nil {
			if err := s.tally.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sessionCounting works on one session after the other.
type sessionCounting struct {
	tally    *tally
	bound    sessions.Bound
	versions map[string]history.Bindings // by service: what sightings tell, looked up as bindings are
	devices  map[string]history.Bindings // likewise
	events   []dayEvent
	none     bool // the events have no session, and nothing to do with each other
}

func (s *sessionCounting) read(rows []*sessions.SessionRow) {
	s.bound = sessions.Bound{Users: s.bound.Users[:0], Devices: s.bound.Devices[:0]}
	s.versions, s.devices, s.events = map[string]history.Bindings{}, map[string]history.Bindings{}, s.events[:0]
	for _, row := range rows {
		switch row.Kind {
		case 'u':
			s.bound.Users = append(s.bound.Users, row.Binding())
		case 'd':
			s.bound.Devices = append(s.bound.Devices, row.Binding())
		}
	}
	s.bound.Users.Link()
	s.none = rows[0].Session == ""
	for _, row := range rows {
		if row.Kind != 's' || s.none {
			continue
		}
		seen := row.Binding()
		s.versions[row.Service] = append(s.versions[row.Service], seen)
		_, sighting := s.bound.Resolve(row)
		seen.Value = sighting.Device
		s.devices[row.Service] = append(s.devices[row.Service], seen)
	}
	for _, row := range rows {
		if row.Kind == dailyEvent {
			s.events = append(s.events, s.resolve(row))
		}
	}
}

func (s *sessionCounting) resolve(row *sessions.SessionRow) (e dayEvent) {
	d := objects.Decoder{Data: unsafe.Slice(unsafe.StringData(row.Value), len(row.Value))}
	e.key = dayKey{date: lake.DateOf(row.Time), Service: row.Service, Version: d.Text(), event: d.Text(),
		name: d.Text(), detail: d.Text()}
	e.ended, _ = strconv.ParseInt(d.Text(), 10, 64)
	user, sighting := s.bound.Resolve(row)
	e.user, e.key.device = user, sighting.Device
	sighted := e.key.event == telemetry.KindSoftwareVersion.String() && e.key.Version != ""
	if e.key.device == "" && !sighted {
		e.key.device, _ = s.devices[row.Service].Resolve(row.Time, history.DefaultWindow)
	}
	if e.key.Version == "" {
		e.key.Version, _ = s.versions[row.Service].Resolve(row.Time, history.DefaultWindow)
	}
	return e
}

// count is given one session, or all events without one.
func (s *sessionCounting) count(users *objects.Spill) error {
	slices.SortFunc(s.events, func(a, b dayEvent) int {
		if c := a.key.compare(&b.key); c != 0 {
			return c
		}
		return strings.Compare(a.user, b.user)
	})
	for i := range s.events {
		e := &s.events[i]
		version := e.key.ofVersion()
		if !s.none && (i == 0 || s.events[i-1].key.ofVersion() != version) {
			if err := s.tally.add(&version, lake.CountVersionSessions, 1); err != nil {
				return err
			}
		}
		if !s.none && (i == 0 || s.events[i-1].key != e.key) {
			if err := s.tally.add(&e.key, countSessions, 1); err != nil {
				return err
			}
		}
		if err := s.countEvent(e, &version); err != nil {
			return err
		}
		if i > 0 && s.events[i-1].key == e.key && s.events[i-1].user == e.user {
			continue
		}
		section := int(xxhash.Sum64String(e.user) % uint64(users.Sections))
		if err := users.Add(section,
			func(buffer []byte) []byte { return e.key.append(objects.AppendText(buffer, e.user)) }); err != nil {
			return err
		}
	}
	return nil
}

var notificationCounts = map[string]int{
	"Sent": lake.CountNotificationsSent, "Shown": lake.CountNotificationsShown,
	"Accepted":  lake.CountNotificationsAccepted,
	"Dismissed": lake.CountNotificationsDismissed, "Failed": lake.CountNotificationsFailed,
}

// countEvent counts one event, in both tables.
func (s *sessionCounting) countEvent(e *dayEvent, version *dayKey) error {
	if err := s.tally.add(&e.key, countEvents, 1); err != nil {
		return err
	}
	switch e.key.event {
	case telemetry.KindIssue.String():
		return s.tally.add(version, lake.CountIssues, 1)
	case telemetry.KindNotification.String():
		place, known := notificationCounts[e.key.detail]
		if !known {
			place = lake.CountNotificationsOther
		}
		return s.tally.add(version, place, 1)
	case telemetry.KindSessionEnd.String():
		if e.ended < 0 {
			return nil
		}
		if err := s.tally.add(version, lake.CountSessionsEnded, 1); err != nil {
			return err
		}
		return s.tally.add(version, lake.CountSessionSeconds, e.ended)
	}
	return nil
}

package events

import (
	"math"
	"strconv"
	"strings"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// event is what decides whose an event is.
type event struct {
	key              int64
	session, service string
	time             int64
	isSighting       bool // a SoftwareVersion event that tells its version
	// What the event says itself; "" where it says nothing.
	user, device, version string
}

// resolved is what the event and its session say together.
type resolved struct{ user, kind, device, version string }

// resolver resolves events, best in the order of their sessions.
type resolver struct {
	facts   *facts
	local   *local // nil: none
	section sessions.Section
	read    int // number of the section that was read, -1 for none

	key     int64
	session string
	some    bool
	known   bool // the session is the one that was asked for last
	bound   sessions.Bound
	// What sightings tell, by service, looked up as bindings are.
	services []sighted
}

type sighted struct {
	service           string
	versions, devices history.Bindings
}

func newResolver(f *facts) *resolver { return &resolver{facts: f, read: -1} }

func (r *resolver) resolve(e *event) (result resolved, err error) {
	result = resolved{device: e.device, version: e.version}
	named := e.user
	if e.session != "" {
		if err := r.seek(e); err != nil {
			return result, err
		}
		if r.some {
			named = r.resolveBySession(e, &result)
		}
	}
	result.user, result.kind = history.UserID(named, e.session)
	return result, nil
}

func (r *resolver) resolveBySession(e *event, result *resolved) (named string) {
	if named = e.user; named == "" {
		named, _ = r.bound.Users.Resolve(e.time, history.DefaultWindow)
	}
	if result.device == "" {
		result.device, _ = r.bound.Devices.Resolve(e.time, history.DefaultWindow)
	}
	if result.device != "" && result.version != "" {
		return named
	}
	for i := range r.services {
		of := &r.services[i]
		if of.service != e.service {
			continue
		}
		if result.device == "" && !e.isSighting {
			result.device, _ = of.devices.Resolve(e.time, history.DefaultWindow)
		}
		if result.version == "" {
			result.version, _ = of.versions.Resolve(e.time, history.DefaultWindow)
		}
	}
	return named
}

// seek makes the session of an event the present one.
func (r *resolver) seek(e *event) error {
	if r.known && r.key == e.key && r.session == e.session {
		return nil
	}
	rows, err := r.rows(e)
	if err != nil {
		return err
	}
	r.key, r.session, r.known = e.key, strings.Clone(e.session), true
	r.some = len(rows) > 0
	r.bound = sessions.Bound{Users: r.bound.Users[:0], Devices: r.bound.Devices[:0]}
	r.services = r.services[:0]
	for i := range rows {
		switch rows[i].Kind {
		case 'u':
			r.bound.Users = append(r.bound.Users, rows[i].Binding())
		case 'd':
			r.bound.Devices = append(r.bound.Devices, rows[i].Binding())
		}
	}
	r.bound.Users.Link()
	for i := range rows {
		if rows[i].Kind == 's' {
			r.sight(&rows[i])
		}
	}
	return nil
}

// rows are what is known of an event's session.
func (r *resolver) rows(e *event) (rows []sessions.SessionRow, err error) {
	section := r.facts.some
	if section == nil {
		section = &r.section
		if number := r.facts.sections.Of(e.key); number != r.read {
			r.read = -1
			if err := r.facts.sections.Read(number, section); err != nil {
				return nil, err
			}
			r.read = number
		}
	}
	if len(section.Rows) > 0 {
		rows = section.Session(e.key, e.session)
	}
	if r.local != nil {
		return r.local.session(e.key, e.session, rows)
	}
	return rows, nil
}

func (r *resolver) sight(row *sessions.SessionRow) {
	at := 0
	for at < len(r.services) && r.services[at].service != row.Service {
		at++
	}
	if at == len(r.services) {
		if at < cap(r.services) { // with the room of an earlier one
			r.services = r.services[:at+1]
			r.services[at].versions, r.services[at].devices = r.services[at].versions[:0], r.services[at].devices[:0]
		} else {
			r.services = append(r.services, sighted{})
		}
		r.services[at].service = row.Service
	}
	seen := row.Binding()
	r.services[at].versions = append(r.services[at].versions, seen)
	_, sighting := r.bound.Resolve(row)
	seen.Value = sighting.Device
	r.services[at].devices = append(r.services[at].devices, seen)
}

// seconds is the duration of a session that ended; false where the event tells none.
func seconds(eventName, duration string) (float64, bool) {
	const most = 31 * 24 * 60 * 60
	if duration == "" || eventName != telemetry.KindSessionEnd.String() ||
		strings.Trim(duration, "0123456789.eE+-") != "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(duration, 64)
	if err != nil || !(value >= 0 && value <= most) {
		return 0, false
	}
	if value == 0 {
		value = math.Abs(value) // of -0
	}
	return value, true
}

// isSighting tells a SoftwareVersion event that tells its version.
func isSighting(eventName string, named int32) bool {
	return named&lake.NamedVersion != 0 && eventName == telemetry.KindSoftwareVersion.String()
}

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
	known   bool // the session is the one that was asked for last
	now     *tracks
}

// tracks are what is known of a session.
type tracks struct {
	bound sessions.Bound
	// What sightings tell, by service, looked up as bindings are.
	services []sighted
	rows     int
}

type sighted struct {
	service           string
	versions, devices history.Timeline
}

func newResolver(f *facts) *resolver { return &resolver{facts: f, read: -1, now: &tracks{}} }

func (r *resolver) resolve(e *event) (result resolved, err error) {
	result = resolved{device: e.device, version: e.version}
	named := e.user
	if e.session != "" {
		if err := r.seek(e); err != nil {
			return result, err
		}
		if r.now.rows > 0 {
			named = r.now.resolve(e, &result)
		}
	}
	result.user, result.kind = history.UserID(named, e.session)
	return result, nil
}

func (k *tracks) resolve(e *event, result *resolved) (named string) {
	if named = e.user; named == "" {
		named, _ = k.bound.Users.Resolve(e.time)
	}
	if result.device == "" {
		result.device, _ = k.bound.Devices.Resolve(e.time)
	}
	if result.device != "" && result.version != "" {
		return named
	}
	for i := range k.services {
		of := &k.services[i]
		if of.service != e.service {
			continue
		}
		if result.device == "" && !e.isSighting {
			result.device, _ = of.devices.Resolve(e.time)
		}
		if result.version == "" {
			result.version, _ = of.versions.Resolve(e.time)
		}
	}
	return named
}

// seek makes the session of an event the present one.
func (r *resolver) seek(e *event) error {
	if r.known && r.key == e.key && r.session == e.session {
		return nil
	}
	if large := r.facts.large[e.session]; large != nil {
		r.now = large
	} else {
		if r.now.rows > largeSession { // somebody else may hold it
			r.now = &tracks{}
		}
		r.now.reset()
		rows, err := r.rows(e)
		if err != nil {
			return err
		}
		if r.local != nil {
			err = r.local.session(e.key, e.session, rows, r.now)
		} else {
			eachBindingFirst(rows, r.now.take)
		}
		if err != nil {
			return err
		}
		r.now.bound.Users.Link()
	}
	r.key, r.session, r.known = e.key, strings.Clone(e.session), true
	return nil
}

// rows are what the facts have of an event's session.
func (r *resolver) rows(e *event) ([]sessions.SessionRow, error) {
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
	if len(section.Rows) == 0 {
		return nil, nil
	}
	return section.Session(e.key, e.session), nil
}

// eachBindingFirst hands out sorted rows of a session, the bindings before the sightings.
func eachBindingFirst(rows []sessions.SessionRow, take func(*sessions.SessionRow)) {
	for _, sightings := range [...]bool{false, true} {
		for i := range rows {
			if (rows[i].Kind == 's') == sightings {
				take(&rows[i])
			}
		}
	}
}

func (k *tracks) reset() {
	k.bound.Users.Reset()
	k.bound.Devices.Reset()
	k.services, k.rows = k.services[:0], 0
}

// own lets it outlive the rows that it was made of.
func (k *tracks) own() {
	k.bound.Users.Own()
	k.bound.Devices.Own()
	for i := range k.services {
		of := &k.services[i]
		of.service = strings.Clone(of.service)
		of.versions.Own()
		of.devices.Own()
	}
}

// take takes a session's next row: bindings in the order of events, then sightings in theirs.
func (k *tracks) take(row *sessions.SessionRow) {
	k.rows++
	switch row.Kind {
	case 'u':
		k.bound.Users.Add(row.Value, row.Ends(), row.Time)
		return
	case 'd':
		k.bound.Devices.Add(row.Value, false, row.Time)
		return
	}
	at := 0
	for at < len(k.services) && k.services[at].service != row.Service {
		at++
	}
	if at == len(k.services) {
		if at < cap(k.services) { // with the room of an earlier one
			k.services = k.services[:at+1]
			k.services[at].versions.Reset()
			k.services[at].devices.Reset()
		} else {
			k.services = append(k.services, sighted{})
		}
		k.services[at].service = row.Service
	}
	k.services[at].versions.Add(row.Value, false, row.Time)
	device := row.Device
	if device == "" {
		device, _ = k.bound.Devices.Resolve(row.Time)
	}
	k.services[at].devices.Add(device, false, row.Time)
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

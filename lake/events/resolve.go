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
	now     *sessions.Known
}

func newResolver(f *facts) *resolver { return &resolver{facts: f, read: -1, now: &sessions.Known{}} }

func (r *resolver) resolve(e *event) (result resolved, err error) {
	said := sessions.Saying{User: e.user, Device: e.device, Version: e.version}
	if e.session != "" {
		if err := r.seek(e); err != nil {
			return result, err
		}
		if r.now.Rows > 0 {
			r.now.Complete(&said, e.service, e.time, e.isSighting)
		}
	}
	result = resolved{device: said.Device, version: said.Version}
	result.user, result.kind = history.UserID(said.User, e.session)
	return result, nil
}

// seek makes the session of an event the present one.
func (r *resolver) seek(e *event) error {
	if r.known && r.key == e.key && r.session == e.session {
		return nil
	}
	if large := r.facts.large[e.session]; large != nil {
		r.now = large
	} else {
		if r.now.Rows > largeSession { // somebody else may hold it
			r.now = &sessions.Known{}
		}
		r.now.Reset()
		rows, err := r.rows(e)
		if err != nil {
			return err
		}
		if r.local != nil {
			err = r.local.session(e.key, e.session, rows, r.now)
		} else {
			r.now.TakeSorted(rows)
		}
		if err != nil {
			return err
		}
		r.now.Link()
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

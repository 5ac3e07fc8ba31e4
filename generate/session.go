package generate

import (
	"strconv"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// session is one session of one user in one installation, from which each of its events follows by number alone: an
// event that lies in another hour can be made without those before it.
type session struct {
	seed    seed
	events  seed // of its events, by number
	product *product
	device  *device
	rollout rollout
	dialect dialect

	id           string
	user         string // whose it is: a user, or the session itself
	other        string // who logs in later in the session, from event `handover` on
	handover     int
	ending       int // number of the event from which on it is nobody's
	goodbye      goodbye
	named        bool // a Login, and maybe bodies, say whose it is
	noDevice     bool // no event of it says on what device it runs
	deviceByInfo bool // only its DeviceInfo does

	start, length int64 // milliseconds, by the true time
	slice         int64 // milliseconds per event
	skew          int64 // milliseconds by which its clock is ahead
	lines         int
	opening       [12]telemetry.Kind // its first events
	opened        int
	closes        bool // its last event is a SessionEnd
	login         int  // number of the Login event, -1 for none
	issues        int  // of a thousand events, those that are issues: some releases are worse than others
	pending       int  // number of the release that its notifications are about
	outcome       string
}

// noEnd is a handover or an ending that never comes.
const noEnd = maxLinesPerSession

// goodbye is how a session becomes nobody's.
type goodbye int

const (
	logout        goodbye = iota // of nobody
	logoutOfUser                 // names the user
	loginOfNobody                // instead
	goodbyes
)

// userID names a user. The low numbers are left to scripts.
func userID(number int) string { return "p" + strconv.Itoa(1000+number) }

// span is when the session of a seed starts, how long it is, both in milliseconds, and about how many events it has.
func (w *world) span(roll seed, from telemetry.Hour) (start, length int64, lines int) {
	mean := w.SessionLength.Milliseconds()
	lines = w.lines/2 + roll.of(ofLines).below(w.lines+1)
	// A millisecond for each event is the least, those of the opening included.
	length = max(mean/2+roll.of(ofLength).within(mean), int64(lines+len(session{}.opening)+2))
	room := hourMs
	if from == w.last {
		room -= length // what came after the world's end would be lost, and maybe the Login with it
	}
	return startMs(from) + roll.of(ofStart).within(room), length, lines
}

func (w *world) session(u *user, roll seed, slot int, install bool, from telemetry.Hour) session {
	product, device := w.installation(u, slot)
	own := u.seed.of(ofInstall).of(uint64(slot))
	s := session{
		seed: roll, events: roll.of(ofEvents), product: product, device: device,
		rollout: rollout{product: product, seed: own, tester: u.seed.of(ofTester).below(10) == 0,
			span: int64(float64(w.Cadence.Milliseconds()) * product.rhythm)},
		id:       sessionID(roll),
		handover: noEnd, ending: noEnd, login: -1,
		named:    !roll.of(ofAnonymous).is(w.Anonymous),
		noDevice: own.of(ofDeviceless).is(w.Deviceless),
		closes:   own.of(ofReports).below(8) == 0,
	}
	s.start, s.length, s.lines = w.span(roll, from)
	if own.of(ofDialect).is(w.Dialects) {
		s.dialect = 1 + dialect(own.of(ofDialectKind).below(int(dialects)-1))
		s.deviceByInfo = !s.noDevice && own.of(ofInfoDevice).below(2) == 0
	}
	if own.of(ofSkew).is(w.Skewed) {
		s.skew = own.of(ofSkewTime).within(24*hourMs) - 12*hourMs
	}
	if s.user = userID(u.number); !s.named {
		s.user, _ = history.UserID("", s.id)
	}
	running := s.rollout.running(s.start)
	s.issues = 3 * product.releases[running].fragile
	s.open(install, running)
	if middle := (s.opened + s.lines) / 2; s.named && middle < s.lines-1 && roll.of(ofSwitch).is(w.Shared) {
		if other := roll.of(ofSwitchTo).below(w.Users); other != u.number {
			s.handover, s.other = middle, userID(other)
		}
	}
	if end := s.opened + (s.lines-s.opened)*3/4; s.named && end > s.opened && end != s.handover && end < s.lines-1 &&
		roll.of(ofEnding).is(w.Ended) {
		s.ending, s.goodbye = end, goodbye(roll.of(ofGoodbye).below(int(goodbyes)))
	}
	s.slice = s.length / int64(s.lines)
	return s
}

// open decides the session's first events, and makes it long enough for them.
func (s *session) open(install bool, running int) {
	add := func(kinds ...telemetry.Kind) { s.opened += copy(s.opening[s.opened:], kinds) }
	if s.closes {
		add(telemetry.KindSessionStart)
	}
	if install {
		add(telemetry.KindInstall)
	}
	// Some clients report their version before they know who uses them.
	early := s.seed.of(ofOrder).below(5) == 0
	if early {
		add(telemetry.KindSoftwareVersion)
	}
	if s.named {
		s.login = s.opened
		add(telemetry.KindLogin)
	}
	if s.deviceByInfo || (!s.noDevice && s.seed.of(ofInfo).below(5) == 0) {
		add(telemetry.KindDeviceInfo)
	}
	if !early {
		add(telemetry.KindSoftwareVersion)
	}
	if pending, soon, ok := s.rollout.pending(s.start, running); ok && s.seed.of(ofNotify).below(10) == 0 {
		s.pending, s.outcome = pending, "Dismissed"
		if soon {
			s.outcome = "Accepted"
		}
		switch roll := s.seed.of(ofStatus).below(20); {
		case roll == 0:
			s.outcome = "Failed"
			add(telemetry.KindNotification, telemetry.KindNotification)
		case roll < 4:
			s.outcome = "Shown" // and left at that
			add(telemetry.KindNotification, telemetry.KindNotification)
		default:
			add(telemetry.KindNotification, telemetry.KindNotification, telemetry.KindNotification)
		}
	}
	if s.seed.of(ofVariant).below(20) == 0 {
		add(telemetry.KindExperiment)
	}
	s.lines = max(s.lines, s.opened+2)
}

// kind says what event number n is about.
func (s *session) kind(n int) telemetry.Kind {
	switch {
	case n < s.opened:
		return s.opening[n]
	case n == s.handover, n == s.ending && s.goodbye == loginOfNobody:
		return telemetry.KindLogin
	case n == s.ending:
		return telemetry.KindLogout
	case n == s.lines-1 && s.closes:
		return telemetry.KindSessionEnd
	}
	switch roll := s.events.of(uint64(n)).of(ofKind).below(1000); {
	case roll < s.issues:
		return telemetry.KindIssue
	case roll < 20:
		return telemetry.KindSoftwareVersion
	case roll < 45:
		return telemetry.KindFeatureUsed
	}
	return telemetry.KindOther
}

// time is the true time of event number n, in milliseconds. No two events of a session share a time.
func (s *session) time(n int) int64 {
	return s.start + int64(n)*s.slice + s.events.of(uint64(n)).of(ofTime).within(s.slice)
}

var (
	features = []string{"inventory", "chat", "trade", "photo-mode", "crossplay", "map-editor", "replays", "voice",
		"cloud-save",
		"spectate", "mods", "tournaments"}
	codes    = []string{"E1042", "E2001", "E2107", "E3310", "GPU-7", "NET-12"}
	messages = []string{"can't reach the server", "shader cache is cold", "save slot \"2\" is locked",
		"timeout after 30 s", `no such file: C:\saves\2`}
	sources  = []string{"store", "website", "bundle", "friend"}
	campaign = []string{"", "spring-sale", "launch-week", "streamers"}
	trials   = []struct {
		name string
		arms []string
	}{{"new-hud", []string{"control", "treatment"}}, {"matchmaking", []string{"A", "B", "C"}}}
)

// event makes event number n.
func (s *session) event(w *world, n int, e *Event) {
	roll := s.events.of(uint64(n))
	now := s.time(n)
	kind := s.kind(n)
	*e = Event{
		Kind: kind, Name: nameOf(kind), Time: (now + s.skew) * 1000, Service: s.product.name, Session: s.id,
		Transaction: int64(n),
		User:        s.user, NamesUser: s.named &&
			(kind == telemetry.KindLogin || (w.Named > 0 && roll.of(ofNamed).is(w.Named))),
		HasDevice: !s.noDevice, dialect: s.dialect, body: roll.of(ofBody),
	}
	if n >= s.handover {
		e.User = s.other
	}
	if byName := n == s.ending && s.goodbye == logoutOfUser; byName {
		e.NamesUser = true
	} else if n >= s.ending {
		e.User, _ = history.UserID("", s.id)
		e.NamesUser = false
	}
	if e.HasDevice {
		e.Device = s.device.name
		e.NamesDevice = kind == telemetry.KindDeviceInfo || (kind == telemetry.KindSoftwareVersion && !s.deviceByInfo)
	}
	s.details(n, now, roll, e)
}

// details are what only events of its kind say.
func (s *session) details(n int, now int64, roll seed, e *Event) {
	switch e.Kind {
	case telemetry.KindSoftwareVersion:
		e.Version = s.product.releases[s.rollout.running(now)].version
	case telemetry.KindDeviceInfo:
		e.OS, e.Model, e.Memory = s.device.os, s.device.model, s.device.memory
	case telemetry.KindNotification:
		e.Target, e.Status = s.product.releases[s.pending].version, s.outcome
		switch {
		case s.opening[n-1] != telemetry.KindNotification:
			e.Status = "Sent"
		case s.opening[n+1] == telemetry.KindNotification:
			e.Status = "Shown"
		}
	case telemetry.KindSessionEnd:
		e.Duration = (now - s.start) / second
	case telemetry.KindFeatureUsed:
		// Later releases have more features.
		known := min(len(features), 4+s.rollout.running(now)/3)
		e.Feature = features[roll.of(ofVariant).below(known)]
	case telemetry.KindIssue:
		pick := roll.of(ofVariant)
		e.Code, e.Severity, e.Message = codes[pick.of(0).below(len(codes))], "warning", messages[pick.of(
			1).below(len(messages))]
		switch pick.of(2).below(6) {
		case 0:
			e.Name, e.Severity = "Crash", "fatal"
		case 1, 2:
			e.Name, e.Severity = "Error", "error"
		}
	case telemetry.KindInstall:
		pick := roll.of(ofVariant)
		e.Source, e.Campaign = sources[pick.of(0).below(len(sources))], campaign[pick.of(1).below(len(campaign))]
	case telemetry.KindExperiment:
		// A user keeps its arm.
		trial := &trials[s.rollout.seed.of(ofVariant).below(len(trials))]
		e.ExperimentName, e.ExperimentArm = trial.name, trial.arms[s.rollout.seed.of(ofKind).below(len(trial.arms))]
	}
}

// sessionID is 32 hexadecimal digits.
func sessionID(s seed) string {
	const hex = "0123456789ABCDEF"
	var id [32]byte
	high, low := uint64(s.of(ofSession)), uint64(s.of(ofSession2))
	for i := range 16 {
		id[i], id[16+i] = hex[high>>(60-4*i)&15], hex[low>>(60-4*i)&15]
	}
	return string(id[:])
}

package generate

import (
	"fmt"
	"iter"
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

// Events yields every line of an hour, file by file and in the order of the lines: those that count, those repeated and
// those broken. It is what Write writes. The options must be valid.
func Events(o Options, hour telemetry.Hour) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		w, err := newWorld(o)
		if err != nil {
			panic(err) // a mistake of the program: Validate tells before
		}
		for _, f := range w.files(hour) {
			for e := range f.events() {
				if !yield(*e) {
					return
				}
			}
		}
	}
}

// Truth yields the events of the whole world that count, hour by hour: what a lake must have learnt once it has read
// every hour. The options must be valid.
func Truth(o Options) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for h := o.From; h < o.From+telemetry.Hour(o.Hours); h++ {
			for e := range Events(o, h) {
				if e.Counts() && !yield(e) {
					return
				}
			}
		}
	}
}

// file is one file of an hour, yet to be made.
type file struct {
	world  *world
	hour   telemetry.Hour
	number int    // scriptFile for the one with the script
	path   string // below the source
}

const scriptFile = -1

// files lists the files of an hour, none for an empty one.
func (w *world) files(h telemetry.Hour) []file {
	if w.empty(h) || h < w.From || h >= w.end() {
		return nil
	}
	var list []file
	for number := range w.FilesPerHour {
		ending := ""
		roll := w.root.of(ofFiles).of(uint64(h)).of(uint64(number))
		if roll.of(0).is(w.Compressed) {
			ending = []string{".gz", ".zst"}[roll.of(1).below(2)]
		}
		list = append(list, file{w, h, number, fmt.Sprintf("%s/part-%03d.tsv%s", h.Folder(), number, ending)})
	}
	if slices.ContainsFunc(w.Script, func(e Event) bool { return e.Hour == h }) {
		list = append(list, file{w, h, scriptFile, h.Folder() + "/script.tsv"})
	}
	return list
}

// events yields the lines of the file. The event is overwritten by the next.
func (f *file) events() iter.Seq[*Event] {
	if f.number == scriptFile {
		return scripted(f.world.Script, f.hour, f.path)
	}
	return func(yield func(*Event) bool) {
		p := plan{file: f}
		p.collect()
		slices.Sort(p.lines)
		broken := f.world.Bad
		if slices.Contains(f.world.Broken, f.hour) {
			broken = max(broken, 0.1)
		}
		var e Event
		number := int64(0)
		emit := func() bool {
			number++
			e.Hour, e.File, e.Line = f.hour, f.path, number
			return yield(&e)
		}
		for _, line := range p.lines {
			_, at, n, repeated := line.unpack()
			s := &p.sessions[at]
			s.event(f.world, n, &e)
			e.Repeated = repeated
			if !emit() {
				return
			}
			if bad := s.events.of(uint64(n)).of(ofBad); broken > 0 && !repeated && bad.is(broken) {
				e.Reason = faults[bad.of(ofFault).below(len(faults))]
				if !emit() {
					return
				}
			}
		}
	}
}

// faults are the reasons for which bad lines are made. A line over a mebibyte is not among them: it would be all
// there is to see in a small file.
var faults = []telemetry.Reason{telemetry.ReasonNUL, telemetry.ReasonUTF8, telemetry.ReasonFields,
	telemetry.ReasonTimestamp,
	telemetry.ReasonFuture, telemetry.ReasonBody, telemetry.ReasonNesting, telemetry.ReasonName}

func scripted(script []Event, h telemetry.Hour, path string) iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		number := int64(0)
		for _, e := range script {
			if e.Hour != h {
				continue
			}
			number++
			e.File, e.Line = path, number
			if e.Name == "" {
				e.Name = nameOf(e.Kind)
			}
			if !yield(&e) {
				return
			}
		}
	}
}

// plan collects what a file holds: its sessions, and its lines as numbers that sort by their arrival.
type plan struct {
	*file
	sessions []session
	lines    []line
}

// line packs the arrival in milliseconds of the hour (22 bits), the session (22), the event's number (18) and
// whether it is a repetition (1).
type line uint64

func packLine(arrival int64, session, event int, repeated bool) line {
	l := line(arrival)<<41 | line(session)<<19 | line(event)<<1
	if repeated {
		l |= 1
	}
	return l
}

func (l line) unpack() (arrival int64, session, event int, repeated bool) {
	return int64(l >> 41), int(l >> 19 & (1<<22 - 1)), int(l >> 1 & (1<<18 - 1)), l&1 == 1
}

// collect finds the sessions that bring lines to the file: those that started in its hour, those of the hour before
// that go on into this one, and those that come late.
func (p *plan) collect() {
	w := p.world
	expected := w.LinesPerHour / w.FilesPerHour
	p.lines, p.sessions = make([]line, 0, expected*9/8), make([]session, 0, expected/w.lines*5/4)
	before := p.hour - 1
	for before >= w.From && w.empty(before) {
		before--
	}
	// What is delayed lies at most MaxLate hours back, but for the hours without files.
	for from := max(w.From, before-telemetry.Hour(w.MaxLate)); from <= p.hour; from++ {
		if w.empty(from) {
			continue
		}
		delays := p.delays(from)
		if from < before && delays == 0 {
			continue
		}
		p.collectFrom(from, from >= before, delays)
	}
}

// collectFrom finds the sessions that started in an hour. near says that some of them may go on into the file's hour.
func (p *plan) collectFrom(from telemetry.Hour, near bool, delays uint64) {
	w := p.world
	for number := p.first(); number < w.Users; number += w.FilesPerHour {
		u := w.user(number)
		roll, slot, install, ok := w.start(&u, from)
		if !ok {
			continue
		}
		late, loginOnly := w.late(roll)
		if late > 0 && w.due(from, late) == from {
			late = 0 // the world ends before it could arrive late
		}
		arrives := late > 0 && delays>>late&1 == 1
		if near && late == 0 {
			p.add(&u, roll, slot, install, from, punctual)
		}
		if near && late > 0 && loginOnly {
			p.add(&u, roll, slot, install, from, allButLogin)
		}
		if arrives && loginOnly {
			p.add(&u, roll, slot, install, from, onlyLogin)
		}
		if arrives && !loginOnly {
			p.add(&u, roll, slot, install, from, wholly)
		}
	}
}

// first is the lowest number of the users whose lines go to this file: the users move from file to file by the hour.
func (p *plan) first() int {
	files := int64(p.world.FilesPerHour)
	return int(((int64(p.number)-int64(p.hour))%files + files) % files)
}

// due is the hour in which something arrives that is that many hours late: at the latest, the last one with files.
func (w *world) due(from telemetry.Hour, late int) telemetry.Hour {
	if h, ok := w.landing(from + telemetry.Hour(late)); ok {
		return h
	}
	return w.last
}

// delays is the set of delays, as bits, with which sessions of an hour arrive in the file's hour.
func (p *plan) delays(from telemetry.Hour) (set uint64) {
	for late := 1; late <= p.world.MaxLate; late++ {
		if from < p.hour && p.world.due(from, late) == p.hour {
			set |= 1 << late
		}
	}
	return set
}

// share is the part of a session that a file gets.
type share int

const (
	punctual    share = iota // the events of the file's hour
	allButLogin              // likewise, without the Login
	onlyLogin                // nothing but the Login, late
	wholly                   // all of it, late
)

// events are the numbers of a session's events, from first to before end, of which a file gets a part.
func (p *plan) events(s *session, from telemetry.Hour, part share) (first, end int) {
	boundary := startMs(from + 1)
	first, end = 0, s.lines
	switch {
	case part == onlyLogin:
		return s.login, s.login + 1
	case part == wholly:
	case from == p.hour:
		for end > 0 && s.time(end-1) >= boundary {
			end--
		}
	default:
		for first = int(max(0, (boundary-s.start)/s.slice-1)); first < s.lines && s.time(first) < boundary; first++ {
		}
	}
	return first, end
}

func (p *plan) add(u *user, roll seed, slot int, install bool, from telemetry.Hour, part share) {
	w := p.world
	// Most sessions do not reach the next hour: that is told without making them.
	if start, length, _ := w.span(roll, from); part <= allButLogin && from < p.hour && start+length <= startMs(from+1) {
		return
	}
	s := w.session(u, roll, slot, install, from)
	// Whose the session is cannot be late when nobody knows.
	if part == onlyLogin && s.login < 0 {
		return
	}
	first, end := p.events(&s, from, part)
	if first >= end {
		return
	}
	at := len(p.sessions)
	p.sessions = append(p.sessions, s)
	for n := first; n < end; n++ {
		if part == allButLogin && n == s.login {
			continue
		}
		roll := s.events.of(uint64(n))
		arrival := s.time(n) - startMs(p.hour)
		if arrival < 0 || arrival >= hourMs {
			arrival = s.seed.of(ofArrival).within(hourMs)
		}
		// The network shuffles a little.
		arrival = min(arrival+roll.of(ofArrival).within(2*second), hourMs-1)
		p.lines = append(p.lines, packLine(arrival, at, n, false))
		if again := roll.of(ofRepeat); w.Repeated > 0 && again.is(w.Repeated) {
			p.lines = append(p.lines, packLine(min(arrival+1+again.of(ofTime).within(30*second), hourMs-1), at,
				n, true))
		}
	}
}

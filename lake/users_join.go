package lake

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync/atomic"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
)

// A row of silver on its way to its user: it came, it went, or it stayed; or it stayed and its user is made anew.
const (
	rowKept = iota
	rowAdded
	rowRemoved
	rowAgain
)

// sessionRow is a sighting or a binding of a session.
type sessionRow struct {
	key         int64
	session     string
	state       byte
	kind        byte // 's' sighting, 'u' binding of a user, or its ending: no value, 'd' binding of a device
	user        string
	service     string
	device      string
	value       string // the version, or what is bound
	time        int64
	transaction int64
	file        string
	line        int64
}

// The columns of silver.sightings and silver.bindings, in the order of their structs. Rows are decoded by place: five
// times faster than by reflection, and texts alias the reader's buffers.

func sightingOf(row parquet.Row, state byte) sessionRow {
	return sessionRow{
		key: row[0].Int64(), session: alias(row[1].ByteArray()), state: state, kind: 's', user: alias(row[2].ByteArray()),
		service: alias(row[3].ByteArray()), device: alias(row[4].ByteArray()), value: alias(row[5].ByteArray()), time: row[6].Int64(),
		transaction: row[7].Int64(), file: alias(row[8].ByteArray()), line: row[9].Int64(),
	}
}

func bindingOf(row parquet.Row, state byte) sessionRow {
	return sessionRow{
		key: row[0].Int64(), session: alias(row[1].ByteArray()), state: state, kind: row[2].ByteArray()[0], value: alias(row[3].ByteArray()),
		time: row[4].Int64(), transaction: row[5].Int64(), file: alias(row[6].ByteArray()), line: row[7].Int64(),
	}
}

func (r *sessionRow) append(buffer []byte) []byte {
	buffer = append(buffer, r.state, r.kind)
	buffer = binary.AppendVarint(buffer, r.key)
	for _, text := range [...]string{r.session, r.user, r.service, r.device, r.value, r.file} {
		buffer = appendText(buffer, text)
	}
	buffer = binary.AppendVarint(buffer, r.time)
	buffer = binary.AppendVarint(buffer, r.transaction)
	return binary.AppendVarint(buffer, r.line)
}

func (d *decoder) sessionRow() (r sessionRow) {
	if len(d.data) < 2 {
		d.failed, d.data = true, nil
		return r
	}
	r.state, r.kind = d.data[0], d.data[1]
	d.data = d.data[2:]
	r.key = d.varint()
	for _, text := range [...]*string{&r.session, &r.user, &r.service, &r.device, &r.value, &r.file} {
		*text = d.text()
	}
	r.time = d.varint()
	r.transaction = d.varint()
	r.line = d.varint()
	return r
}

// compare groups by session, then kind, then the order of events.
func (r *sessionRow) compare(other *sessionRow) int {
	switch {
	case r.key != other.key:
		return cmp.Compare(r.key, other.key)
	case r.session != other.session:
		return cmp.Compare(r.session, other.session)
	case r.kind != other.kind:
		return cmp.Compare(r.kind, other.kind)
	case r.time != other.time:
		return cmp.Compare(r.time, other.time)
	case r.transaction != other.transaction:
		return cmp.Compare(r.transaction, other.transaction)
	case r.file != other.file:
		return cmp.Compare(r.file, other.file)
	case r.line != other.line:
		return cmp.Compare(r.line, other.line)
	case r.ends() != other.ends(): // of one line, the ending comes last
		if r.ends() {
			return 1
		}
		return -1
	}
	return cmp.Compare(r.state, other.state)
}

// same tells the same row in another state.
func (r *sessionRow) same(other *sessionRow) bool {
	a, b := *r, *other
	a.state, b.state = 0, 0
	return a == b
}

func (r *sessionRow) ends() bool { return r.kind == 'u' && r.value == "" }

func (r *sessionRow) binding() history.Binding {
	return history.Binding{Value: r.value, Ends: r.ends(), Time: r.time, Transaction: r.transaction, File: r.file, Line: r.line}
}

// join brings the rows of each session together and says what they mean for users.
type join struct {
	*spill
	rows atomic.Int64
}

// Sections of a join of sessions, unless it is known to need more; a power of two.
const joinSections = 256

func (l *Lake) newJoin(sections int) (*join, error) {
	s, err := l.newSpill(sections)
	return &join{spill: s}, err
}

func (j *join) add(row sessionRow) error {
	j.rows.Add(1)
	return j.spill.add(sessionSection(row.key, j.sections), row.append)
}

// sessions hands every session's rows to each, sorted by kind and the order of events. Several sections are worked on at
// once: each must be safe for that.
func (j *join) sessions(ctx context.Context, each func([]*sessionRow) error) error {
	return j.spill.each(ctx, func() func([]byte) error {
		var rows []sessionRow
		var order []*sessionRow
		return func(data []byte) error {
			rows, order = rows[:0], order[:0]
			d := decoder{data: data}
			for len(d.data) > 0 {
				rows = append(rows, d.sessionRow())
			}
			if d.failed {
				return errDamaged
			}
			for i := range rows {
				order = append(order, &rows[i])
			}
			slices.SortFunc(order, (*sessionRow).compare)
			for start := 0; start < len(order); {
				end := start + 1
				for end < len(order) && order[end].session == order[start].session {
					end++
				}
				if err := each(order[start:end]); err != nil {
					return err
				}
				start = end
			}
			return nil
		}
	})
}

// errDamaged: what was spilled can't be read back.
var errDamaged = errors.New("it is damaged")

// session is what is known of one session before and after a change.
type session struct {
	before    bound
	after     bound
	sightings []sessionRow
}

type bound struct{ users, devices history.Bindings }

// newSession sorts a session's rows out. A row that went and came again unchanged (a rerun) has stayed; one that came
// and is also found among those that stayed (compaction) counts once.
func newSession(rows []*sessionRow) session {
	var s session
	for start := 0; start < len(rows); {
		end := start + 1
		for end < len(rows) && rows[end].same(rows[start]) {
			end++
		}
		var has [4]bool
		for _, row := range rows[start:end] {
			has[row.state] = true
		}
		row := *rows[start]
		switch {
		case has[rowAgain] && has[rowAdded] == has[rowRemoved]:
			row.state = rowAgain
		case has[rowAdded] && has[rowRemoved]:
			row.state = rowKept
		case has[rowAdded]:
			row.state = rowAdded
		case has[rowRemoved]:
			row.state = rowRemoved
		default:
			row.state = rowKept
		}
		s.add(row)
		start = end
	}
	s.before.users.Link()
	s.after.users.Link()
	return s
}

func (s *session) add(row sessionRow) {
	if row.kind == 's' {
		s.sightings = append(s.sightings, row)
		return
	}
	for _, side := range [...]struct {
		bound *bound
		gone  byte
	}{{&s.before, rowAdded}, {&s.after, rowRemoved}} {
		switch {
		case row.state == side.gone:
		case row.kind == 'u':
			side.bound.users = append(side.bound.users, row.binding())
		default:
			side.bound.devices = append(side.bound.devices, row.binding())
		}
	}
}

// resolve finds the user and the device of a sighting (docs/ARCHITECTURE.md, Identity).
func (b *bound) resolve(row *sessionRow) (user string, sighting history.Sighting) {
	named, device := row.user, row.device
	if named == "" {
		named, _ = b.users.Resolve(row.time, history.DefaultWindow)
	}
	if device == "" {
		device, _ = b.devices.Resolve(row.time, history.DefaultWindow)
	}
	user, _ = history.UserID(named, row.session)
	return user, history.Sighting{
		Service: row.service, Device: device, HasDevice: device != "", Version: row.value, Time: row.time,
		Transaction: row.transaction, File: row.file, Line: row.line,
	}
}

// deltas says what a session's changes mean for users.
func (s *session) deltas(emit func(userDelta) error) error {
	for i := range s.sightings {
		row := &s.sightings[i]
		var changes []userDelta
		switch row.state {
		case rowAdded:
			user, sighting := s.after.resolve(row)
			changes = []userDelta{{user: user, kind: deltaCame, sighting: sighting}}
		case rowRemoved:
			user, _ := s.before.resolve(row)
			changes = []userDelta{{user: user, kind: deltaLate}}
		case rowKept:
			before, was := s.before.resolve(row)
			after, is := s.after.resolve(row)
			switch {
			case before != after:
				changes = []userDelta{{user: before, kind: deltaLeft, sighting: was}, {user: after, kind: deltaCame, sighting: is}}
			case was != is:
				changes = []userDelta{{user: after, kind: deltaLate}}
			}
		case rowAgain:
			before, _ := s.before.resolve(row)
			after, _ := s.after.resolve(row)
			changes = []userDelta{{user: before, kind: deltaLate}, {user: after, kind: deltaLate}}
		}
		for _, change := range changes {
			if err := emit(change); err != nil {
				return err
			}
		}
	}
	return nil
}

// keySet is a sorted set of session keys.
type keySet []int64

func newKeySet(keys []int64) keySet {
	slices.Sort(keys)
	if keys = slices.Compact(keys); keys == nil {
		keys = []int64{} // no session, which is not the same as any session
	}
	return keys
}

func (s keySet) has(key int64) bool {
	_, found := slices.BinarySearch(s, key)
	return found
}

func (s keySet) overlaps(low, high int64) bool {
	at, _ := slices.BinarySearch(s, low)
	return at < len(s) && s[at] <= high
}

// sessionSet are sessions and the span of event times of the rows that brought them in.
type sessionSet struct {
	keys  keySet
	times span
}

// noteSession takes a row's session in; several goroutines may.
func noteSession(sets lanes[sessionSet], row *sessionRow) {
	_ = sets.with(func(set *sessionSet) error { // never fails
		if len(set.keys) == 0 {
			set.times = span{row.time, row.time}
		}
		set.keys = append(set.keys, row.key)
		set.times.include(row.time)
		return nil
	})
}

// mergeSessions makes one set of those that several goroutines gathered; its keys are sorted.
func mergeSessions(sets lanes[sessionSet]) sessionSet {
	all := sessionSet{times: span{math.MaxInt64, math.MinInt64}}
	for _, set := range sets.all() {
		if len(set.keys) > 0 {
			all.keys = append(all.keys, set.keys...)
			all.times.include(set.times.low)
			all.times.include(set.times.high)
		}
	}
	all.keys = newKeySet(all.keys)
	return all
}

// keyCursor asks a set for keys that mostly ascend, as they do in our files.
type keyCursor struct {
	set keySet
	at  int
}

func (c *keyCursor) contains(key int64) bool {
	if c.at > 0 && c.set[c.at-1] >= key {
		c.at, _ = slices.BinarySearch(c.set, key)
	}
	for c.at < len(c.set) && c.set[c.at] < key {
		c.at++
	}
	return c.at < len(c.set) && c.set[c.at] == key
}

// span is a range of event times, UTC microseconds.
type span struct{ low, high int64 }

func (s *span) include(t int64) { s.low, s.high = min(s.low, t), max(s.high, t) }

func (s span) widened(by int64) span {
	return span{saturatingAdd(s.low, -by), saturatingAdd(s.high, by)}
}

// within keeps the files that may hold event times of the span.
func (s span) within(files []iceberg.DataFile, timeField int) []iceberg.DataFile {
	var kept []iceberg.DataFile
	for _, file := range files {
		if low, high := bounds(file, timeField); low <= s.high && high >= s.low {
			kept = append(kept, file)
		}
	}
	return kept
}

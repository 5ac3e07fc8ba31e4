package sessions

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// A row of silver on its way to its user: it came, it went, or it stayed; or it stayed and its user is made anew.
const (
	RowKept = iota
	RowAdded
	RowRemoved
	RowAgain
)

// SessionRow is a sighting or a binding of a session.
type SessionRow struct {
	Key         int64
	Session     string
	State       byte
	Kind        byte // 's' sighting, 'u' binding of a user, or its ending: no value, 'd' binding of a device
	User        string
	Service     string
	Device      string
	Value       string // the version, or what is bound
	Time        int64
	transaction int64
	File        string
	Line        int64
}

// The columns of silver.sightings and silver.bindings, in the order of their structs. Rows are decoded by place: five
// times faster than by reflection, and texts alias the reader's buffers.

func SightingOf(row parquet.Row, state byte) SessionRow {
	return SessionRow{
		Key: row[0].Int64(), Session: objects.UnsafeString(row[1].ByteArray()), State: state, Kind: 's',
		User:    objects.UnsafeString(row[2].ByteArray()),
		Service: objects.UnsafeString(row[3].ByteArray()), Device: objects.UnsafeString(row[4].ByteArray()),
		Value: objects.UnsafeString(row[5].ByteArray()), Time: row[6].Int64(),
		transaction: row[7].Int64(), File: objects.UnsafeString(row[8].ByteArray()), Line: row[9].Int64(),
	}
}

func BindingOf(row parquet.Row, state byte) SessionRow {
	return SessionRow{
		Key: row[0].Int64(), Session: objects.UnsafeString(row[1].ByteArray()), State: state,
		Kind: row[2].ByteArray()[0], Value: objects.UnsafeString(row[3].ByteArray()),
		Time: row[4].Int64(), transaction: row[5].Int64(), File: objects.UnsafeString(row[6].ByteArray()),
		Line: row[7].Int64(),
	}
}

func (r *SessionRow) append(buffer []byte) []byte {
	buffer = append(buffer, r.State, r.Kind)
	buffer = binary.AppendVarint(buffer, r.Key)
	for _, text := range [...]string{r.Session, r.User, r.Service, r.Device, r.Value, r.File} {
		buffer = objects.AppendText(buffer, text)
	}
	buffer = binary.AppendVarint(buffer, r.Time)
	buffer = binary.AppendVarint(buffer, r.transaction)
	return binary.AppendVarint(buffer, r.Line)
}

func decodeSessionRow(d *objects.Decoder) (r SessionRow) {
	if len(d.Data) < 2 {
		d.Failed, d.Data = true, nil
		return r
	}
	r.State, r.Kind = d.Data[0], d.Data[1]
	d.Data = d.Data[2:]
	r.Key = d.Varint()
	for _, text := range [...]*string{&r.Session, &r.User, &r.Service, &r.Device, &r.Value, &r.File} {
		*text = d.Text()
	}
	r.Time = d.Varint()
	r.transaction = d.Varint()
	r.Line = d.Varint()
	return r
}

// Compare groups by session, then kind, then the order of events.
func (r *SessionRow) Compare(other *SessionRow) int {
	switch {
	case r.Key != other.Key:
		return cmp.Compare(r.Key, other.Key)
	case r.Session != other.Session:
		return cmp.Compare(r.Session, other.Session)
	case r.Kind != other.Kind:
		return cmp.Compare(r.Kind, other.Kind)
	}
	return cmp.Or(r.CompareMoments(other), cmp.Compare(r.State, other.State))
}

// CompareMoments is the order of events.
func (r *SessionRow) CompareMoments(other *SessionRow) int {
	switch {
	case r.Time != other.Time:
		return cmp.Compare(r.Time, other.Time)
	case r.transaction != other.transaction:
		return cmp.Compare(r.transaction, other.transaction)
	case r.File != other.File:
		return cmp.Compare(r.File, other.File)
	case r.Line != other.Line:
		return cmp.Compare(r.Line, other.Line)
	case r.Ends() != other.Ends(): // of one line, the ending comes last
		if r.Ends() {
			return 1
		}
		return -1
	}
	return 0
}

// same tells the same row in another state.
func (r *SessionRow) same(other *SessionRow) bool {
	a, b := *r, *other
	a.State, b.State = 0, 0
	return a == b
}

func (r *SessionRow) Ends() bool { return r.Kind == 'u' && r.Value == "" }

// Join brings the rows of each session together and says what they mean for users.
type Join struct {
	*objects.Spill
	Rows atomic.Int64

	lake   *lake.Lake
	along  []*alongFile
	beside []int // by section, how many of these have rows in it
}

// Sections of a join of sessions, unless it is known to need more; a power of two.
const JoinSections = 256

func NewJoin(l *lake.Lake, sections int) (*Join, error) {
	s, err := l.NewSpill(sections)
	return &Join{Spill: s, lake: l, beside: make([]int, sections)}, err
}

func (j *Join) Add(row SessionRow) error {
	j.Rows.Add(1)
	return j.Spill.Add(objects.SessionSection(row.Key, j.Sections), row.append)
}

// Resolve finds the user and the device of a sighting (docs/ARCHITECTURE.md, Identity).
func (b *Bound) Resolve(row *SessionRow) (user string, sighting history.Sighting) {
	named, device := row.User, row.Device
	if named == "" {
		named, _ = b.Users.Resolve(row.Time)
	}
	if device == "" {
		device, _ = b.Devices.Resolve(row.Time)
	}
	user, _ = history.UserID(named, row.Session)
	return user, history.Sighting{
		Service: row.Service, Device: device, HasDevice: device != "", Version: row.Value, Time: row.Time,
		Transaction: row.transaction, File: row.File, Line: row.Line,
	}
}

// KeySet is a sorted set of session keys.
type KeySet []int64

func NewKeySet(keys []int64) KeySet {
	slices.Sort(keys)
	if keys = slices.Compact(keys); keys == nil {
		keys = []int64{} // no session, which is not the same as any session
	}
	return keys
}

func (s KeySet) Has(key int64) bool {
	_, found := slices.BinarySearch(s, key)
	return found
}

func (s KeySet) Overlaps(low, high int64) bool {
	at, _ := slices.BinarySearch(s, low)
	return at < len(s) && s[at] <= high
}

// SessionSet are sessions and the span of event times of the rows that brought them in.
type SessionSet struct {
	Keys  KeySet
	Times Span
}

// NewSets are sets that several goroutines gather.
func NewSets() objects.Lanes[SessionSet] { return objects.NewLanes[SessionSet]() }

// NoteSession takes a row's session in; several goroutines may.
func NoteSession(sets objects.Lanes[SessionSet], row *SessionRow) {
	_ = sets.With(func(set *SessionSet) error { // never fails
		if len(set.Keys) == 0 {
			set.Times = Span{row.Time, row.Time}
		}
		set.Keys = append(set.Keys, row.Key)
		set.Times.Include(row.Time)
		return nil
	})
}

// MergeSessions makes one set of those that several goroutines gathered; its keys are sorted.
func MergeSessions(sets objects.Lanes[SessionSet]) SessionSet {
	all := SessionSet{Times: Span{math.MaxInt64, math.MinInt64}}
	for _, set := range sets.All() {
		if len(set.Keys) > 0 {
			all.Keys = append(all.Keys, set.Keys...)
			all.Times.Include(set.Times.Low)
			all.Times.Include(set.Times.High)
		}
	}
	all.Keys = NewKeySet(all.Keys)
	return all
}

// KeyCursor asks a set for keys that mostly ascend, as they do in our files.
type KeyCursor struct {
	Set KeySet
	at  int
}

func (c *KeyCursor) Contains(key int64) bool {
	if c.at > 0 && c.Set[c.at-1] >= key {
		c.at, _ = slices.BinarySearch(c.Set, key)
	}
	for c.at < len(c.Set) && c.Set[c.at] < key {
		c.at++
	}
	return c.at < len(c.Set) && c.Set[c.at] == key
}

// Span is a range of event times, UTC microseconds.
type Span struct{ Low, High int64 }

func (s *Span) Include(t int64) { s.Low, s.High = min(s.Low, t), max(s.High, t) }

func (s Span) Widened(by int64) Span {
	return Span{SaturatingAdd(s.Low, -by), SaturatingAdd(s.High, by)}
}

// Within keeps the files that may hold event times of the span.
func (s Span) Within(files []iceberg.DataFile, timeField int) []iceberg.DataFile {
	var kept []iceberg.DataFile
	for _, file := range files {
		if low, high := lake.Bounds(file, timeField); low <= s.High && high >= s.Low {
			kept = append(kept, file)
		}
	}
	return kept
}

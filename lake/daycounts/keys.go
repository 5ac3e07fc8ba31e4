package daycounts

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// Keys repeat in nearly every row, so each has a number: rows are counted in places, and what is spilled is short.
// Clients choose keys, so there may be more than fit into memory: those beyond a number of them have none, and are
// spilled as texts.

// numberedKeys is how many keys have numbers, some 400 bytes each.
const numberedKeys = 1 << 16

// Keyed is a key with what follows from it.
type Keyed struct {
	Key
	Number    int32  // -1: it has none
	rank      int32  // in the order of keys, once all are known
	OfVersion *Keyed // the row of gold.version_daily that it counts in; nil for such a row's own key
	Place     int    // what an event counts as there; -1: nothing but itself
	Ends      bool   // it is a session that ended
	mark      int    // of a key without a number, see Marks
}

// Table numbers keys. Several goroutines may ask.
type Table struct {
	mutex   sync.Mutex
	numbers map[Key]*Keyed
	All     []*Keyed
}

func NewTable() *Table { return &Table{numbers: map[Key]*Keyed{}} }

var notificationCounts = map[string]int{
	"Sent": lake.CountNotificationsSent, "Shown": lake.CountNotificationsShown,
	"Accepted":  lake.CountNotificationsAccepted,
	"Dismissed": lake.CountNotificationsDismissed, "Failed": lake.CountNotificationsFailed,
}

// Of finds a key; it is kept by a copy.
func (t *Table) Of(key *Key) *Keyed {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.find(key)
}

func (t *Table) find(key *Key) *Keyed {
	if known := t.numbers[*key]; known != nil {
		return known
	}
	k := &Keyed{Key: key.Clone(), Number: -1, Place: -1}
	if key.Event != "" {
		version := key.ofVersion()
		k.OfVersion = t.find(&version)
	}
	switch key.Event {
	case telemetry.KindIssue.String():
		k.Place = lake.CountIssues
	case telemetry.KindNotification.String():
		known := false
		if k.Place, known = notificationCounts[key.Detail]; !known {
			k.Place = lake.CountNotificationsOther
		}
	case telemetry.KindSessionEnd.String():
		k.Ends = true
	}
	if len(t.All) < numberedKeys {
		k.Number = int32(len(t.All))
		t.All, t.numbers[k.Key] = append(t.All, k), k
	}
	return k
}

// Order ranks the keys that have numbers.
func (t *Table) Order() {
	sorted := slices.Clone(t.All)
	slices.SortFunc(sorted, func(a, b *Keyed) int { return a.Compare(&b.Key) })
	for i, k := range sorted {
		k.rank = int32(i)
	}
}

func CompareKeyed(a, b *Keyed) int {
	if a.Number >= 0 && b.Number >= 0 {
		return cmp.Compare(a.rank, b.rank)
	}
	return a.Compare(&b.Key)
}

// AppendKeyed packs a key: its number and one, or a nought and its texts.
func (k *Keyed) AppendKeyed(buffer []byte) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(k.Number+1))
	if k.Number < 0 {
		buffer = k.Append(buffer)
	}
	return buffer
}

// DecodeKeyed reads what AppendKeyed packed.
func (t *Table) DecodeKeyed(d *objects.Decoder) *Keyed {
	number := d.Uvarint()
	if number == 0 {
		key := DecodeKey(d)
		return t.Of(&key)
	}
	if number > uint64(len(t.All)) {
		d.Failed = true
		return &Keyed{Number: -1}
	}
	return t.All[number-1]
}

// Counter sums counts by key. It belongs to one goroutine.
type Counter struct {
	Keys   *Table
	Counts []*Counts // by number
	Tally  *tally    // of keys without one
}

func NewCounter(keys *Table, emit func(*Key, *Counts) error) *Counter {
	return &Counter{Keys: keys, Tally: NewTally(emit)}
}

func (c *Counter) Add(k *Keyed, place int, n int64) error {
	if k.Number < 0 {
		return c.Tally.Add(&k.Key, place, n)
	}
	for int(k.Number) >= len(c.Counts) {
		c.Counts = append(c.Counts, nil)
	}
	counts := c.Counts[k.Number]
	if counts == nil {
		counts = new(Counts)
		c.Counts[k.Number] = counts
	}
	counts[place] += n
	return nil
}

// Flush hands on all sums. Nobody may add keys meanwhile but by name.
func (c *Counter) Flush() error {
	for number, counts := range c.Counts {
		if counts == nil {
			continue
		}
		c.Keys.mutex.Lock()
		key := &c.Keys.All[number].Key
		c.Keys.mutex.Unlock()
		if err := c.Tally.emit(key, counts); err != nil {
			return err
		}
	}
	c.Counts = nil
	return c.Tally.Flush()
}

// Marks are sets of keys, one after the other.
type Marks struct {
	numbered []int
	set      int
	Others   map[Key]*Keyed // keys without numbers, of a section
}

// Next empties the set.
func (m *Marks) Next() { m.set++ }

// Add tells whether a key was not in the set yet.
func (m *Marks) Add(k *Keyed) bool {
	at := &k.mark
	if k.Number >= 0 {
		for int(k.Number) >= len(m.numbered) {
			m.numbered = append(m.numbered, 0)
		}
		at = &m.numbered[k.Number]
	}
	fresh := *at != m.set
	*at = m.set
	return fresh
}

// One is the same key for the same texts, within a section.
func (m *Marks) One(k *Keyed) *Keyed {
	if k.Number >= 0 {
		return k
	}
	if known := m.Others[k.Key]; known != nil {
		return known
	}
	if m.Others == nil {
		m.Others = map[Key]*Keyed{}
	}
	if k.OfVersion != nil {
		k.OfVersion = m.One(k.OfVersion)
	}
	m.Others[k.Key] = k
	return k
}

package daily

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

// keyed is a key with what follows from it.
type keyed struct {
	dayKey
	number    int32  // -1: it has none
	rank      int32  // in the order of keys, once all are known
	ofVersion *keyed // the row of gold.version_daily that it counts in; nil for such a row's own key
	place     int    // what an event counts as there; -1: nothing but itself
	ends      bool   // it is a session that ended
	mark      int    // of a key without a number, see marks
}

// keyTable numbers keys. Several goroutines may ask.
type keyTable struct {
	mutex   sync.Mutex
	numbers map[dayKey]*keyed
	all     []*keyed
}

func newKeyTable() *keyTable { return &keyTable{numbers: map[dayKey]*keyed{}} }

var notificationCounts = map[string]int{
	"Sent": lake.CountNotificationsSent, "Shown": lake.CountNotificationsShown,
	"Accepted":  lake.CountNotificationsAccepted,
	"Dismissed": lake.CountNotificationsDismissed, "Failed": lake.CountNotificationsFailed,
}

// of finds a key; it is kept by a copy.
func (t *keyTable) of(key *dayKey) *keyed {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.find(key)
}

func (t *keyTable) find(key *dayKey) *keyed {
	if known := t.numbers[*key]; known != nil {
		return known
	}
	k := &keyed{dayKey: key.clone(), number: -1, place: -1}
	if key.event != "" {
		version := key.ofVersion()
		k.ofVersion = t.find(&version)
	}
	switch key.event {
	case telemetry.KindIssue.String():
		k.place = lake.CountIssues
	case telemetry.KindNotification.String():
		known := false
		if k.place, known = notificationCounts[key.detail]; !known {
			k.place = lake.CountNotificationsOther
		}
	case telemetry.KindSessionEnd.String():
		k.ends = true
	}
	if len(t.all) < numberedKeys {
		k.number = int32(len(t.all))
		t.all, t.numbers[k.dayKey] = append(t.all, k), k
	}
	return k
}

// order ranks the keys that have numbers.
func (t *keyTable) order() {
	sorted := slices.Clone(t.all)
	slices.SortFunc(sorted, func(a, b *keyed) int { return a.compare(&b.dayKey) })
	for i, k := range sorted {
		k.rank = int32(i)
	}
}

func compareKeyed(a, b *keyed) int {
	if a.number >= 0 && b.number >= 0 {
		return cmp.Compare(a.rank, b.rank)
	}
	return a.compare(&b.dayKey)
}

// appendKeyed packs a key: its number and one, or a nought and its texts.
func (k *keyed) appendKeyed(buffer []byte) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(k.number+1))
	if k.number < 0 {
		buffer = k.append(buffer)
	}
	return buffer
}

// decodeKeyed reads what appendKeyed packed.
func (t *keyTable) decodeKeyed(d *objects.Decoder) *keyed {
	number := d.Uvarint()
	if number == 0 {
		key := decodeDayKey(d)
		return t.of(&key)
	}
	if number > uint64(len(t.all)) {
		d.Failed = true
		return &keyed{number: -1}
	}
	return t.all[number-1]
}

// counter sums counts by key. It belongs to one goroutine.
type counter struct {
	keys   *keyTable
	counts []*dayCounts // by number
	tally  *tally       // of keys without one
}

func newCounter(keys *keyTable, emit func(*dayKey, *dayCounts) error) *counter {
	return &counter{keys: keys, tally: newTally(emit)}
}

func (c *counter) add(k *keyed, place int, n int64) error {
	if k.number < 0 {
		return c.tally.add(&k.dayKey, place, n)
	}
	for int(k.number) >= len(c.counts) {
		c.counts = append(c.counts, nil)
	}
	counts := c.counts[k.number]
	if counts == nil {
		counts = new(dayCounts)
		c.counts[k.number] = counts
	}
	counts[place] += n
	return nil
}

// flush hands on all sums. Nobody may add keys meanwhile but by name.
func (c *counter) flush() error {
	for number, counts := range c.counts {
		if counts == nil {
			continue
		}
		c.keys.mutex.Lock()
		key := &c.keys.all[number].dayKey
		c.keys.mutex.Unlock()
		if err := c.tally.emit(key, counts); err != nil {
			return err
		}
	}
	c.counts = nil
	return c.tally.flush()
}

// marks are sets of keys, one after the other.
type marks struct {
	numbered []int
	set      int
	others   map[dayKey]*keyed // keys without numbers, of a section
}

// next empties the set.
func (m *marks) next() { m.set++ }

// add tells whether a key was not in the set yet.
func (m *marks) add(k *keyed) bool {
	at := &k.mark
	if k.number >= 0 {
		for int(k.number) >= len(m.numbered) {
			m.numbered = append(m.numbered, 0)
		}
		at = &m.numbered[k.number]
	}
	fresh := *at != m.set
	*at = m.set
	return fresh
}

// one is the same key for the same texts, within a section.
func (m *marks) one(k *keyed) *keyed {
	if k.number >= 0 {
		return k
	}
	if known := m.others[k.dayKey]; known != nil {
		return known
	}
	if m.others == nil {
		m.others = map[dayKey]*keyed{}
	}
	if k.ofVersion != nil {
		k.ofVersion = m.one(k.ofVersion)
	}
	m.others[k.dayKey] = k
	return k
}

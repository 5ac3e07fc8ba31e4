package daycounts

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// Key is what is counted: a row of gold.event_daily, or, without an event, one of gold.version_daily.
type Key struct {
	Date                     int32
	Service, Version, Device string
	Event, Name, Detail      string
}

func (k *Key) Compare(other *Key) int {
	return cmp.Or(cmp.Compare(k.Date, other.Date), strings.Compare(k.Service, other.Service),
		strings.Compare(k.Version, other.Version), strings.Compare(k.Device, other.Device),
		strings.Compare(k.Event, other.Event), strings.Compare(k.Name, other.Name),
		strings.Compare(k.Detail, other.Detail))
}

// ofVersion is the key of the row of gold.version_daily that an event counts in.
func (k Key) ofVersion() Key {
	k.Event, k.Name, k.Detail = "", "", ""
	return k
}

func (k Key) Clone() Key {
	for _, text := range [...]*string{&k.Service, &k.Version, &k.Device, &k.Event, &k.Name, &k.Detail} {
		*text = strings.Clone(*text)
	}
	return k
}

func (k *Key) Append(buffer []byte) []byte {
	buffer = binary.AppendVarint(buffer, int64(k.Date))
	for _, text := range [...]string{k.Service, k.Version, k.Device, k.Event, k.Name, k.Detail} {
		buffer = objects.AppendText(buffer, text)
	}
	return buffer
}

func (k *Key) Hash() uint64 { return xxhash.Sum64(k.Append(nil)) }

func DecodeKey(d *objects.Decoder) (k Key) {
	k.Date = int32(d.Varint())
	for _, text := range [...]*string{&k.Service, &k.Version, &k.Device, &k.Event, &k.Name, &k.Detail} {
		*text = d.Text()
	}
	return k
}

// Places of the counts of gold.event_daily.
const (
	Events = iota
	Users
	Sessions
)

// Counts are the counts of a row of either table.
type Counts [lake.VersionCounts]int64

func (c *Counts) Add(other *Counts) {
	for i, n := range other {
		c[i] += n
	}
}

func (c *Counts) Append(buffer []byte) []byte {
	for i, n := range c {
		if n != 0 {
			buffer = append(buffer, byte(i))
			buffer = binary.AppendVarint(buffer, n)
		}
	}
	return append(buffer, lake.VersionCounts)
}

func DecodeCounts(d *objects.Decoder) (c Counts) {
	for !d.Failed {
		if len(d.Data) == 0 || d.Data[0] > lake.VersionCounts {
			d.Failed = true
			break
		}
		i := d.Data[0]
		d.Data = d.Data[1:]
		if i == lake.VersionCounts {
			break
		}
		c[i] = d.Varint()
	}
	return c
}

func OfVersionRow(r *lake.VersionDailyRow) (key Key, counts Counts) {
	for i, column := range r.Counts() {
		counts[i] = *column
	}
	return Key{Date: r.Date, Service: r.Service, Version: r.Version, Device: r.Device}, counts
}

func VersionRow(key *Key, counts *Counts) lake.VersionDailyRow {
	row := lake.VersionDailyRow{Date: key.Date, Service: key.Service, Version: key.Version, Device: key.Device}
	for i, column := range row.Counts() {
		*column = counts[i]
	}
	return row
}

func OfEventRow(r *lake.EventDailyRow) (key Key, counts Counts) {
	counts[Events], counts[Users], counts[Sessions] = r.Events, r.Users, r.Sessions
	return Key{
		Date: r.Date, Service: r.Service, Version: r.Version, Device: r.Device, Event: r.EventName, Name: r.Name,
		Detail: r.Detail,
	}, counts
}

func EventRow(key *Key, counts *Counts) lake.EventDailyRow {
	return lake.EventDailyRow{
		Date: key.Date, Service: key.Service, Version: key.Version, Device: key.Device, EventName: key.Event,
		Name: key.Name, Detail: key.Detail,
		Events: counts[Events], Users: counts[Users], Sessions: counts[Sessions],
	}
}

// Tally sums counts by key, and hands them on before there are too many: what it is given need not outlive the call.
type tally struct {
	sums map[Key]*Counts
	emit func(*Key, *Counts) error
}

// Keys that a tally holds, some 400 bytes each.
const tallyKeys = 1 << 15

func NewTally(emit func(*Key, *Counts) error) *tally {
	return &tally{sums: map[Key]*Counts{}, emit: emit}
}

func (t *tally) Add(key *Key, place int, n int64) error {
	counts := t.sums[*key]
	if counts == nil {
		if len(t.sums) >= tallyKeys {
			if err := t.Flush(); err != nil {
				return err
			}
		}
		counts = &Counts{}
		t.sums[key.Clone()] = counts
	}
	counts[place] += n
	return nil
}

func (t *tally) Flush() error {
	for key, counts := range t.sums {
		if err := t.emit(&key, counts); err != nil {
			return err
		}
	}
	clear(t.sums)
	return nil
}

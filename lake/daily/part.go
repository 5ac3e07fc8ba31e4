package daily

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// dayKey is what is counted: a row of gold.event_daily, or, without an event, one of gold.version_daily.
type dayKey struct {
	date                     int32
	Service, Version, device string
	event, name, detail      string
}

func (k *dayKey) compare(other *dayKey) int {
	return cmp.Or(cmp.Compare(k.date, other.date), strings.Compare(k.Service, other.Service),
		strings.Compare(k.Version, other.Version), strings.Compare(k.device, other.device),
		strings.Compare(k.event, other.event), strings.Compare(k.name, other.name),
		strings.Compare(k.detail, other.detail))
}

// ofVersion is the key of the row of gold.version_daily that an event counts in.
func (k dayKey) ofVersion() dayKey {
	k.event, k.name, k.detail = "", "", ""
	return k
}

func (k dayKey) clone() dayKey {
	for _, text := range [...]*string{&k.Service, &k.Version, &k.device, &k.event, &k.name, &k.detail} {
		*text = strings.Clone(*text)
	}
	return k
}

func (k *dayKey) append(buffer []byte) []byte {
	buffer = binary.AppendVarint(buffer, int64(k.date))
	for _, text := range [...]string{k.Service, k.Version, k.device, k.event, k.name, k.detail} {
		buffer = objects.AppendText(buffer, text)
	}
	return buffer
}

func (k *dayKey) hash() uint64 { return xxhash.Sum64(k.append(nil)) }

func decodeDayKey(d *objects.Decoder) (k dayKey) {
	k.date = int32(d.Varint())
	for _, text := range [...]*string{&k.Service, &k.Version, &k.device, &k.event, &k.name, &k.detail} {
		*text = d.Text()
	}
	return k
}

// Places of the counts of gold.event_daily.
const (
	countEvents = iota
	countUsers
	countSessions
	eventCounts
)

// dayCounts are the counts of a row of either table.
type dayCounts [lake.VersionCounts]int64

func (c *dayCounts) add(other *dayCounts) {
	for i, n := range other {
		c[i] += n
	}
}

func (c *dayCounts) append(buffer []byte) []byte {
	for i, n := range c {
		if n != 0 {
			buffer = append(buffer, byte(i))
			buffer = binary.AppendVarint(buffer, n)
		}
	}
	return append(buffer, lake.VersionCounts)
}

func decodeDayCounts(d *objects.Decoder) (c dayCounts) {
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

func versionPart(r *lake.VersionDailyRow) (key dayKey, counts dayCounts) {
	for i, column := range r.Counts() {
		counts[i] = *column
	}
	return dayKey{date: r.Date, Service: r.Service, Version: r.Version, device: r.Device}, counts
}

func versionDaily(key *dayKey, counts *dayCounts) lake.VersionDailyRow {
	row := lake.VersionDailyRow{Date: key.date, Service: key.Service, Version: key.Version, Device: key.device}
	for i, column := range row.Counts() {
		*column = counts[i]
	}
	return row
}

func eventPart(r *lake.EventDailyRow) (key dayKey, counts dayCounts) {
	counts[countEvents], counts[countUsers], counts[countSessions] = r.Events, r.Users, r.Sessions
	return dayKey{
		date: r.Date, Service: r.Service, Version: r.Version, device: r.Device, event: r.EventName, name: r.Name,
		detail: r.Detail,
	}, counts
}

func eventDaily(key *dayKey, counts *dayCounts) lake.EventDailyRow {
	return lake.EventDailyRow{
		Date: key.date, Service: key.Service, Version: key.Version, Device: key.device, EventName: key.event,
		Name: key.name, Detail: key.detail,
		Events: counts[countEvents], Users: counts[countUsers], Sessions: counts[countSessions],
	}
}

// tally sums counts by key, and hands them on before there are too many: what it is given need not outlive the call.
type tally struct {
	sums map[dayKey]*dayCounts
	emit func(*dayKey, *dayCounts) error
}

// Keys that a tally holds, some 400 bytes each.
const tallyKeys = 1 << 15

func newTally(emit func(*dayKey, *dayCounts) error) *tally {
	return &tally{sums: map[dayKey]*dayCounts{}, emit: emit}
}

func (t *tally) add(key *dayKey, place int, n int64) error {
	counts := t.sums[*key]
	if counts == nil {
		if len(t.sums) >= tallyKeys {
			if err := t.flush(); err != nil {
				return err
			}
		}
		counts = &dayCounts{}
		t.sums[key.clone()] = counts
	}
	counts[place] += n
	return nil
}

func (t *tally) flush() error {
	for key, counts := range t.sums {
		if err := t.emit(&key, counts); err != nil {
			return err
		}
	}
	clear(t.sums)
	return nil
}

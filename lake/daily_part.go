package lake

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// dayKey is what is counted: a row of gold.event_daily, or, without an event, one of gold.version_daily.
type dayKey struct {
	date                     int32
	service, version, device string
	event, name, detail      string
}

func (k *dayKey) compare(other *dayKey) int {
	return cmp.Or(cmp.Compare(k.date, other.date), strings.Compare(k.service, other.service), strings.Compare(k.version, other.version),
		strings.Compare(k.device, other.device), strings.Compare(k.event, other.event), strings.Compare(k.name, other.name),
		strings.Compare(k.detail, other.detail))
}

// ofVersion is the key of the row of gold.version_daily that an event counts in.
func (k dayKey) ofVersion() dayKey {
	k.event, k.name, k.detail = "", "", ""
	return k
}

func (k dayKey) clone() dayKey {
	for _, text := range [...]*string{&k.service, &k.version, &k.device, &k.event, &k.name, &k.detail} {
		*text = strings.Clone(*text)
	}
	return k
}

func (k *dayKey) append(buffer []byte) []byte {
	buffer = binary.AppendVarint(buffer, int64(k.date))
	for _, text := range [...]string{k.service, k.version, k.device, k.event, k.name, k.detail} {
		buffer = appendText(buffer, text)
	}
	return buffer
}

func (k *dayKey) hash() uint64 { return xxhash.Sum64(k.append(nil)) }

func (d *decoder) dayKey() (k dayKey) {
	k.date = int32(d.varint())
	for _, text := range [...]*string{&k.service, &k.version, &k.device, &k.event, &k.name, &k.detail} {
		*text = d.text()
	}
	return k
}

// Places of the counts of gold.version_daily. Those from firstMove on follow from gold.users, those before it from silver.
const (
	countActiveUsers = iota
	countAnonymousUsers
	countVersionUsers
	countServiceUsers
	countVersionSessions
	countSessionsEnded
	countSessionSeconds
	countIssues
	countNotificationsSent
	countNotificationsShown
	countNotificationsAccepted
	countNotificationsDismissed
	countNotificationsFailed
	countNotificationsOther
	countNewInstallations
	countAnonymousInstallations
	countUpgradesIn
	countUpgradesOut
	countDowngradesIn
	countDowngradesOut
	countOtherMovesIn
	countOtherMovesOut
	versionCounts

	firstMove = countNewInstallations
)

// Places of the counts of gold.event_daily.
const (
	countEvents = iota
	countUsers
	countSessions
	eventCounts
)

// dayCounts are the counts of a row of either table.
type dayCounts [versionCounts]int64

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
	return append(buffer, versionCounts)
}

func (d *decoder) dayCounts() (c dayCounts) {
	for !d.failed {
		if len(d.data) == 0 || d.data[0] > versionCounts {
			d.failed = true
			break
		}
		i := d.data[0]
		d.data = d.data[1:]
		if i == versionCounts {
			break
		}
		c[i] = d.varint()
	}
	return c
}

// counts are the columns of a row, in the order of their places. Rows of older rules lack the last ones: those are noughts.
func (r *versionDailyRow) counts() [versionCounts]*int64 {
	for _, added := range [...]**int64{&r.OtherMovesIn, &r.OtherMovesOut} {
		if *added == nil {
			*added = new(int64)
		}
	}
	return [...]*int64{
		&r.ActiveUsers, &r.AnonymousUsers, &r.VersionUsers, &r.ServiceUsers, &r.Sessions, &r.SessionsEnded, &r.SessionSeconds, &r.Issues,
		&r.NotificationsSent, &r.NotificationsShown, &r.NotificationsAccepted, &r.NotificationsDismissed, &r.NotificationsFailed,
		&r.NotificationsOther, &r.NewInstallations, &r.AnonymousInstallations, &r.UpgradesIn, &r.UpgradesOut, &r.DowngradesIn, &r.DowngradesOut,
		r.OtherMovesIn, r.OtherMovesOut,
	}
}

func (r *versionDailyRow) part() (key dayKey, counts dayCounts) {
	for i, column := range r.counts() {
		counts[i] = *column
	}
	return dayKey{date: r.Date, service: r.Service, version: r.Version, device: r.Device}, counts
}

func versionDaily(key *dayKey, counts *dayCounts) versionDailyRow {
	row := versionDailyRow{Date: key.date, Service: key.service, Version: key.version, Device: key.device}
	for i, column := range row.counts() {
		*column = counts[i]
	}
	return row
}

func (r *eventDailyRow) part() (key dayKey, counts dayCounts) {
	counts[countEvents], counts[countUsers], counts[countSessions] = r.Events, r.Users, r.Sessions
	return dayKey{
		date: r.Date, service: r.Service, version: r.Version, device: r.Device, event: r.EventName, name: r.Name, detail: r.Detail,
	}, counts
}

func eventDaily(key *dayKey, counts *dayCounts) eventDailyRow {
	return eventDailyRow{
		Date: key.date, Service: key.service, Version: key.version, Device: key.device, EventName: key.event, Name: key.name, Detail: key.detail,
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

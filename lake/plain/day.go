package plain

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// Move is an installation that came (Before is empty) or changed its version.
type Move struct {
	Service, Device, Before, After string
	Anonymous                      bool
}

// DatedMove is a move with its date.
type DatedMove struct {
	Date int32
	Move
}

// Moves are those of a user; none of a user whose row does not tell them all.
func Moves(row *lake.UserRow) (moves []DatedMove) {
	if row.IntervalsCut > 0 {
		return nil
	}
	before := map[installation]string{}
	for _, interval := range row.History {
		at := installation{interval.Service, interval.Device}
		moves = append(moves, DatedMove{Date(interval.ValidFrom), Move{Service: at.service, Device: at.device,
			Before: before[at], After: interval.Version, Anonymous: row.UserKind == "session"}})
		before[at] = interval.Version
	}
	return moves
}

// Date is the UTC date of a moment, in days since 1970.
func Date(micros int64) int32 {
	const day = 24 * 60 * 60 * 1_000_000
	return int32((micros - ((micros%day)+day)%day) / day)
}

// Day counts a date by the definitions of docs/METRICS.md, in sets and sums.
type Day struct {
	date     int32
	versions map[[3]string]*lake.VersionDailyRow
	users    map[string]map[*lake.VersionDailyRow]bool // the keys that each user was here with
	sessions map[*lake.VersionDailyRow]set
	events   map[lake.EventDailyRow]*eventCount
}

type set map[string]bool

// eventCount is what there was of one key of gold.event_daily.
type eventCount struct {
	events          int64
	users, sessions set
}

func NewDay(date int32) *Day {
	return &Day{date: date, versions: map[[3]string]*lake.VersionDailyRow{},
		users: map[string]map[*lake.VersionDailyRow]bool{}, sessions: map[*lake.VersionDailyRow]set{},
		events: map[lake.EventDailyRow]*eventCount{}}
}

// row is that of a key of gold.version_daily.
func (d *Day) row(service, version, device string) *lake.VersionDailyRow {
	key := [3]string{service, version, device}
	if d.versions[key] == nil {
		d.versions[key] = &lake.VersionDailyRow{Date: d.date, Service: service, Version: version, Device: device,
			OtherMovesIn: new(int64), OtherMovesOut: new(int64)}
	}
	return d.versions[key]
}

// AddEvent counts an event of the date.
func (d *Day) AddEvent(e *Event) {
	at := d.row(e.Row.ServiceName, e.Row.Version, e.Row.Device)
	if d.users[e.User] == nil {
		d.users[e.User] = map[*lake.VersionDailyRow]bool{}
	}
	d.users[e.User][at] = true
	if d.sessions[at] == nil {
		d.sessions[at] = set{}
	}
	countHappened(at, &e.Row)

	key := lake.EventDailyRow{Date: d.date, Service: at.Service, Version: at.Version, Device: at.Device,
		EventName: e.Row.EventName}
	key.Name, key.Detail = about(&e.Row)
	if d.events[key] == nil {
		d.events[key] = &eventCount{users: set{}, sessions: set{}}
	}
	d.events[key].events++
	d.events[key].users[e.User] = true
	if e.Session != "" {
		d.sessions[at][e.Session] = true
		d.events[key].sessions[e.Session] = true
	}
}

// AddMove counts a move of the date.
func (d *Day) AddMove(move Move) {
	after := d.row(move.Service, move.After, move.Device)
	if move.Before == "" {
		after.NewInstallations++
		if move.Anonymous {
			after.AnonymousInstallations++
		}
		return
	}
	before := d.row(move.Service, move.Before, move.Device)
	switch order, _ := history.CompareVersions(move.Service, move.After, move.Before); {
	case order > 0:
		after.UpgradesIn++
		before.UpgradesOut++
	case order < 0:
		after.DowngradesIn++
		before.DowngradesOut++
	default: // not comparable, or of equal rank
		*after.OtherMovesIn++
		*before.OtherMovesOut++
	}
}

// Rows are the rows of gold.version_daily and gold.event_daily, in no order. They end the count.
func (d *Day) Rows() (versions []lake.VersionDailyRow, events []lake.EventDailyRow) {
	for user, keys := range d.users {
		countUser(strings.HasPrefix(user, "session:"), keys)
	}
	for _, at := range d.versions {
		at.Sessions = int64(len(d.sessions[at]))
		versions = append(versions, *at)
	}
	for row, count := range d.events {
		row.Events, row.Users, row.Sessions = count.events, int64(len(count.users)), int64(len(count.sessions))
		events = append(events, row)
	}
	return versions, events
}

// countUser counts a user in each key that the user was here with.
func countUser(anonymous bool, keys map[*lake.VersionDailyRow]bool) {
	var all []*lake.VersionDailyRow
	for at := range keys {
		at.ActiveUsers++
		if anonymous {
			at.AnonymousUsers++
		}
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b *lake.VersionDailyRow) int {
		return cmp.Or(strings.Compare(a.Version, b.Version), strings.Compare(a.Device, b.Device))
	})
	seen := set{}
	for _, at := range all {
		if !seen[at.Service] {
			at.ServiceUsers++
		}
		if !seen[at.Service+"\x00"+at.Version] {
			at.VersionUsers++
		}
		seen[at.Service], seen[at.Service+"\x00"+at.Version] = true, true
	}
}

func countHappened(at *lake.VersionDailyRow, e *lake.SilverRow) {
	switch e.EventName {
	case "SessionEnd":
		if seconds, ok := duration(e.Duration); ok {
			at.SessionsEnded++
			at.SessionSeconds += seconds
		}
	case "Issue":
		at.Issues++
	case "Notification":
		switch e.Status {
		case "Sent":
			at.NotificationsSent++
		case "Shown":
			at.NotificationsShown++
		case "Accepted":
			at.NotificationsAccepted++
		case "Dismissed":
			at.NotificationsDismissed++
		case "Failed":
			at.NotificationsFailed++
		default:
			at.NotificationsOther++
		}
	}
}

// duration is docs/METRICS.md on sessions_ended, rounded.
func duration(text string) (seconds int64, ok bool) {
	if value := Seconds(text); value != nil {
		return int64(*value + 0.5), true
	}
	return 0, false
}

// Seconds is docs/METRICS.md on sessions_ended: a decimal number of seconds, up to 31 days.
func Seconds(text string) *float64 {
	for _, letter := range text {
		if !strings.ContainsRune("0123456789.eE+-", letter) {
			return nil
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 || value > 31*24*3600 {
		return nil
	}
	return &value
}

// about is what an event is about: name and detail of gold.event_daily.
func about(e *lake.SilverRow) (name, detail string) {
	switch e.EventName {
	case "FeatureUsed":
		return e.Feature, ""
	case "Issue":
		return e.Code, e.Severity
	case "Notification":
		return e.Target, e.Status
	case "Install":
		return e.Source, e.Campaign
	case "Experiment":
		return e.Experiment, e.Variant
	case "DeviceInfo":
		return e.OS, e.Model
	}
	return "", ""
}

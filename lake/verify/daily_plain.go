package verify

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// What docs/METRICS.md says of a date, in the plainest way there is: whose an event is, and then sets and sums.

// plainEvent is an event whose user, device and version are known.
type plainEvent struct {
	User, Session string
	Event         lake.SilverRow // with Device and Version as they were found out
}

// plainMove is an installation that came (Before is empty) or changed its version.
type plainMove struct {
	Service, Device, Before, After string
	Anonymous                      bool
}

// plainEvents finds the user, the device and the version of every event.
func (v *Verifier) plainEvents(ctx context.Context, events, sightings, bindings []iceberg.DataFile,
	add func(dailyFact) error) error {
	type fact struct {
		Event    *lake.SilverRow
		Sighting *lake.SightingRow
		Binding  *lake.BindingRow
	}
	type session struct {
		events    []lake.SilverRow
		sightings []lake.SightingRow
		bindings  map[string][]lake.BindingRow
	}
	sessions, err := v.newPartitions(lake.CountOf(events) + lake.CountOf(sightings) + lake.CountOf(bindings))
	if err != nil {
		return err
	}
	defer sessions.close()
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverEvents.Name}, events,
		func(row *lake.SilverRow) error {
			return sessions.add(row.SessionID, fact{Event: row})
		}); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverSightings.Name}, sightings,
		func(row *lake.SightingRow) error {
			return sessions.add(row.SessionID, fact{Sighting: row})
		}); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverBindings.Name}, bindings,
		func(row *lake.BindingRow) error {
			return sessions.add(row.SessionID, fact{Binding: row})
		}); err != nil {
		return err
	}
	for part := range sessions.files {
		v.progress("finding the users of events", part, len(sessions.files), "parts")
		bySession := map[string]*session{}
		of := func(id string) *session {
			if bySession[id] == nil {
				bySession[id] = &session{bindings: map[string][]lake.BindingRow{}}
			}
			return bySession[id]
		}
		if err := eachSpilled(ctx, sessions, part, func(fact fact) error {
			switch {
			case fact.Event != nil:
				s := of(fact.Event.SessionID)
				s.events = append(s.events, *fact.Event)
			case fact.Sighting != nil:
				s := of(fact.Sighting.SessionID)
				s.sightings = append(s.sightings, *fact.Sighting)
			default:
				s := of(fact.Binding.SessionID)
				s.bindings[fact.Binding.Kind] = append(s.bindings[fact.Binding.Kind], *fact.Binding)
			}
			return nil
		}); err != nil {
			return err
		}
		for id, s := range bySession {
			for _, event := range s.events {
				user := event.UserID
				if user == "" {
					user = plainUserAt(s.bindings["user"], event.Time)
				}
				switch {
				case user == "":
					user = "session:" + id
				case strings.HasPrefix(user, "session:"), strings.HasPrefix(user, "user:"):
					user = "user:" + user
				}
				if event.Device == "" {
					event.Device = plainHeld(s.bindings["device"], event.Time)
				}
				var versions, devices []lake.BindingRow
				for _, sighting := range s.sightings {
					if id != "" && sighting.ServiceName == event.ServiceName {
						fact := lake.BindingRow{Value: sighting.Version, Time: sighting.Time,
							Transaction: sighting.Transaction, FileName: sighting.FileName,
							LineNumber: sighting.LineNumber}
						versions = append(versions, fact)
						if fact.Value = sighting.Device; fact.Value == "" {
							fact.Value = plainHeld(s.bindings["device"], sighting.Time)
						}
						devices = append(devices, fact)
					}
				}
				if event.Device == "" && (event.EventName != "SoftwareVersion" || event.Version == "") {
					event.Device = plainHeld(devices, event.Time)
				}
				if event.Version == "" {
					event.Version = plainHeld(versions, event.Time)
				}
				if err := add(dailyFact{Date: plainDate(event.Time),
					Event: &plainEvent{User: user, Session: id, Event: event}}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// plainUserAt is plainHeld, but that an ending, which has no value, is taken only for what came before.
func plainUserAt(bindings []lake.BindingRow, time int64) string {
	var before *lake.BindingRow
	var named []lake.BindingRow
	for i := range bindings {
		binding := &bindings[i]
		if binding.Value != "" {
			named = append(named, *binding)
		}
		if binding.Time > time || time-binding.Time > plainWindow {
			continue
		}
		if before == nil || cmp.Or(cmp.Compare(binding.Time, before.Time),
			cmp.Compare(binding.Transaction, before.Transaction), strings.Compare(binding.FileName, before.FileName),
			cmp.Compare(binding.LineNumber, before.LineNumber), -strings.Compare(binding.Value, before.Value)) > 0 {
			before = binding
		}
	}
	if before != nil {
		return before.Value
	}
	return plainHeld(named, time)
}

// plainHeld is the value of the last fact at or before a moment, else of the first after it, no further away than a
// day.
func plainHeld(facts []lake.BindingRow, time int64) string {
	var before, after *lake.BindingRow
	order := func(a, b *lake.BindingRow) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
			strings.Compare(a.FileName, b.FileName), cmp.Compare(a.LineNumber, b.LineNumber))
	}
	for i := range facts {
		fact := &facts[i]
		switch {
		case fact.Time <= time && time-fact.Time <= plainWindow && (before == nil || order(fact, before) > 0):
			before = fact
		case fact.Time > time && fact.Time-time <= plainWindow && (after == nil || order(fact, after) < 0):
			after = fact
		}
	}
	switch {
	case before != nil:
		return before.Value
	case after != nil:
		return after.Value
	}
	return ""
}

func plainDate(micros int64) int32 {
	const day = 24 * 60 * 60 * 1_000_000
	return int32((micros - ((micros%day)+day)%day) / day)
}

// plainDay is all that concerns one date.
type plainDay struct {
	events   []plainEvent
	moves    []plainMove
	versions []lake.VersionDailyRow
	daily    []lake.EventDailyRow
}

func (d *plainDay) add(fact dailyFact) {
	switch {
	case fact.Event != nil:
		d.events = append(d.events, *fact.Event)
	case fact.Move != nil:
		d.moves = append(d.moves, *fact.Move)
	case fact.Version != nil:
		d.versions = append(d.versions, *fact.Version)
	default:
		d.daily = append(d.daily, *fact.Daily)
	}
}

// plainDuration is docs/METRICS.md on sessions_ended: a decimal number of seconds, up to 31 days.
func plainDuration(text string) (seconds int64, ok bool) {
	var value float64
	for _, letter := range text {
		if !strings.ContainsRune("0123456789.eE+-", letter) {
			return 0, false
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 || value > 31*24*3600 {
		return 0, false
	}
	return int64(value + 0.5), true
}

// count is docs/METRICS.md, to the letter.
func (d *plainDay) count(date int32) (versions []lake.VersionDailyRow, events []lake.EventDailyRow) {
	type set map[string]bool
	rows, daily := map[[3]string]*lake.VersionDailyRow{}, map[lake.EventDailyRow]*lake.EventDailyRow{}
	row := func(service, version, device string) *lake.VersionDailyRow {
		key := [3]string{service, version, device}
		if rows[key] == nil {
			rows[key] = &lake.VersionDailyRow{
				Date: date, Service: service, Version: version, Device: device, OtherMovesIn: new(int64),
				OtherMovesOut: new(int64),
			}
		}
		return rows[key]
	}
	// Which keys each user, and each session, was here with.
	users, sessions := map[string]map[*lake.VersionDailyRow]bool{}, map[*lake.VersionDailyRow]set{}
	dailyUsers, dailySessions := map[*lake.EventDailyRow]set{}, map[*lake.EventDailyRow]set{}
	for _, e := range d.events {
		at := row(e.Event.ServiceName, e.Event.Version, e.Event.Device)
		if users[e.User] == nil {
			users[e.User] = map[*lake.VersionDailyRow]bool{}
		}
		users[e.User][at] = true
		if sessions[at] == nil {
			sessions[at] = set{}
		}
		if e.Session != "" {
			sessions[at][e.Session] = true
		}
		d.countHappened(at, &e.Event)

		key := lake.EventDailyRow{Date: date, Service: at.Service, Version: at.Version, Device: at.Device,
			EventName: e.Event.EventName}
		key.Name, key.Detail = plainAbout(&e.Event)
		if daily[key] == nil {
			copied := key
			daily[key] = &copied
			dailyUsers[&copied], dailySessions[&copied] = set{}, set{}
		}
		daily[key].Events++
		dailyUsers[daily[key]][e.User] = true
		if e.Session != "" {
			dailySessions[daily[key]][e.Session] = true
		}
	}
	for user, keys := range users {
		var all []*lake.VersionDailyRow
		for at := range keys {
			at.ActiveUsers++
			if strings.HasPrefix(user, "session:") {
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
	for _, move := range d.moves {
		after := row(move.Service, move.After, move.Device)
		// 0: not comparable, or of equal rank
		order, _ := history.CompareVersions(move.Service, move.After, move.Before)
		switch {
		case move.Before == "":
			after.NewInstallations++
			if move.Anonymous {
				after.AnonymousInstallations++
			}
		case order > 0:
			after.UpgradesIn++
			row(move.Service, move.Before, move.Device).UpgradesOut++
		case order < 0:
			after.DowngradesIn++
			row(move.Service, move.Before, move.Device).DowngradesOut++
		default:
			*after.OtherMovesIn++
			*row(move.Service, move.Before, move.Device).OtherMovesOut++
		}
	}
	for _, at := range rows {
		at.Sessions = int64(len(sessions[at]))
		versions = append(versions, *at)
	}
	for _, at := range daily {
		at.Users, at.Sessions = int64(len(dailyUsers[at])), int64(len(dailySessions[at]))
		events = append(events, *at)
	}
	return versions, events
}

func (d *plainDay) countHappened(at *lake.VersionDailyRow, e *lake.SilverRow) {
	switch e.EventName {
	case "SessionEnd":
		if seconds, ok := plainDuration(e.Duration); ok {
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

func plainAbout(e *lake.SilverRow) (name, detail string) {
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

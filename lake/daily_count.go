package lake

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// What follows from silver for a date: its events are brought together by session, which tells their user, device and version;
// what that gives by user, which tells how many users there are.

// dailyEventRow is what is read of silver.events.
type dailyEventRow struct {
	EventName   string `parquet:"event_name,dict,id(1)"`
	SessionID   string `parquet:"session_id,optional,id(2)"`
	ServiceName string `parquet:"service_name,dict,id(4)"`
	Time        int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
	UserID      string `parquet:"user_id,optional,id(6)"`
	Device      string `parquet:"device,optional,dict,id(7)"`
	Version     string `parquet:"version,optional,dict,id(8)"`
	OS          string `parquet:"os,optional,dict,id(9)"`
	Model       string `parquet:"model,optional,dict,id(10)"`
	Target      string `parquet:"target_version,optional,dict,id(12)"`
	Status      string `parquet:"status,optional,dict,id(13)"`
	Duration    string `parquet:"duration,optional,id(14)"`
	Feature     string `parquet:"feature,optional,dict,id(15)"`
	Code        string `parquet:"code,optional,dict,id(16)"`
	Severity    string `parquet:"severity,optional,dict,id(17)"`
	Source      string `parquet:"source,optional,dict,id(19)"`
	Campaign    string `parquet:"campaign,optional,dict,id(20)"`
	Experiment  string `parquet:"experiment,optional,dict,id(21)"`
	Variant     string `parquet:"variant,optional,dict,id(22)"`
}

var dailyEventSchema = parquet.SchemaOf(dailyEventRow{})

func dailyEventOf(row parquet.Row) (e dailyEventRow) {
	e.Time = row[3].Int64()
	for i, text := range [...]*string{
		&e.EventName, &e.SessionID, &e.ServiceName, nil, &e.UserID, &e.Device, &e.Version, &e.OS, &e.Model, &e.Target, &e.Status, &e.Duration,
		&e.Feature, &e.Code, &e.Severity, &e.Source, &e.Campaign, &e.Experiment, &e.Variant,
	} {
		if text != nil {
			*text = alias(row[i].ByteArray())
		}
	}
	return e
}

// about is what an event is about: name and detail of gold.event_daily (docs/METRICS.md).
func (e *dailyEventRow) about() (name, detail string) {
	switch e.EventName {
	case telemetry.KindFeatureUsed.String():
		return e.Feature, ""
	case telemetry.KindIssue.String():
		return e.Code, e.Severity
	case telemetry.KindNotification.String():
		return e.Target, e.Status
	case telemetry.KindInstall.String():
		return e.Source, e.Campaign
	case telemetry.KindExperiment.String():
		return e.Experiment, e.Variant
	case telemetry.KindDeviceInfo.String():
		return e.OS, e.Model
	}
	return "", ""
}

// endedAfter is the duration of a session that ended, in seconds; -1 where the event tells none.
func (e *dailyEventRow) endedAfter() int64 {
	const most = 31 * 24 * 60 * 60
	if e.EventName != telemetry.KindSessionEnd.String() || strings.Trim(e.Duration, "0123456789.eE+-") != "" {
		return -1
	}
	seconds, err := strconv.ParseFloat(e.Duration, 64)
	if err != nil || !(seconds >= 0 && seconds <= most) {
		return -1
	}
	return int64(math.Round(seconds))
}

// dailyEvent is the kind of a sessionRow that is an event; its value is what packEvent made.
const dailyEvent = 'e'

func (e *dailyEventRow) pack(buffer []byte) []byte {
	name, detail := e.about()
	for _, text := range [...]string{e.Version, e.EventName, name, detail, strconv.FormatInt(e.endedAfter(), 10)} {
		buffer = appendText(buffer, text)
	}
	return buffer
}

// dayEvent is an event whose user, device and version are known.
type dayEvent struct {
	key   dayKey
	user  string
	ended int64 // seconds, see endedAfter
}

func anonymous(user string) bool { return strings.HasPrefix(user, history.KindSession+":") }

// events counts the events of the dates.
func (c *dayCounting) events(ctx context.Context, state dailyState, progress func(int64)) error {
	span := span{math.MaxInt64, math.MinInt64}
	for date, each := range c.dates {
		if each.Events {
			span.include(int64(date) * microsPerDay)
			span.include(int64(date+1)*microsPerDay - 1)
		}
	}
	if span.low > span.high {
		return nil
	}
	files, size, err := c.lake.dailyFiles(ctx, state, span)
	if err != nil {
		return err
	}
	j, err := c.lake.newJoin(countSections(size))
	if err != nil {
		return err
	}
	defer j.close()
	near := func(reach int64) func(sessionRow) error {
		return func(row sessionRow) error {
			progress(j.rows.Load())
			for date := dateOf(row.time - reach); date <= dateOf(row.time+reach); date++ {
				if c.counted(date) {
					return j.add(row)
				}
			}
			return nil
		}
	}
	if err := c.lake.sightingRows(ctx, files[1], rowAdded, nil, near(reaches[1])); err != nil {
		return err
	}
	if err := c.lake.bindingRows(ctx, files[2], rowAdded, nil, near(reaches[2])); err != nil {
		return err
	}
	if err := c.lake.dailyEvents(ctx, files[0], c.counted, j.add); err != nil {
		return err
	}
	users, err := c.lake.newSpill(countSections(size))
	if err != nil {
		return err
	}
	defer users.close()
	if err := c.sessions(ctx, j, users); err != nil {
		return err
	}
	return c.users(ctx, users)
}

// countSections makes sections of about a MiB of silver.events, as it is stored; a power of two.
func countSections(bytes int64) int {
	sections := joinSections
	for sections < 4096 && bytes/int64(sections) > 1<<20 {
		sections *= 2
	}
	return sections
}

// dailyFiles are the files of each silver table that may hold what counts for events of a span, and the size of those events.
func (l *Lake) dailyFiles(ctx context.Context, state dailyState, events span) (files [3][]iceberg.DataFile, size int64, err error) {
	for i, snapshot := range state.of() {
		if snapshot == 0 {
			continue
		}
		loaded, err := l.load(ctx, silverTables[i])
		if err != nil {
			return files, 0, err
		}
		if loaded.SnapshotByID(snapshot) == nil {
			return files, 0, fmt.Errorf("%w: snapshot %d of %s was expired", ErrConflict, snapshot, silverTables[i].name)
		}
		live, err := liveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
		if err != nil {
			return files, 0, err
		}
		files[i] = events.widened(reaches[i]).within(live, silverTables[i].fieldID("event_timestamp_utc"))
	}
	for _, file := range files[0] {
		size += file.FileSizeBytes()
	}
	return files, size, nil
}

// dailyEvents streams events of some dates as rows of sessions; each must be safe for concurrent use.
func (l *Lake) dailyEvents(ctx context.Context, files []iceberg.DataFile, counted func(date int32) bool, each func(sessionRow) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			var packed []byte
			return l.scanRaw(ctx, file, dailyEventSchema, func(row parquet.Row) error {
				if !counted(dateOf(row[3].Int64())) {
					return nil
				}
				e := dailyEventOf(row)
				packed = e.pack(packed[:0])
				return each(sessionRow{
					key: int64(xxhash.Sum64String(e.SessionID)), session: e.SessionID, kind: dailyEvent, user: e.UserID, service: e.ServiceName,
					device: e.Device, value: alias(packed), time: e.Time,
				})
			})
		})
	}
	return work.Wait()
}

// sessions counts what sessions tell alone, and hands on which users they are of.
func (c *dayCounting) sessions(ctx context.Context, j *join, users *spill) error {
	counts := newLanes[sessionCounting]()
	if err := j.sessions(ctx, func(rows []*sessionRow) error {
		return counts.with(func(s *sessionCounting) error {
			if s.tally == nil {
				s.tally = newTally(c.add)
			}
			s.read(rows)
			return s.count(users)
		})
	}); err != nil {
		return err
	}
	for _, s := range counts.all() {
		if s.tally != nil {
			if err := s.tally.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sessionCounting works on one session after the other.
type sessionCounting struct {
	tally    *tally
	bound    bound
	versions map[string]history.Bindings // by service: what sightings tell, looked up as bindings are
	devices  map[string]history.Bindings // likewise
	events   []dayEvent
	none     bool // the events have no session, and nothing to do with each other
}

func (s *sessionCounting) read(rows []*sessionRow) {
	s.bound = bound{users: s.bound.users[:0], devices: s.bound.devices[:0]}
	s.versions, s.devices, s.events = map[string]history.Bindings{}, map[string]history.Bindings{}, s.events[:0]
	for _, row := range rows {
		switch row.kind {
		case 'u':
			s.bound.users = append(s.bound.users, row.binding())
		case 'd':
			s.bound.devices = append(s.bound.devices, row.binding())
		}
	}
	s.bound.users.Link()
	s.none = rows[0].session == ""
	for _, row := range rows {
		if row.kind != 's' || s.none {
			continue
		}
		seen := row.binding()
		s.versions[row.service] = append(s.versions[row.service], seen)
		_, sighting := s.bound.resolve(row)
		seen.Value = sighting.Device
		s.devices[row.service] = append(s.devices[row.service], seen)
	}
	for _, row := range rows {
		if row.kind == dailyEvent {
			s.events = append(s.events, s.resolve(row))
		}
	}
}

func (s *sessionCounting) resolve(row *sessionRow) (e dayEvent) {
	d := decoder{data: unsafe.Slice(unsafe.StringData(row.value), len(row.value))}
	e.key = dayKey{date: dateOf(row.time), service: row.service, version: d.text(), event: d.text(), name: d.text(), detail: d.text()}
	e.ended, _ = strconv.ParseInt(d.text(), 10, 64)
	user, sighting := s.bound.resolve(row)
	e.user, e.key.device = user, sighting.Device
	if isSighting := e.key.event == telemetry.KindSoftwareVersion.String() && e.key.version != ""; e.key.device == "" && !isSighting {
		e.key.device, _ = s.devices[row.service].Resolve(row.time, history.DefaultWindow)
	}
	if e.key.version == "" {
		e.key.version, _ = s.versions[row.service].Resolve(row.time, history.DefaultWindow)
	}
	return e
}

// count is given one session, or all events without one.
func (s *sessionCounting) count(users *spill) error {
	slices.SortFunc(s.events, func(a, b dayEvent) int {
		if c := a.key.compare(&b.key); c != 0 {
			return c
		}
		return strings.Compare(a.user, b.user)
	})
	for i := range s.events {
		e := &s.events[i]
		version := e.key.ofVersion()
		if !s.none && (i == 0 || s.events[i-1].key.ofVersion() != version) {
			if err := s.tally.add(&version, countVersionSessions, 1); err != nil {
				return err
			}
		}
		if !s.none && (i == 0 || s.events[i-1].key != e.key) {
			if err := s.tally.add(&e.key, countSessions, 1); err != nil {
				return err
			}
		}
		if err := s.countEvent(e, &version); err != nil {
			return err
		}
		if i > 0 && s.events[i-1].key == e.key && s.events[i-1].user == e.user {
			continue
		}
		section := int(xxhash.Sum64String(e.user) % uint64(users.sections))
		if err := users.add(section, func(buffer []byte) []byte { return e.key.append(appendText(buffer, e.user)) }); err != nil {
			return err
		}
	}
	return nil
}

var notificationCounts = map[string]int{
	"Sent": countNotificationsSent, "Shown": countNotificationsShown, "Accepted": countNotificationsAccepted,
	"Dismissed": countNotificationsDismissed, "Failed": countNotificationsFailed,
}

// countEvent counts one event, in both tables.
func (s *sessionCounting) countEvent(e *dayEvent, version *dayKey) error {
	if err := s.tally.add(&e.key, countEvents, 1); err != nil {
		return err
	}
	switch e.key.event {
	case telemetry.KindIssue.String():
		return s.tally.add(version, countIssues, 1)
	case telemetry.KindNotification.String():
		place, known := notificationCounts[e.key.detail]
		if !known {
			place = countNotificationsOther
		}
		return s.tally.add(version, place, 1)
	case telemetry.KindSessionEnd.String():
		if e.ended < 0 {
			return nil
		}
		if err := s.tally.add(version, countSessionsEnded, 1); err != nil {
			return err
		}
		return s.tally.add(version, countSessionSeconds, e.ended)
	}
	return nil
}

// users counts each user once a key.
func (c *dayCounting) users(ctx context.Context, users *spill) error {
	type of struct {
		user string
		key  dayKey
	}
	tallies := newLanes[*tally]()
	if err := users.each(ctx, func() func([]byte) error {
		var all []of
		return func(data []byte) error {
			all = all[:0]
			d := decoder{data: data}
			for len(d.data) > 0 {
				all = append(all, of{d.text(), d.dayKey()})
			}
			if d.failed {
				return errDamaged
			}
			slices.SortFunc(all, func(a, b of) int {
				if c := strings.Compare(a.user, b.user); c != 0 {
					return c
				}
				return a.key.compare(&b.key)
			})
			return tallies.with(func(tally **tally) error {
				if *tally == nil {
					*tally = newTally(c.add)
				}
				var before of
				for i, each := range all {
					same := i > 0 && each.user == before.user
					if same && each.key == before.key {
						continue
					}
					if err := countUser(*tally, &each.key, &before.key, same, anonymous(each.user)); err != nil {
						return err
					}
					before = each
				}
				return nil
			})
		}
	}); err != nil {
		return err
	}
	for _, tally := range tallies.all() {
		if *tally != nil {
			if err := (*tally).flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// countUser counts a user for a key; before is the same user's last key, in order, if there is one.
func countUser(t *tally, key, before *dayKey, same, anonymous bool) error {
	if err := t.add(key, countUsers, 1); err != nil {
		return err
	}
	version, last := key.ofVersion(), before.ofVersion()
	if same && version == last {
		return nil
	}
	places := []int{countActiveUsers}
	if anonymous {
		places = append(places, countAnonymousUsers)
	}
	sameService := same && version.date == last.date && version.service == last.service
	if !sameService {
		places = append(places, countServiceUsers)
	}
	if !sameService || version.version != last.version {
		places = append(places, countVersionUsers)
	}
	for _, place := range places {
		if err := t.add(&version, place, 1); err != nil {
			return err
		}
	}
	return nil
}

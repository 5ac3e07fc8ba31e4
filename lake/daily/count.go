package daily

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
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// What follows from silver for a date: its events are brought together by session, which tells their user, device
// and version; what that gives by user, which tells how many users there are.

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
			*text = objects.UnsafeString(row[i].ByteArray())
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

// dailyEvent is the kind of a SessionRow that is an event; its value is what packEvent made.
const dailyEvent = 'e'

func (e *dailyEventRow) pack(buffer []byte) []byte {
	name, detail := e.about()
	for _, text := range [...]string{e.Version, e.EventName, name, detail, strconv.FormatInt(e.endedAfter(), 10)} {
		buffer = objects.AppendText(buffer, text)
	}
	return buffer
}

// dayEvent is an event whose user, device and version are known.
type dayEvent struct {
	key   DayKey
	user  string
	ended int64 // seconds, see endedAfter
}

func anonymous(user string) bool { return strings.HasPrefix(user, history.KindSession+":") }

// events counts the events of the dates.
func (c *dayCounting) events(ctx context.Context, state lake.DailyState, progress func(int64)) error {
	span := sessions.Span{Low: math.MaxInt64, High: math.MinInt64}
	for date, each := range c.dates {
		if each.Events {
			span.Include(int64(date) * lake.MicrosPerDay)
			span.Include(int64(date+1)*lake.MicrosPerDay - 1)
		}
	}
	if span.Low > span.High {
		return nil
	}
	files, size, err := dailyFiles(ctx, c.lake, state, span)
	if err != nil {
		return err
	}
	j, err := sessions.NewJoin(c.lake, countSections(size))
	if err != nil {
		return err
	}
	defer j.Close()
	near := func(reach int64) func(sessions.SessionRow) error {
		return func(row sessions.SessionRow) error {
			progress(j.Rows.Load())
			for date := lake.DateOf(row.Time - reach); date <= lake.DateOf(row.Time+reach); date++ {
				if c.counted(date) {
					return j.Add(row)
				}
			}
			return nil
		}
	}
	reader := sessions.Reader{Lake: c.lake}
	if err := reader.Sightings(ctx, files[1], sessions.RowAdded, near(lake.Reaches[1])); err != nil {
		return err
	}
	if err := reader.Bindings(ctx, files[2], sessions.RowAdded, near(lake.Reaches[2])); err != nil {
		return err
	}
	if err := dailyEvents(ctx, c.lake, files[0], c.counted, j.Add); err != nil {
		return err
	}
	users, err := c.lake.NewSpill(countSections(size))
	if err != nil {
		return err
	}
	defer users.Close()
	if err := c.sessions(ctx, j, users); err != nil {
		return err
	}
	return c.users(ctx, users)
}

// countSections makes sections of about a MiB of silver.events, as it is stored; a power of two.
func countSections(bytes int64) int {
	sections := sessions.JoinSections
	for sections < 4096 && bytes/int64(sections) > 1<<20 {
		sections *= 2
	}
	return sections
}

// dailyFiles are the files of each silver table that may hold what counts for events of a span, and the size of
// those events.
func dailyFiles(ctx context.Context, l *lake.Lake, state lake.DailyState,
	events sessions.Span) (files [3][]iceberg.DataFile, size int64, err error) {
	for i, snapshot := range state.Of() {
		if snapshot == 0 {
			continue
		}
		loaded, err := l.Load(ctx, lake.SilverTables[i])
		if err != nil {
			return files, 0, err
		}
		if loaded.SnapshotByID(snapshot) == nil {
			return files, 0, fmt.Errorf("%w: snapshot %d of %s was expired", lake.ErrConflict, snapshot,
				lake.SilverTables[i].Name)
		}
		live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
		if err != nil {
			return files, 0, err
		}
		files[i] = events.Widened(lake.Reaches[i]).Within(live, lake.SilverTables[i].FieldID("event_timestamp_utc"))
	}
	for _, file := range files[0] {
		size += file.FileSizeBytes()
	}
	return files, size, nil
}

// dailyEvents streams events of some dates as rows of sessions; each must be safe for concurrent use.
func dailyEvents(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, counted func(date int32) bool,
	each func(sessions.SessionRow) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			var packed []byte
			return l.ScanRaw(ctx, file, dailyEventSchema, func(row parquet.Row) error {
				if !counted(lake.DateOf(row[3].Int64())) {
					return nil
				}
				e := dailyEventOf(row)
				packed = e.pack(packed[:0])
				return each(sessions.SessionRow{
					Key: int64(xxhash.Sum64String(e.SessionID)), Session: e.SessionID, Kind: dailyEvent, User: e.UserID,
					Service: e.ServiceName,
					Device:  e.Device, Value: objects.UnsafeString(packed), Time: e.Time,
				})
			})
		})
	}
	return work.Wait()
}

// sessions counts what sessions tell alone, and hands on which users they are of.
func (c *dayCounting) sessions(ctx context.Context, j *sessions.Join, users *objects.Spill) error {
	counts := objects.NewLanes[sessionCounting]()
	if err := j.Sessions(ctx, func(rows []*sessions.SessionRow) error {
		return counts.With(func(s *sessionCounting) error {
			if s.tally == nil {
				s.tally = newTally(c.add)
			}
			s.read(rows)
			return s.count(users)
		})
	}); err != nil {
		return err
	}
	for _, s := range counts.All() {
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
	bound    sessions.Bound
	versions map[string]history.Bindings // by service: what sightings tell, looked up as bindings are
	devices  map[string]history.Bindings // likewise
	events   []dayEvent
	none     bool // the events have no session, and nothing to do with each other
}

func (s *sessionCounting) read(rows []*sessions.SessionRow) {
	s.bound = sessions.Bound{Users: s.bound.Users[:0], Devices: s.bound.Devices[:0]}
	s.versions, s.devices, s.events = map[string]history.Bindings{}, map[string]history.Bindings{}, s.events[:0]
	for _, row := range rows {
		switch row.Kind {
		case 'u':
			s.bound.Users = append(s.bound.Users, row.Binding())
		case 'd':
			s.bound.Devices = append(s.bound.Devices, row.Binding())
		}
	}
	s.bound.Users.Link()
	s.none = rows[0].Session == ""
	for _, row := range rows {
		if row.Kind != 's' || s.none {
			continue
		}
		seen := row.Binding()
		s.versions[row.Service] = append(s.versions[row.Service], seen)
		_, sighting := s.bound.Resolve(row)
		seen.Value = sighting.Device
		s.devices[row.Service] = append(s.devices[row.Service], seen)
	}
	for _, row := range rows {
		if row.Kind == dailyEvent {
			s.events = append(s.events, s.resolve(row))
		}
	}
}

func (s *sessionCounting) resolve(row *sessions.SessionRow) (e dayEvent) {
	d := objects.Decoder{Data: unsafe.Slice(unsafe.StringData(row.Value), len(row.Value))}
	e.key = DayKey{date: lake.DateOf(row.Time), Service: row.Service, Version: d.Text(), event: d.Text(),
		name: d.Text(), detail: d.Text()}
	e.ended, _ = strconv.ParseInt(d.Text(), 10, 64)
	user, sighting := s.bound.Resolve(row)
	e.user, e.key.device = user, sighting.Device
	if isSighting := e.key.event == telemetry.KindSoftwareVersion.String() && e.key.Version != ""; e.key.device == "" &&
		!isSighting {
		e.key.device, _ = s.devices[row.Service].Resolve(row.Time, history.DefaultWindow)
	}
	if e.key.Version == "" {
		e.key.Version, _ = s.versions[row.Service].Resolve(row.Time, history.DefaultWindow)
	}
	return e
}

// count is given one session, or all events without one.
func (s *sessionCounting) count(users *objects.Spill) error {
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
			if err := s.tally.add(&version, lake.CountVersionSessions, 1); err != nil {
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
		section := int(xxhash.Sum64String(e.user) % uint64(users.Sections))
		if err := users.Add(section,
			func(buffer []byte) []byte { return e.key.append(objects.AppendText(buffer, e.user)) }); err != nil {
			return err
		}
	}
	return nil
}

var notificationCounts = map[string]int{
	"Sent": lake.CountNotificationsSent, "Shown": lake.CountNotificationsShown,
	"Accepted":  lake.CountNotificationsAccepted,
	"Dismissed": lake.CountNotificationsDismissed, "Failed": lake.CountNotificationsFailed,
}

// countEvent counts one event, in both tables.
func (s *sessionCounting) countEvent(e *dayEvent, version *DayKey) error {
	if err := s.tally.add(&e.key, countEvents, 1); err != nil {
		return err
	}
	switch e.key.event {
	case telemetry.KindIssue.String():
		return s.tally.add(version, lake.CountIssues, 1)
	case telemetry.KindNotification.String():
		place, known := notificationCounts[e.key.detail]
		if !known {
			place = lake.CountNotificationsOther
		}
		return s.tally.add(version, place, 1)
	case telemetry.KindSessionEnd.String():
		if e.ended < 0 {
			return nil
		}
		if err := s.tally.add(version, lake.CountSessionsEnded, 1); err != nil {
			return err
		}
		return s.tally.add(version, lake.CountSessionSeconds, e.ended)
	}
	return nil
}

// users counts each user once a key.
func (c *dayCounting) users(ctx context.Context, users *objects.Spill) error {
	type of struct {
		user string
		key  DayKey
	}
	tallies := objects.NewLanes[*tally]()
	if err := users.Each(ctx, func() func([]byte) error {
		var all []of
		return func(data []byte) error {
			all = all[:0]
			d := objects.Decoder{Data: data}
			for len(d.Data) > 0 {
				all = append(all, of{d.Text(), decodeDayKey(&d)})
			}
			if d.Failed {
				return objects.ErrDamaged
			}
			slices.SortFunc(all, func(a, b of) int {
				if c := strings.Compare(a.user, b.user); c != 0 {
					return c
				}
				return a.key.compare(&b.key)
			})
			return tallies.With(func(tally **tally) error {
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
	for _, tally := range tallies.All() {
		if *tally != nil {
			if err := (*tally).flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// countUser counts a user for a key; before is the same user's last key, in order, if there is one.
func countUser(t *tally, key, before *DayKey, same, anonymous bool) error {
	if err := t.add(key, countUsers, 1); err != nil {
		return err
	}
	version, last := key.ofVersion(), before.ofVersion()
	if same && version == last {
		return nil
	}
	places := []int{lake.CountActiveUsers}
	if anonymous {
		places = append(places, lake.CountAnonymousUsers)
	}
	sameService := same && version.date == last.date && version.Service == last.Service
	if !sameService {
		places = append(places, lake.CountServiceUsers)
	}
	if !sameService || version.Version != last.Version {
		places = append(places, lake.CountVersionUsers)
	}
	for _, place := range places {
		if err := t.add(&version, place, 1); err != nil {
			return err
		}
	}
	return nil
}

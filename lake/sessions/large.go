package sessions

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// A session that a whole product shares has millions of rows, of which an hour changes what little is told by those next
// to its own. So row groups that are of one session alone are left aside at first, and of them only that is read.

// LargeGroup is from how many rows on such a row group is left aside. A variable for tests.
var LargeGroup int64 = 4096

// Aside is what a Reader leaves aside.
type Aside struct {
	mutex sync.Mutex
	keys  []int64
	files map[string]iceberg.DataFile
}

func (a *Aside) note(file iceberg.DataFile, key int64) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.files == nil {
		a.files = map[string]iceberg.DataFile{}
	}
	a.keys, a.files[file.FilePath()] = append(a.keys, key), file
}

// wholeSession is the session of a large row group that has no other.
func wholeSession(group lake.RowGroup) (key int64, is bool) {
	if group.NumRows() < LargeGroup {
		return 0, false
	}
	low, high, ok := boundsOf(group, "session_key")
	return low, ok && low == high
}

func boundsOf(group lake.RowGroup, column string) (low, high int64, ok bool) {
	leaf, found := group.Schema().Lookup(column)
	if !found {
		return 0, 0, false
	}
	chunk, isFile := group.ColumnChunks()[leaf.ColumnIndex].(*parquet.FileColumnChunk)
	if !isFile {
		return 0, 0, false
	}
	first, last, ok := chunk.Bounds()
	if !ok {
		return 0, 0, false
	}
	return first.Int64(), last.Int64(), true
}

// Large says of sessions that were left aside what counts where they change.
type Large struct {
	Keys KeySet
	of   map[int64]*largeSession
}

// largeSession are the times of a session's rows that stayed.
type largeSession struct {
	met                   bool // a row of it
	session               string
	all                   bool // all of its rows count, since they can't be told apart
	users, named, devices []int64
	services              map[string][]int64

	changed moments
	// concerns are the times of rows that may mean something else: of all, and of those of a service besides.
	concerns  Spans
	ofService map[string]Spans
	// The times of rows by which something is told.
	byUsers, byDevices Spans
	bySightings        map[string]Spans // by service
	bySighting         Spans            // of all services
}

// moments are times at which a session changed, and others at which it has to be known whose it is.
type moments struct {
	users, devices []int64
	services       map[string][]int64
	told           []int64
}

// servicesAtMost is of how many services of a session the times of sightings are told apart.
const servicesAtMost = 64

var (
	sightingTimes = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		SessionID  string `parquet:"session_id,optional,id(2)"`
		Service    string `parquet:"service_name,dict,id(4)"`
		Time       int64  `parquet:"event_timestamp_utc,timestamp(microsecond)"`
	}{})
	bindingTimes = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		SessionID  string `parquet:"session_id,optional,id(2)"`
		Kind       string `parquet:"kind,dict,id(3)"`
		Value      string `parquet:"value,optional,id(4)"`
		Time       int64  `parquet:"event_timestamp_utc,timestamp(microsecond)"`
	}{})
)

// Stayed are files of a table of silver whose rows stayed, and sessions that are wanted of them.
type Stayed struct {
	Files []iceberg.DataFile
	Keys  KeySet
}

// ReadStayed hands out rows of silver.sightings and of silver.bindings that stayed, in this order of tables: all of small
// sessions, and of large ones those that count. These are found by what is told of changes; nil: there are none.
func ReadStayed(ctx context.Context, l *lake.Lake, stayed [2]Stayed, find func(*Large) error,
	each func(SessionRow) error) (large *Large, err error) {
	var asides [2]Aside
	sightings := Reader{Lake: l, Keys: stayed[0].Keys, Aside: &asides[0]}
	if err := sightings.Sightings(ctx, stayed[0].Files, RowKept, each); err != nil {
		return nil, err
	}
	bindings := Reader{Lake: l, Keys: stayed[1].Keys, Aside: &asides[1]}
	if err := bindings.Bindings(ctx, stayed[1].Files, RowKept, each); err != nil {
		return nil, err
	}
	if large = newLarge(asides[:]); large == nil {
		return nil, nil
	}
	if err := large.stayed(ctx, l, stayed[0].Files, stayed[1].Files); err != nil {
		return nil, err
	}
	if err := find(large); err != nil {
		return nil, err
	}
	if err := large.aside(ctx, l, &asides[0], sightingSchema, (*largeSession).sightings, SightingOf,
		each); err != nil {
		return nil, err
	}
	return large, large.aside(ctx, l, &asides[1], bindingSchema, (*largeSession).bindings, BindingOf, each)
}

func newLarge(asides []Aside) *Large {
	l := &Large{of: map[int64]*largeSession{}}
	for i := range asides {
		aside := &asides[i]
		for _, key := range aside.keys {
			l.of[key] = &largeSession{services: map[string][]int64{}, changed: moments{services: map[string][]int64{}}}
		}
		l.Keys = append(l.Keys, aside.keys...)
	}
	if len(l.Keys) == 0 {
		return nil
	}
	l.Keys = NewKeySet(l.Keys)
	return l
}

// stayed reads the times of what stayed.
func (l *Large) stayed(ctx context.Context, of *lake.Lake, sightings, bindings []iceberg.DataFile) error {
	if err := l.times(ctx, of, sightings, bindings, func(s *largeSession, service, kind string, named bool, at int64) {
		switch {
		case kind == lake.BindingUser:
			s.users = append(s.users, at)
			if named {
				s.named = append(s.named, at)
			}
		case kind != "":
			s.devices = append(s.devices, at)
		default:
			s.note(s.services, service, at)
		}
	}); err != nil {
		return err
	}
	for _, s := range l.of {
		for _, times := range [...][]int64{s.users, s.named, s.devices} {
			slices.Sort(times)
		}
		for _, times := range s.services {
			slices.Sort(times)
		}
	}
	return nil
}

// Changed reads the times of what came or went, or is looked at again.
func (l *Large) Changed(ctx context.Context, of *lake.Lake, sightings, bindings []iceberg.DataFile) error {
	return l.times(ctx, of, sightings, bindings, func(s *largeSession, service, kind string, _ bool, at int64) {
		switch {
		case kind == lake.BindingUser:
			s.changed.users = append(s.changed.users, at)
		case kind != "":
			s.changed.devices = append(s.changed.devices, at)
		default:
			s.note(s.changed.services, service, at)
		}
	})
}

// Told notes a time for which whose the session is has to be known. Not for several goroutines.
func (l *Large) Told(key, at int64) {
	if s := l.of[key]; s != nil {
		s.changed.told = append(s.changed.told, at)
	}
}

func (s *largeSession) note(services map[string][]int64, service string, at int64) {
	times, known := services[service]
	if !known {
		if len(services) == servicesAtMost {
			s.all = true
			return
		}
		service = strings.Clone(service)
	}
	services[service] = append(times, at)
}

func (l *Large) times(ctx context.Context, of *lake.Lake, sightings, bindings []iceberg.DataFile,
	each func(s *largeSession, service, kind string, named bool, at int64)) error {
	var mutex sync.Mutex // files are read side by side
	take := func(key int64, session []byte, service, kind []byte, named bool, at int64) {
		mutex.Lock()
		defer mutex.Unlock()
		s := l.of[key]
		if !s.met {
			s.met, s.session = true, string(session)
		}
		s.all = s.all || s.session != string(session) // keys are hashes
		each(s, objects.UnsafeString(service), objects.UnsafeString(kind), named, at)
	}
	r := Reader{Lake: of, Keys: l.Keys}
	if err := r.Rows(ctx, sightings, sightingTimes, func(row parquet.Row) error {
		take(row[0].Int64(), row[1].ByteArray(), row[2].ByteArray(), nil, false, row[3].Int64())
		return nil
	}); err != nil {
		return err
	}
	return r.Rows(ctx, bindings, bindingTimes, func(row parquet.Row) error {
		take(row[0].Int64(), row[1].ByteArray(), nil, row[2].ByteArray(), len(row[3].ByteArray()) > 0, row[4].Int64())
		return nil
	})
}

// ForSightings finds what counts where users and devices of sightings are told.
func (l *Large) ForSightings() {
	for _, s := range l.of {
		users, devices := s.reach()
		s.concerns = SpansOf(slices.Concat(users, devices)...)
		s.bySighting = s.concerns
		told := slices.Concat(s.concerns, At(s.changed.told))
		for _, times := range s.changed.services {
			told = append(told, At(times)...)
		}
		s.tellBy(SpansOf(told...), nil)
	}
}

// ForEvents finds what counts where users, devices and versions of events are told: the latter two by sightings, too.
func (l *Large) ForEvents() {
	for _, s := range l.of {
		users, devices := s.reach()
		s.concerns = SpansOf(slices.Concat(users, devices)...)
		told := SpansOf(slices.Concat(s.concerns, At(s.changed.told))...)
		all, by := slices.Clone(told), Spans(nil)
		s.ofService, s.bySightings = map[string]Spans{}, map[string]Spans{}
		for service := range s.allServices() {
			times := s.services[service]
			own := SpansOf(slices.Concat(devices.reached(times, times),
				At(s.changed.services[service]).reached(times, times))...)
			s.ofService[service] = own
			all = append(all, own...)
			s.bySightings[service] = SpansOf(slices.Concat(told, own)...).around(times, times)
			by = append(by, s.bySightings[service]...)
		}
		s.tellBy(SpansOf(all...), by)
	}
}

func (s *largeSession) allServices() map[string]bool {
	all := map[string]bool{}
	for service := range s.services {
		all[service] = true
	}
	for service := range s.changed.services {
		all[service] = true
	}
	return all
}

// reach is when another user, or another device, may be bound than was.
func (s *largeSession) reach() (users, devices Spans) {
	return At(s.changed.users).reached(s.named, s.users), At(s.changed.devices).reached(s.devices, s.devices)
}

// tellBy takes the bindings by which users and devices are told in the spans, and devices in others.
func (s *largeSession) tellBy(told, ofSightings Spans) {
	s.byUsers = told.around(s.users, s.named)
	s.byDevices = SpansOf(slices.Concat(told, ofSightings)...).around(s.devices, s.devices)
}

// Concerns tells whether a row of a session, which stayed, may mean something else than it did. Of other sessions, all
// may.
func (l *Large) Concerns(key int64, service string, at int64) bool {
	if l == nil {
		return true
	}
	s := l.of[key]
	return s == nil || s.all || s.concerns.Has(at) || s.ofService[service].Has(at)
}

func (s *largeSession) sightings(row *SessionRow) bool {
	return s.bySighting.Has(row.Time) || s.bySightings[row.Service].Has(row.Time)
}

func (s *largeSession) bindings(row *SessionRow) bool {
	if row.Kind == 'u' {
		return s.byUsers.Has(row.Time)
	}
	return s.byDevices.Has(row.Time)
}

// mayCount tells whether rows within times may count.
func (s *largeSession) mayCount(times Span) bool {
	counts := s.all || s.bySighting.Meets(times) || s.byUsers.Meets(times) || s.byDevices.Meets(times)
	for _, spans := range s.bySightings {
		counts = counts || spans.Meets(times)
	}
	return counts
}

func (l *Large) aside(ctx context.Context, of *lake.Lake, aside *Aside, schema *parquet.Schema,
	counts func(*largeSession, *SessionRow) bool, decode func(parquet.Row, byte) SessionRow,
	each func(SessionRow) error) error {
	for _, file := range aside.files {
		if err := of.EachGroup(file, func(group lake.RowGroup) error {
			key, is := wholeSession(group)
			s := l.of[key]
			if !is || s == nil {
				return nil
			}
			low, high, ok := boundsOf(group, "event_timestamp_utc")
			if ok && !s.mayCount(Span{low, high}) {
				return nil
			}
			return group.Scan(ctx, schema, func(row parquet.Row) error {
				if one := decode(row, RowKept); s.all || counts(s, &one) {
					return each(one)
				}
				return nil
			})
		}); err != nil {
			return err
		}
	}
	return nil
}

// CountLarge adds up, by session, the rows of row groups that are large and of one session alone.
func CountLarge(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, rows map[string]int64) error {
	for _, file := range files {
		if err := l.EachGroup(file, func(group lake.RowGroup) error {
			if _, is := wholeSession(group); !is {
				return nil
			}
			err := group.Scan(ctx, sightingOrBinding, func(row parquet.Row) error {
				rows[string(row[1].ByteArray())] += group.NumRows()
				return lake.ErrStop
			})
			if errors.Is(err, lake.ErrStop) {
				return nil
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

var sightingOrBinding = parquet.SchemaOf(struct {
	SessionKey int64  `parquet:"session_key,delta,id(1)"`
	SessionID  string `parquet:"session_id,optional,id(2)"`
}{})

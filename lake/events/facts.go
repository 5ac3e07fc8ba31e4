package events

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

var sessionTimeSchema = parquet.SchemaOf(struct {
	SessionID string `parquet:"session_id,optional,id(2)"`
	Time      int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
}{})

// changedSessions are those of which a sighting or a binding came or went.
func changedSessions(ctx context.Context, t *turn) (sessions.SessionSet, error) {
	changed := sessions.NewSets()
	for i := 1; i < len(lake.SilverTables); i++ {
		changes, err := t.silver[i].Changes(ctx, t.lake)
		if err != nil {
			return sessions.SessionSet{}, err
		}
		reader := sessions.Reader{Lake: t.lake}
		if err := reader.Moments(ctx, slices.Concat(changes.Added, changes.Removed),
			func(row *sessions.SessionRow) error {
				sessions.NoteSession(changed, row)
				return nil
			}); err != nil {
			return sessions.SessionSet{}, err
		}
	}
	return sessions.MergeSessions(changed), nil
}

// facts are the sightings and bindings by which a turn resolves events, by session.
type facts struct {
	join     *sessions.Join
	sections *sessions.Sections
	some     *sessions.Section          // in place of these: all of them, or what is known of a few sessions
	large    map[string]*sessions.Known // what some of the sessions are known by, in place of their rows
}

// only are the rows of some sessions: the rows of a file may name them in any order.
func (f *facts) only(keys sessions.KeySet) (rows []sessions.SessionRow, err error) {
	take := func(from []sessions.SessionRow) {
		wanted := sessions.KeyCursor{Set: keys}
		for i := range from {
			if wanted.Contains(from[i].Key) {
				rows = append(rows, from[i])
			}
		}
	}
	if f.some != nil {
		take(f.some.Rows)
		return rows, nil
	}
	for at := 0; at < len(keys); {
		number := f.sections.Of(keys[at])
		var section sessions.Section // of its own: rows stay where they were read
		if err := f.sections.Read(number, &section); err != nil {
			return nil, err
		}
		take(section.Rows)
		for at < len(keys) && f.sections.Of(keys[at]) == number {
			at++
		}
	}
	return rows, nil
}

// coming is a file of silver.events whose rows are to be resolved.
type coming struct {
	hour   telemetry.Hour
	keys   []int64 // of its sessions, as they lie
	times  sessions.Span
	sorted bool
}

// look finds the sessions of the files that come.
func (t *turn) look(ctx context.Context) (map[string]*coming, error) {
	all := map[string]*coming{}
	var err error
	for _, file := range t.come {
		one := &coming{times: sessions.Span{Low: math.MaxInt64, High: math.MinInt64}, sorted: true}
		if one.hour, err = lake.HourOfFile(file); err != nil {
			return nil, err
		}
		all[file.FilePath()] = one
	}
	return all, each(ctx, t.come, func(ctx context.Context, file iceberg.DataFile) error {
		one, last := all[file.FilePath()], ""
		return t.lake.ScanRaw(ctx, file, sessionTimeSchema, func(row parquet.Row) error {
			one.times.Include(row[1].Int64())
			session := text(row[0])
			if session == last && len(one.keys) > 0 {
				return nil
			}
			key := int64(xxhash.Sum64String(session))
			if n := len(one.keys); n == 0 || one.keys[n-1] != key {
				one.sorted = one.sorted && (n == 0 || one.keys[n-1] < key)
				one.keys = append(one.keys, key)
			}
			last = session
			return nil
		})
	})
}

// localFile is a file of sightings or bindings of an hour that comes, which is read along with its events.
type localFile struct {
	iceberg.DataFile
	table int    // its place in SilverTables
	last  string // the path of the last file of events that it is read along with
}

// findFacts gathers the sightings and bindings of the sessions of the events that come, and of those that changed and
// have events already, so far away in time as they may count. Those of the same hour are read along with the events,
// where all lies in the order of sessions.
func findFacts(ctx context.Context, t *turn) (f *facts, err error) {
	if t.coming, err = t.look(ctx); err != nil {
		return nil, err
	}
	near := sessions.Span{Low: math.MaxInt64, High: math.MinInt64}
	var keys []int64
	for _, one := range t.coming {
		keys = append(keys, one.keys...)
		near.Low, near.High = min(near.Low, one.times.Low), max(near.High, one.times.High)
		t.along = t.along && one.sorted
	}
	if t.along = t.along && !t.metMany; t.along {
		keys = append(keys, t.metKeys...)
	} else {
		keys = append(keys, t.changed.Keys...)
	}
	if len(t.changed.Keys) > 0 {
		checked := t.changed.Times.Widened(slices.Max(ledger.Reaches[:]))
		near.Low, near.High = min(near.Low, checked.Low), max(near.High, checked.High)
	}
	f = &facts{}
	if f.join, err = sessions.NewJoin(t.lake, sessions.JoinSections); err != nil {
		return nil, err
	}
	defer func(made *facts) {
		if err != nil {
			made.close()
		}
	}(f)
	add := func(row sessions.SessionRow) error {
		if row.Session == "" {
			return nil // it says nothing of other events
		}
		return f.join.Add(row)
	}
	t.local, t.large = map[telemetry.Hour][]localFile{}, nil
	wanted := sessions.NewKeySet(keys)
	var stayed [2]sessions.Stayed
	for i := 1; i < len(lake.SilverTables); i++ {
		files, err := sessions.FilesNear(ctx, t.silver[i].Table, t.to.Of()[i], near.Widened(ledger.Reaches[i]), nil)
		if err != nil {
			return nil, err
		}
		if files, err = t.withoutLocal(files, i); err != nil {
			return nil, err
		}
		stayed[i-1] = sessions.Stayed{Files: files, Keys: wanted}
	}
	if err := t.readStayed(ctx, stayed, add); err != nil {
		return nil, err
	}
	if err := t.readBeside(ctx, add); err != nil {
		return nil, err
	}
	if f.sections, err = f.join.Open(); err != nil {
		return nil, err
	}
	if f.join.Rows.Load() <= factsInMemory {
		f.some, err = f.sections.All()
	}
	return f, err
}

// readStayed reads what is not read along.
func (t *turn) readStayed(ctx context.Context, stayed [2]sessions.Stayed, add func(sessions.SessionRow) error) error {
	if len(t.again) > 0 { // all of what these sessions have may be told anew
		for i, each := range stayed {
			if err := t.readFacts(ctx, i+1, each.Files, each.Keys, add); err != nil {
				return err
			}
		}
		return nil
	}
	large, err := sessions.ReadStayed(ctx, t.lake, stayed, func(large *sessions.Large) error {
		if err := t.changedMoments(ctx, large); err != nil {
			return err
		}
		for _, file := range t.come {
			last, key := "", int64(0)
			if err := t.lake.ScanRaw(ctx, file, sessionTimeSchema, func(row parquet.Row) error {
				if session := text(row[0]); session != last || key == 0 {
					last, key = session, int64(xxhash.Sum64String(session))
				}
				large.Told(key, row[1].Int64())
				return nil
			}); err != nil {
				return err
			}
		}
		large.ForEvents()
		return nil
	}, add)
	t.large = large
	return err
}

// changedMoments tells when large sessions changed; of a table that is filled, no present event is resolved again.
func (t *turn) changedMoments(ctx context.Context, large *sessions.Large) error {
	if len(t.changed.Keys) == 0 {
		return nil
	}
	var changed [2][]iceberg.DataFile
	for i := range changed {
		changes, err := t.silver[i+1].Changes(ctx, t.lake)
		if err != nil {
			return err
		}
		changed[i] = slices.Concat(changes.Added, changes.Removed)
	}
	return large.Changed(ctx, t.lake, changed[0], changed[1])
}

// readFacts reads the rows of some sessions: of silver.sightings or silver.bindings, by their place in SilverTables.
func (t *turn) readFacts(ctx context.Context, table int, files []iceberg.DataFile, keys sessions.KeySet,
	add func(sessions.SessionRow) error) error {
	reader := sessions.Reader{Lake: t.lake, Keys: keys}
	if lake.SilverTables[table].Name == lake.SilverSightings.Name {
		return reader.Sightings(ctx, files, sessions.RowKept, add)
	}
	return reader.Bindings(ctx, files, sessions.RowKept, add)
}

// readBeside reads of what is read along with an hour what counts for sessions of other hours that come with it.
func (t *turn) readBeside(ctx context.Context, add func(sessions.SessionRow) error) error {
	for hour, local := range t.local {
		var keys []int64
		for _, one := range t.coming {
			if one.hour != hour {
				keys = append(keys, one.keys...)
			}
		}
		for _, file := range local {
			if err := t.readFacts(ctx, file.table, []iceberg.DataFile{file.DataFile},
				sessions.NewKeySet(slices.Clone(keys)),
				add); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutLocal leaves out, and notes, the files that are read along with events.
func (t *turn) withoutLocal(files []iceberg.DataFile, table int) (rest []iceberg.DataFile, err error) {
	if !t.along {
		return files, nil
	}
	for _, file := range files {
		first, last, err := lake.SilverTables[table].HoursOf(file)
		if err != nil {
			return nil, err
		}
		local := localFile{DataFile: file, table: table}
		highest := int64(math.MinInt64)
		for path, one := range t.coming {
			if first == last && one.hour == first && one.overlaps(file) && one.keys[0] >= highest {
				local.last, highest = path, one.keys[0]
			}
		}
		if local.last == "" {
			rest = append(rest, file)
			continue
		}
		t.local[first] = append(t.local[first], local)
	}
	return rest, nil
}

// overlaps tells whether a file of sightings or bindings may have rows of sessions of the file.
func (c *coming) overlaps(file iceberg.DataFile) bool {
	low, high := lake.Bounds(file, 1)
	return len(c.keys) > 0 && low <= c.keys[len(c.keys)-1] && high >= c.keys[0]
}

// localFacts opens what is read along with a file of events; nil where nothing is.
func (t *turn) localFacts(file iceberg.DataFile, hour telemetry.Hour) (l *local, err error) {
	l = &local{also: t.also, large: t.keepLarge}
	for _, each := range t.local[hour] {
		if !t.coming[file.FilePath()].overlaps(each.DataFile) {
			continue
		}
		ordered, err := sessions.OpenOrdered(t.lake, each.DataFile, lake.SilverTables[each.table].Name)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.files = append(l.files, &factFile{Ordered: ordered, whole: each.last == file.FilePath(),
			met: sessions.KeyCursor{Set: t.metKeys}})
	}
	if len(l.files) == 0 {
		return nil, nil
	}
	return l, nil
}

// also keeps a row that was read along: present files have events of its session.
func (t *turn) also(row *sessions.SessionRow) {
	if row.Session == "" {
		return
	}
	kept := *row
	for _, text := range [...]*string{&kept.Session, &kept.User, &kept.Service, &kept.Device, &kept.Value, &kept.File} {
		*text = strings.Clone(*text)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.metAlso = append(t.metAlso, kept)
}

// keepLarge keeps what is known of a large session of which present files have events, too.
func (t *turn) keepLarge(session string, known *sessions.Known) {
	known.Own()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.metLarge == nil {
		t.metLarge = map[string]*sessions.Known{}
	}
	t.metLarge[session] = known
}

// meetFacts gathers what is known of the sessions that changed and have events in present files.
func (t *turn) meetFacts() error {
	if t.metMany {
		return nil
	}
	rows, err := t.facts.only(t.metKeys)
	if err != nil {
		return err
	}
	rows = append(rows, t.metAlso...)
	slices.SortFunc(rows, func(a, b sessions.SessionRow) int { return a.Compare(&b) })
	t.metFacts = &facts{some: &sessions.Section{Rows: rows}, large: t.metLarge}
	return nil
}

// factsInMemory is how many sightings and bindings are held at once; of more, one section per processor is.
const factsInMemory = 300_000

func (f *facts) close() {
	if f.sections != nil {
		f.sections.Close()
	}
	f.join.Close()
}

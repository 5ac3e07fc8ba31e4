package daily

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"unsafe"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/packed"
)

// texts is a key by where its texts lie: those of a dictionary lie in one place. What is pointed to stays there as long
// as somebody points to it.
type texts struct {
	date                                          int32
	service, version, device, event, name, detail unsafe.Pointer
}

// pointer is where a text lies; nil for an empty one.
func pointer(text string) unsafe.Pointer {
	if text == "" {
		return nil
	}
	return unsafe.Pointer(unsafe.StringData(text))
}

// knownTexts is how many keys are known by where their texts lie, each in the one slot that is its own.
const knownTexts = 1 << 15

type knownKey struct {
	texts
	key *daycounts.Keyed
}

// slot is where a key is known, if it is.
func (t *texts) slot() uint64 {
	h := uint64(t.date)
	for _, text := range [...]unsafe.Pointer{t.service, t.version, t.device, t.event, t.name, t.detail} {
		h = (h ^ uint64(uintptr(text))) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	return h % knownTexts
}

// fileCounting counts the events of a file, and hands on which sessions and users have which keys.
type fileCounting struct {
	*daycounts.Counter
	takes func(date int32) bool // whether the events of a date are counted
	// handOn takes a run; what it is given lives until it returns.
	handOn func(session, user string, keys []*daycounts.Keyed) error
	known  []knownKey // by slot

	date    int32 // the last one, and whether it is counted
	counted bool

	// What follows each other of one session and one user: in files by session, mostly all of it.
	session, user string
	run           []*daycounts.Keyed
}

// runKeys is how many keys are handed on at once.
const runKeys = 32

// countFile counts the events of a file of gold.events.
func (c *dayCounting) countFile(ctx context.Context, file iceberg.DataFile) (err error) {
	f := &fileCounting{Counter: daycounts.NewCounter(c.keys, c.add), takes: c.counted, handOn: c.spill}
	if err := f.file(ctx, c.lake, file); err != nil {
		return err
	}
	return f.Flush()
}

// file reads a file of gold.events.
func (f *fileCounting) file(ctx context.Context, l *lake.Lake, file iceberg.DataFile) (err error) {
	source, err := packed.Open(l, file, daycounts.EventColumns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	f.known, f.date = make([]knownKey, knownTexts), math.MinInt32
	for group := range source.RowGroups() {
		if err := f.group(ctx, source.Cursor(group)); err != nil {
			return err
		}
	}
	return f.endRun()
}

func (f *fileCounting) group(ctx context.Context, cursor *packed.Cursor) (err error) {
	defer func() { err = errors.Join(err, cursor.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		columns, err := cursor.Next()
		if err != nil || columns == nil {
			return err
		}
		for i := range columns[daycounts.ColumnTime] {
			if err := f.event(columns, i); err != nil {
				return err
			}
		}
	}
}

func (f *fileCounting) event(columns [][]parquet.Value, i int) error {
	if date := lake.DateOf(columns[daycounts.ColumnTime][i].Int64()); date != f.date {
		f.date, f.counted = date, f.takes(date)
	}
	if !f.counted {
		return nil
	}
	session, user := packed.Text(columns[daycounts.ColumnSession][i]), packed.Text(columns[daycounts.ColumnUser][i])
	if session != f.session || user != f.user || len(f.run) == runKeys {
		if err := f.endRun(); err != nil {
			return err
		}
		f.session, f.user = session, user
	}
	k := f.keyOf(columns, i)
	known := false
	for _, other := range f.run {
		known = known || other == k
	}
	if !known {
		f.run = append(f.run, k)
	}
	return f.count(k, columns[daycounts.ColumnDuration][i])
}

// count counts one event, in both tables.
func (f *fileCounting) count(k *daycounts.Keyed, duration parquet.Value) error {
	if err := f.Add(k, daycounts.Events, 1); err != nil {
		return err
	}
	if k.Place >= 0 {
		return f.Add(k.OfVersion, k.Place, 1)
	}
	if !k.Ends || duration.IsNull() {
		return nil
	}
	if err := f.Add(k.OfVersion, lake.CountSessionsEnded, 1); err != nil {
		return err
	}
	return f.Add(k.OfVersion, lake.CountSessionSeconds, int64(math.Round(duration.Double())))
}

func (f *fileCounting) keyOf(columns [][]parquet.Value, i int) *daycounts.Keyed {
	key := daycounts.Key{Date: f.date, Service: packed.Text(columns[daycounts.ColumnService][i]),
		Version: packed.Text(columns[daycounts.ColumnVersion][i]),
		Device:  packed.Text(columns[daycounts.ColumnDevice][i]),
		Event:   packed.Text(columns[daycounts.ColumnEventName][i])}
	name, detail := daycounts.About(key.Event)
	if name != 0 {
		key.Name = packed.Text(columns[name][i])
	}
	if detail != 0 {
		key.Detail = packed.Text(columns[detail][i])
	}
	where := texts{f.date, pointer(key.Service), pointer(key.Version), pointer(key.Device), pointer(key.Event),
		pointer(key.Name), pointer(key.Detail)}
	at := &f.known[where.slot()]
	if at.key == nil || at.texts != where {
		*at = knownKey{where, f.Keys.Of(&key)}
	}
	return at.key
}

// endRun hands on what followed each other.
func (f *fileCounting) endRun() error {
	if len(f.run) == 0 {
		return nil
	}
	err := f.handOn(f.session, f.user, f.run)
	f.run = f.run[:0]
	return err
}

// spill hands on keys of a session and of a user to where those of the other files come.
func (c *dayCounting) spill(session, user string, keys []*daycounts.Keyed) error {
	encode := func(name string) func([]byte) []byte {
		return func(buffer []byte) []byte {
			buffer = objects.AppendText(buffer, name)
			buffer = binary.AppendUvarint(buffer, uint64(len(keys)))
			for _, k := range keys {
				buffer = k.AppendKeyed(buffer)
			}
			return buffer
		}
	}
	for _, to := range []struct {
		spill *objects.Spill
		name  string
	}{{c.bySession, session}, {c.byUser, user}} {
		if to.name == "" {
			continue // events without a session have nothing to do with each other
		}
		section := int(xxhash.Sum64String(to.name) % uint64(to.spill.Sections))
		if err := to.spill.Add(section, encode(to.name)); err != nil {
			return err
		}
	}
	return nil
}

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
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/packed"
	"github.com/versionlake/versionlake/telemetry"
)

// eventColumns are those that are read of gold.events.
var eventColumns = parquet.SchemaOf(struct {
	Time       int64    `parquet:"event_time,timestamp(microsecond)"`
	EventName  string   `parquet:"event_name,dict"`
	SessionID  string   `parquet:"session_id,optional"`
	UserID     string   `parquet:"user_id,dict"`
	Service    string   `parquet:"service,dict"`
	Device     string   `parquet:"device,optional,dict"`
	Version    string   `parquet:"version,optional,dict"`
	Duration   *float64 `parquet:"duration_seconds,optional"`
	OS         string   `parquet:"os,optional,dict"`
	Model      string   `parquet:"model,optional,dict"`
	Target     string   `parquet:"target_version,optional,dict"`
	Status     string   `parquet:"status,optional,dict"`
	Feature    string   `parquet:"feature,optional,dict"`
	Code       string   `parquet:"code,optional,dict"`
	Severity   string   `parquet:"severity,optional,dict"`
	Source     string   `parquet:"source,optional,dict"`
	Campaign   string   `parquet:"campaign,optional,dict"`
	Experiment string   `parquet:"experiment,optional,dict"`
	Variant    string   `parquet:"variant,optional,dict"`
}{})

// Places of these columns.
const (
	columnTime = iota
	columnEventName
	columnSession
	columnUser
	columnService
	columnDevice
	columnVersion
	columnDuration
	columnOS
	columnModel
	columnTarget
	columnStatus
	columnFeature
	columnCode
	columnSeverity
	columnSource
	columnCampaign
	columnExperiment
	columnVariant
)

// about are the columns that say what an event is about, name and detail of gold.event_daily (docs/METRICS.md); 0:
// none.
func about(eventName string) (name, detail int) {
	switch eventName {
	case telemetry.KindFeatureUsed.String():
		return columnFeature, 0
	case telemetry.KindIssue.String():
		return columnCode, columnSeverity
	case telemetry.KindNotification.String():
		return columnTarget, columnStatus
	case telemetry.KindInstall.String():
		return columnSource, columnCampaign
	case telemetry.KindExperiment.String():
		return columnExperiment, columnVariant
	case telemetry.KindDeviceInfo.String():
		return columnOS, columnModel
	}
	return 0, 0
}

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
	key *keyed
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
	*counter
	takes func(date int32) bool // whether the events of a date are counted
	// handOn takes a run; what it is given lives until it returns.
	handOn func(session, user string, keys []*keyed) error
	known  []knownKey // by slot

	date    int32 // the last one, and whether it is counted
	counted bool

	// What follows each other of one session and one user: in files by session, mostly all of it.
	session, user string
	run           []*keyed
}

// runKeys is how many keys are handed on at once.
const runKeys = 32

// countFile counts the events of a file of gold.events.
func (c *dayCounting) countFile(ctx context.Context, file iceberg.DataFile) (err error) {
	f := &fileCounting{counter: newCounter(c.keys, c.add), takes: c.counted, handOn: c.spill}
	if err := f.file(ctx, c.lake, file); err != nil {
		return err
	}
	return f.flush()
}

// file reads a file of gold.events.
func (f *fileCounting) file(ctx context.Context, l *lake.Lake, file iceberg.DataFile) (err error) {
	source, err := packed.Open(l, file, eventColumns)
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
		for i := range columns[columnTime] {
			if err := f.event(columns, i); err != nil {
				return err
			}
		}
	}
}

func (f *fileCounting) event(columns [][]parquet.Value, i int) error {
	if date := lake.DateOf(columns[columnTime][i].Int64()); date != f.date {
		f.date, f.counted = date, f.takes(date)
	}
	if !f.counted {
		return nil
	}
	session, user := packed.Text(columns[columnSession][i]), packed.Text(columns[columnUser][i])
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
	return f.count(k, columns[columnDuration][i])
}

// count counts one event, in both tables.
func (f *fileCounting) count(k *keyed, duration parquet.Value) error {
	if err := f.add(k, countEvents, 1); err != nil {
		return err
	}
	if k.place >= 0 {
		return f.add(k.ofVersion, k.place, 1)
	}
	if !k.ends || duration.IsNull() {
		return nil
	}
	if err := f.add(k.ofVersion, lake.CountSessionsEnded, 1); err != nil {
		return err
	}
	return f.add(k.ofVersion, lake.CountSessionSeconds, int64(math.Round(duration.Double())))
}

func (f *fileCounting) keyOf(columns [][]parquet.Value, i int) *keyed {
	key := dayKey{date: f.date, Service: packed.Text(columns[columnService][i]),
		Version: packed.Text(columns[columnVersion][i]), device: packed.Text(columns[columnDevice][i]),
		event: packed.Text(columns[columnEventName][i])}
	name, detail := about(key.event)
	if name != 0 {
		key.name = packed.Text(columns[name][i])
	}
	if detail != 0 {
		key.detail = packed.Text(columns[detail][i])
	}
	where := texts{f.date, pointer(key.Service), pointer(key.Version), pointer(key.device), pointer(key.event),
		pointer(key.name), pointer(key.detail)}
	at := &f.known[where.slot()]
	if at.key == nil || at.texts != where {
		*at = knownKey{where, f.keys.of(&key)}
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
func (c *dayCounting) spill(session, user string, keys []*keyed) error {
	encode := func(name string) func([]byte) []byte {
		return func(buffer []byte) []byte {
			buffer = objects.AppendText(buffer, name)
			buffer = binary.AppendUvarint(buffer, uint64(len(keys)))
			for _, k := range keys {
				buffer = k.appendKeyed(buffer)
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

package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/telemetry"
)

// eraser takes what belongs to the forgotten out of data files. What stays is what the source would give today.
type eraser struct {
	lake   *Lake
	known  *forgotten
	parser *telemetry.Parser // of the bodies in bronze
	// late is what bronze says of sessions that silver never did: a run died in between. Nil: nobody wants to know.
	late  map[string]*lateSessions
	mutex sync.Mutex // of late
	// versions are those that stay in gold.versions, by their hash.
	versions map[uint64]bool
}

// newFile is what a data file becomes: another one, or none if nothing stays.
type newFile struct {
	file  *dataFile
	rows  int64                   // that went
	dates map[int32]bool          // of events, that they may have counted for
	hours map[telemetry.Hour]bool // of these rows, as far as they say
}

func (f *newFile) note(row any) {
	f.rows++
	if row, ok := row.(hourly); ok {
		f.hours[row.hour()] = true
	}
}

// touches are the hours that lose rows with a file.
func (f *newFile) touches(file iceberg.DataFile) map[telemetry.Hour]bool {
	if hour, err := hourOfFile(file); err == nil {
		return map[telemetry.Hour]bool{hour: true}
	}
	return f.hours
}

// edit is what becomes of a row: it may be changed in place, and keep says whether it stays.
type edit[T any] func(row *T) (keep, changed bool)

// holds tells whether a data file has a row that goes or changes.
func (e *eraser) holds(ctx context.Context, definition tableDefinition, file iceberg.DataFile) (held bool, err error) {
	_, held, err = e.look(ctx, definition, file, e.late == nil)
	return held, err
}

// count also counts the rows that go.
func (e *eraser) count(ctx context.Context, definition tableDefinition, file iceberg.DataFile) (gone newFile, held bool, err error) {
	return e.look(ctx, definition, file, false)
}

func (e *eraser) look(ctx context.Context, definition tableDefinition, file iceberg.DataFile, stop bool) (gone newFile, held bool, err error) {
	if definition.name == goldVersions.name {
		return look(ctx, e.lake, file, e.version, stop)
	}
	guard := e.known.guard()
	if guard == nil {
		return newFile{}, false, nil
	}
	switch definition.name {
	case bronzeEvents.name:
		return look(ctx, e.lake, file, e.event(guard), stop)
	case bronzeRejects.name:
		return look(ctx, e.lake, file, reject(guard), stop)
	case silverEvents.name:
		return look(ctx, e.lake, file, silverEvent(guard), stop)
	case silverSightings.name:
		return look(ctx, e.lake, file, seen(guard), stop)
	case silverBindings.name:
		return look(ctx, e.lake, file, binding(guard), stop)
	case goldUsers.name:
		return look(ctx, e.lake, file, user(guard), stop)
	}
	return newFile{}, false, nil
}

// rewrite writes a data file that holds anything anew.
func (e *eraser) rewrite(ctx context.Context, definition tableDefinition, file iceberg.DataFile) (newFile, error) {
	guard := e.known.guard()
	switch definition.name {
	case bronzeEvents.name:
		return rewrite(ctx, e.lake, definition, file, e.event(guard), func(row *eventRow) int { return len(row.BodyMessage) + 128 }, nil)
	case bronzeRejects.name:
		return rewrite(ctx, e.lake, definition, file, reject(guard), func(row *rejectRow) int { return len(row.RawLine) + 64 }, nil)
	case silverEvents.name:
		return rewrite(ctx, e.lake, definition, file, silverEvent(guard), func(*silverRow) int { return 256 },
			func(row *silverRow) (at, reach int64) { return row.Time, reaches[0] })
	case silverSightings.name:
		return rewrite(ctx, e.lake, definition, file, seen(guard), func(*sightingRow) int { return 128 },
			func(row *sightingRow) (at, reach int64) { return row.Time, reaches[1] })
	case silverBindings.name:
		return rewrite(ctx, e.lake, definition, file, binding(guard), func(*bindingRow) int { return 128 },
			func(row *bindingRow) (at, reach int64) { return row.Time, reaches[2] })
	case goldVersions.name:
		return rewrite(ctx, e.lake, definition, file, e.version, func(row *versionRow) int { return 64 + 4*len(row.SortKey) }, nil)
	case goldUsers.name:
		return rewrite(ctx, e.lake, definition, file, user(guard), func(row *userRow) int { return 256 + 96*len(row.History) }, nil)
	}
	return newFile{}, fmt.Errorf("nothing of %s is of users", definition.name)
}

// erasable are the tables that hold users.
var erasable = []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings, goldUsers}

func look[T any](ctx context.Context, l *Lake, file iceberg.DataFile, of edit[T], stop bool) (gone newFile, held bool, err error) {
	gone.hours = map[telemetry.Hour]bool{}
	err = scanRows(ctx, l, file, func(rows []T) error {
		for i := range rows {
			keep, changed := of(&rows[i])
			if !keep {
				gone.note(&rows[i])
			}
			if held = held || !keep || changed; held && stop {
				return errStop
			}
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return gone, held, err
}

func rewrite[T any](ctx context.Context, l *Lake, definition tableDefinition, file iceberg.DataFile, of edit[T], size func(*T) int, counts func(*T) (at, reach int64)) (result newFile, err error) {
	result.dates, result.hours = map[int32]bool{}, map[telemetry.Hour]bool{}
	folder := strings.TrimPrefix(file.FilePath(), l.tableFolder(definition)+"/data/")
	at := partition{folder: folder[:max(strings.LastIndexByte(folder, '/'), 0)], values: file.Partition()}
	var kept []T
	result.file, err = writeAnew(ctx, l, definition, at, file, func(writer *dataWriter[T], rows []T) (same bool, err error) {
		kept, same = kept[:0], true
		bytes := 0
		for i := range rows {
			keep, changed := of(&rows[i])
			same = same && keep && !changed
			if keep {
				kept = append(kept, rows[i])
				bytes += size(&rows[i])
			} else {
				result.note(&rows[i])
				if counts != nil {
					at, reach := counts(&rows[i])
					for date := dateOf(at - reach); date <= dateOf(at+reach); date++ {
						result.dates[date] = true
					}
				}
			}
		}
		return same, writer.write(kept, bytes)
	})
	return result, err
}

// redact takes ids out of the texts of somebody else's row.
func (g *guard) redactAll(texts ...*string) (changed bool) {
	for _, text := range texts {
		if clean := g.redact(*text); clean != *text {
			*text, changed = clean, true
		}
	}
	return changed
}

func (e *eraser) event(g *guard) edit[eventRow] {
	lines := &lineFacts{parser: e.parser}
	return func(row *eventRow) (keep, changed bool) {
		f := lines.of(row)
		if e.late != nil {
			g.learn(f, func(erasure string, side side) {
				e.mutex.Lock()
				defer e.mutex.Unlock()
				noteLate(e.late, erasure, f, side)
			})
		}
		if g.owns(f) {
			return false, true
		}
		if e.parser == nil { // whether sessions are told apart by service is not known here
			if f.session = alias(telemetry.SessionOfService([]byte(row.ServiceName), []byte(row.SessionID))); g.owns(f) {
				return false, true
			}
		}
		return true, g.redactAll(&row.Category, &row.BodyMessage, &row.TransactionID, &row.ServiceName, &row.EventName)
	}
}

// lineFacts reads what rows of bronze say. Without a parser, that is their sessions only.
type lineFacts struct {
	parser *telemetry.Parser
	event  telemetry.Event
	line   []byte
}

// of is good until the next row.
func (l *lineFacts) of(row *eventRow) fact {
	f := fact{session: row.SessionID, time: row.Time}
	if l.parser == nil {
		return f
	}
	l.line = l.line[:0]
	for _, field := range [...]string{row.ServiceName, row.SessionID, row.BodyMessage} {
		l.line = append(l.line, field...)
	}
	session, body := len(row.ServiceName), len(row.ServiceName)+len(row.SessionID)
	l.event.ServiceName, l.event.SessionID, l.event.Body, l.event.Time = l.line[:session], l.line[session:body], l.line[body:], row.Time
	if l.parser.ParseBody(&l.event) == "" { // else, by newer rules, it says nothing of anybody
		f = factOf(&l.event)
	}
	return f
}

func reject(g *guard) edit[rejectRow] {
	return func(row *rejectRow) (keep, changed bool) {
		return !g.mentions(alias(row.RawLine), rejectMention), false
	}
}

func silverEvent(g *guard) edit[silverRow] {
	return func(row *silverRow) (keep, changed bool) {
		if g.owns(fact{session: row.SessionID, user: row.UserID, time: row.Time,
			device: row.EventName == telemetry.KindDeviceInfo.String() && row.Device != ""}) {
			return false, true
		}
		return true, g.redactAll(&row.ServiceName, &row.Device, &row.Version, &row.OS, &row.Model, &row.Memory, &row.Target, &row.Status, &row.Duration,
			&row.Feature, &row.Code, &row.Severity, &row.Message, &row.Source, &row.Campaign, &row.Experiment, &row.Variant)
	}
}

func seen(g *guard) edit[sightingRow] {
	return func(row *sightingRow) (keep, changed bool) {
		if g.owns(fact{session: row.SessionID, user: row.UserID, time: row.Time}) {
			return false, true
		}
		return true, g.redactAll(&row.ServiceName, &row.Device, &row.Version)
	}
}

// binding: a line that names a forgotten user may also name the device, or end the session: these are rows of their
// own, which follow.
func binding(g *guard) edit[bindingRow] {
	var gone bindingRow
	return func(row *bindingRow) (keep, changed bool) {
		f := fact{session: row.SessionID, time: row.Time, device: row.Kind == bindingDevice}
		if row.Kind == bindingUser {
			f.user = row.Value
		}
		if g.owns(f) || f.user == "" && row.LineNumber == gone.LineNumber && row.FileName == gone.FileName {
			gone = bindingRow{FileName: strings.Clone(row.FileName), LineNumber: row.LineNumber}
			return false, true
		}
		return true, f.device && g.redactAll(&row.Value)
	}
}

func user(g *guard) edit[userRow] {
	return func(row *userRow) (keep, changed bool) {
		if g.ownsRow(row) {
			return false, true
		}
		changed = g.redactAll(&row.CurrentService, &row.CurrentDevice, &row.CurrentVersion, &row.PreviousVersion)
		for i := range row.History {
			interval := &row.History[i]
			changed = g.redactAll(&interval.Service, &interval.Device, &interval.Version) || changed
		}
		return true, changed
	}
}

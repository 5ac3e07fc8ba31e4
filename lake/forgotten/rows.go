package forgotten

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/ops"
	"github.com/versionlake/versionlake/telemetry"
)

// Eraser takes what belongs to the forgotten out of data files. What stays is what the source would give today.
type Eraser struct {
	Lake   *lake.Lake
	Known  *Set
	Parser *telemetry.Parser // of the bodies in bronze
	// late is what bronze says of sessions that silver never did: a run died in between. Nil: nobody wants to know.
	Late  map[string]*LateSessions
	mutex sync.Mutex // of late
	// versions are those that stay in gold.versions and ops.published, by their hash.
	Versions map[uint64]bool
}

// NewFile is what a data file becomes: another one, or none if nothing stays.
type NewFile struct {
	File  *lake.DataFile
	Rows  int64                   // that went
	Dates map[int32]bool          // of events, that they may have counted for
	hours map[telemetry.Hour]bool // of these rows, as far as they say
}

func (f *NewFile) note(row any) {
	f.Rows++
	if row, ok := row.(lake.Hourly); ok {
		f.hours[row.Hour()] = true
	}
}

// Touches are the hours that lose rows with a file.
func (f *NewFile) Touches(file iceberg.DataFile) map[telemetry.Hour]bool {
	if hour, err := lake.HourOfFile(file); err == nil {
		return map[telemetry.Hour]bool{hour: true}
	}
	return f.hours
}

// edit is what becomes of a row: it may be changed in place, and keep says whether it stays.
type edit[T any] func(row *T) (keep, changed bool)

// Holds tells whether a data file has a row that goes or changes.
func (e *Eraser) Holds(ctx context.Context, definition lake.TableDefinition,
	file iceberg.DataFile) (held bool, err error) {
	_, held, err = e.look(ctx, definition, file, e.Late == nil)
	return held, err
}

// Count also counts the rows that go.
func (e *Eraser) Count(ctx context.Context, definition lake.TableDefinition,
	file iceberg.DataFile) (gone NewFile, held bool, err error) {
	return e.look(ctx, definition, file, false)
}

func (e *Eraser) look(ctx context.Context, definition lake.TableDefinition, file iceberg.DataFile,
	stop bool) (gone NewFile, held bool, err error) {
	switch definition.Name {
	case lake.GoldVersions.Name:
		return Look(ctx, e.Lake, file, e.version, stop)
	case lake.OpsPublished.Name:
		return Look(ctx, e.Lake, file, e.published, stop)
	}
	guard := e.Known.Guard()
	if guard == nil {
		return NewFile{}, false, nil
	}
	switch definition.Name {
	case lake.BronzeEvents.Name:
		return Look(ctx, e.Lake, file, e.event(guard), stop)
	case lake.BronzeRejects.Name:
		return Look(ctx, e.Lake, file, reject(guard), stop)
	case lake.SilverEvents.Name:
		return Look(ctx, e.Lake, file, silverEvent(guard), stop)
	case lake.SilverSightings.Name:
		return Look(ctx, e.Lake, file, seen(guard), stop)
	case lake.SilverBindings.Name:
		return Look(ctx, e.Lake, file, binding(guard), stop)
	case lake.GoldUsers.Name:
		return Look(ctx, e.Lake, file, user(guard), stop)
	case lake.GoldEvents.Name:
		return Look(ctx, e.Lake, file, resolvedEvent(guard), stop)
	case lake.GoldVersionDaily.Name:
		return Look(ctx, e.Lake, file, versionDay(guard), stop)
	case lake.GoldEventDaily.Name:
		return Look(ctx, e.Lake, file, eventDay(guard), stop)
	}
	return NewFile{}, false, nil
}

// Rewrite writes a data file that holds anything anew.
func (e *Eraser) Rewrite(ctx context.Context, definition lake.TableDefinition, file iceberg.DataFile) (NewFile, error) {
	guard := e.Known.Guard()
	switch definition.Name {
	case lake.BronzeEvents.Name:
		return edited(ctx, e.Lake, definition, file, e.event(guard),
			func(row *lake.EventRow) int { return len(row.BodyMessage) + 128 }, nil)
	case lake.BronzeRejects.Name:
		return edited(ctx, e.Lake, definition, file, reject(guard),
			func(row *lake.RejectRow) int { return len(row.RawLine) + 64 }, nil)
	case lake.SilverEvents.Name:
		return edited(ctx, e.Lake, definition, file, silverEvent(guard), func(*lake.SilverRow) int { return 256 },
			func(row *lake.SilverRow) (at, reach int64) { return row.Time, ledger.Reaches[0] })
	case lake.SilverSightings.Name:
		return edited(ctx, e.Lake, definition, file, seen(guard), func(*lake.SightingRow) int { return 128 },
			func(row *lake.SightingRow) (at, reach int64) { return row.Time, ledger.Reaches[1] })
	case lake.SilverBindings.Name:
		return edited(ctx, e.Lake, definition, file, binding(guard), func(*lake.BindingRow) int { return 128 },
			func(row *lake.BindingRow) (at, reach int64) { return row.Time, ledger.Reaches[2] })
	case lake.GoldVersions.Name:
		return edited(ctx, e.Lake, definition, file, e.version,
			func(row *lake.VersionRow) int { return 64 + 4*len(row.SortKey) }, nil)
	case lake.OpsPublished.Name:
		return edited(ctx, e.Lake, definition, file, e.published,
			func(*ops.PublishedRow) int { return 128 }, nil)
	case lake.GoldUsers.Name:
		return edited(ctx, e.Lake, definition, file, user(guard),
			func(row *lake.UserRow) int { return 256 + 96*len(row.History) }, nil)
	case lake.GoldEvents.Name:
		return edited(ctx, e.Lake, definition, file, resolvedEvent(guard),
			func(*lake.ResolvedRow) int { return 256 }, nil)
	case lake.GoldVersionDaily.Name:
		return edited(ctx, e.Lake, definition, file, versionDay(guard),
			func(*lake.VersionDailyRow) int { return 256 }, nil)
	case lake.GoldEventDaily.Name:
		return edited(ctx, e.Lake, definition, file, eventDay(guard),
			func(*lake.EventDailyRow) int { return 128 }, nil)
	}
	return NewFile{}, fmt.Errorf("nothing of %s is of users", definition.Name)
}

func Look[T any](ctx context.Context, l *lake.Lake, file iceberg.DataFile, of edit[T],
	stop bool) (gone NewFile, held bool, err error) {
	gone.hours = map[telemetry.Hour]bool{}
	err = lake.ScanRows(ctx, l, file, func(rows []T) error {
		for i := range rows {
			keep, changed := of(&rows[i])
			if !keep {
				gone.note(&rows[i])
			}
			if held = held || !keep || changed; held && stop {
				return lake.ErrStop
			}
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		err = nil
	}
	return gone, held, err
}

func edited[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, file iceberg.DataFile,
	of edit[T], size func(*T) int, counts func(*T) (at, reach int64)) (result NewFile, err error) {
	result.Dates, result.hours = map[int32]bool{}, map[telemetry.Hour]bool{}
	folder := strings.TrimPrefix(file.FilePath(), l.TableFolder(definition)+"/data/")
	at := lake.Partition{Folder: folder[:max(strings.LastIndexByte(folder, '/'), 0)], Values: file.Partition()}
	var kept []T
	result.File, err = Rewrite(ctx, l, definition, at, file,
		func(writer *lake.DataWriter[T], rows []T) (same bool, err error) {
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
						for date := lake.DateOf(at - reach); date <= lake.DateOf(at+reach); date++ {
							result.Dates[date] = true
						}
					}
				}
			}
			return same, writer.Append(kept, bytes)
		})
	return result, err
}

// RedactAll takes ids of the forgotten out of the texts of somebody else's row.
func (g *Guard) RedactAll(texts ...*string) (changed bool) {
	for _, text := range texts {
		if clean := g.Redact(*text); clean != *text {
			*text, changed = clean, true
		}
	}
	return changed
}

func (e *Eraser) event(g *Guard) edit[lake.EventRow] {
	lines := &LineFacts{Parser: e.Parser}
	return func(row *lake.EventRow) (keep, changed bool) {
		f := lines.Of(row)
		if e.Late != nil {
			g.Learn(f, func(erasure string, side Side) {
				e.mutex.Lock()
				defer e.mutex.Unlock()
				NoteLate(e.Late, erasure, f, side)
			})
		}
		if g.Owns(f) {
			return false, true
		}
		if e.Parser == nil { // whether sessions are told apart by service is not known here
			if f.Session = objects.UnsafeString(telemetry.SessionOfService([]byte(row.ServiceName),
				[]byte(row.SessionID))); g.Owns(f) {
				return false, true
			}
		}
		changed = g.RedactAll(&row.Category, &row.BodyMessage, &row.TransactionID, &row.ServiceName, &row.EventName)
		if clean := g.RedactBody(e.Parser, row.BodyMessage); clean != row.BodyMessage {
			row.BodyMessage, changed = clean, true
		}
		return true, changed
	}
}

// LineFacts reads what rows of bronze say. Without a parser, that is their sessions only.
type LineFacts struct {
	Parser *telemetry.Parser
	event  telemetry.Event
	line   []byte
}

// Of is good until the next row.
func (l *LineFacts) Of(row *lake.EventRow) Fact {
	f := Fact{Session: row.SessionID, Time: row.Time}
	if l.Parser == nil {
		return f
	}
	l.line = l.line[:0]
	for _, field := range [...]string{row.ServiceName, row.SessionID, row.BodyMessage} {
		l.line = append(l.line, field...)
	}
	session, body := len(row.ServiceName), len(row.ServiceName)+len(row.SessionID)
	l.event.ServiceName, l.event.SessionID, l.event.Body = l.line[:session], l.line[session:body], l.line[body:]
	l.event.Time = row.Time
	if l.Parser.ParseBody(&l.event) == "" { // else, by newer rules, it says nothing of anybody
		f = FactOf(&l.event)
	}
	return f
}

func reject(g *Guard) edit[lake.RejectRow] {
	return func(row *lake.RejectRow) (keep, changed bool) {
		return !g.Mentions(objects.UnsafeString(row.RawLine), RejectMention), false
	}
}

func silverEvent(g *Guard) edit[lake.SilverRow] {
	return func(row *lake.SilverRow) (keep, changed bool) {
		if g.Owns(Fact{Session: row.SessionID, User: row.UserID, Time: row.Time,
			Device: row.EventName == telemetry.KindDeviceInfo.String() && row.Device != ""}) {
			return false, true
		}
		changed = g.redactMessage(&row.Message)
		return true, g.RedactAll(&row.ServiceName, &row.Device, &row.Version, &row.OS, &row.Model, &row.Memory,
			&row.Target, &row.Status, &row.Duration,
			&row.Feature, &row.Code, &row.Severity, &row.Message, &row.Source, &row.Campaign, &row.Experiment,
			&row.Variant) || changed
	}
}

// resolvedEvent keeps the rows whose rows of silver.events stay. What says of the session's device is everybody's, and
// stays: it is nobody's until its session is resolved again.
func resolvedEvent(g *Guard) edit[lake.ResolvedRow] {
	return func(row *lake.ResolvedRow) (keep, changed bool) {
		fact := Fact{Session: row.SessionID, Time: row.Time,
			Device: row.EventName == telemetry.KindDeviceInfo.String() && row.Named&lake.NamedDevice != 0}
		if row.Named&lake.NamedUser != 0 {
			fact.User = history.NamedAs(row.UserID)
		}
		if g.Owns(fact) {
			return false, true
		}
		if user := history.NamedAs(row.UserID); user != "" && g.counts(g.Look(user).erasure) {
			row.UserID, row.UserKind = history.UserID("", row.SessionID)
			changed = true
		}
		changed = g.redactMessage(&row.Message) || changed
		return true, g.RedactAll(&row.Service, &row.Device, &row.Version, &row.OS, &row.Model, &row.Memory, &row.Target,
			&row.Status, &row.Feature, &row.Code, &row.Severity, &row.Message, &row.Source, &row.Campaign,
			&row.Experiment, &row.Variant) || changed
	}
}

func seen(g *Guard) edit[lake.SightingRow] {
	return func(row *lake.SightingRow) (keep, changed bool) {
		if g.Owns(Fact{Session: row.SessionID, User: row.UserID, Time: row.Time}) {
			return false, true
		}
		return true, g.RedactAll(&row.ServiceName, &row.Device, &row.Version)
	}
}

// binding: a line that names a forgotten user may also name the device, or end the session: these are rows of their
// own, which follow.
func binding(g *Guard) edit[lake.BindingRow] {
	var gone lake.BindingRow
	return func(row *lake.BindingRow) (keep, changed bool) {
		f := Fact{Session: row.SessionID, Time: row.Time, Device: row.Kind == lake.BindingDevice}
		if row.Kind == lake.BindingUser {
			f.User = row.Value
		}
		if g.Owns(f) || f.User == "" && row.LineNumber == gone.LineNumber && row.FileName == gone.FileName {
			gone = lake.BindingRow{FileName: strings.Clone(row.FileName), LineNumber: row.LineNumber}
			return false, true
		}
		return true, f.Device && g.RedactAll(&row.Value)
	}
}

func user(g *Guard) edit[lake.UserRow] {
	return func(row *lake.UserRow) (keep, changed bool) {
		if g.OwnsRow(row) {
			return false, true
		}
		changed = g.RedactAll(&row.CurrentService, &row.CurrentDevice, &row.CurrentVersion, &row.PreviousVersion)
		for i := range row.History {
			interval := &row.History[i]
			changed = g.RedactAll(&interval.Service, &interval.Device, &interval.Version) || changed
		}
		return true, changed
	}
}

// versionDay and eventDay keep what was counted: only texts of clients, such as a device's name, may hold an id.
func versionDay(g *Guard) edit[lake.VersionDailyRow] {
	return func(row *lake.VersionDailyRow) (keep, changed bool) {
		return true, g.RedactAll(&row.Service, &row.Version, &row.Device)
	}
}

func eventDay(g *Guard) edit[lake.EventDailyRow] {
	return func(row *lake.EventDailyRow) (keep, changed bool) {
		return true, g.RedactAll(&row.Service, &row.Version, &row.Device, &row.Name, &row.Detail)
	}
}

// version keeps the rows of versions that somebody has.
func (e *Eraser) version(row *lake.VersionRow) (keep, changed bool) {
	return e.Versions[lake.VersionName{Service: row.Service, Version: row.Version}.Hash()], false
}

// published keeps the numbers of versions that somebody has, and of events without one.
func (e *Eraser) published(row *ops.PublishedRow) (keep, changed bool) {
	return row.Version == "" || e.Versions[lake.VersionName{Service: row.Service, Version: row.Version}.Hash()], false
}

// ParserFor reads bodies in bronze, whatever their hour.
func ParserFor(parsing telemetry.Options) (*telemetry.Parser, error) {
	parser, err := telemetry.NewParser(parsing)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", objects.ErrConfig, err)
	}
	return parser, nil
}

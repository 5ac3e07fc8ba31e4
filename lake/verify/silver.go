package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Silver follows from bronze: the events of the catalogue without exact repeats, the sightings, the bindings. Here the
// lines of an hour are read again, in passes over the times of events, so that memory does not depend on the size of
// the hour.

// verifyPassRows is about how many of an hour's lines one pass keeps in mind, at some 200 bytes each.
const verifyPassRows = 500_000

// silverPlace is a row of silver: of which table, and which line it came from. A line may make one row of each kind.
type silverPlace struct {
	kind byte
	file string
	line int64
}

// Kinds of silver's rows.
const (
	placeEvent         = 'e'
	placeSighting      = 's'
	placeUserBinding   = 'u'
	placeDeviceBinding = 'd'
	placeEnding        = 'x'
)

// fingerprint tells equal rows without keeping them.
type fingerprint [16]byte

func fingerprintOf(texts []string, numbers ...int64) fingerprint {
	var buffer []byte
	for _, text := range texts {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(text)))
		buffer = append(buffer, text...)
	}
	for _, number := range numbers {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(number))
	}
	sum := sha256.Sum256(buffer)
	return fingerprint(sum[:16])
}

// silverPass is what bronze says about some of an hour's sessions.
type silverPass struct {
	wanted  map[silverPlace]fingerprint
	repeats map[fingerprint]silverPlace // the kept one of equal lines: session, TransactionId, time and body
	names   map[string]string           // file names, once each
}

func (v *Verifier) verifySilver(ctx context.Context, h *verifiedHour) error {
	bronze := v.files[lake.BronzeEvents.Name][h.hour]
	passes := uint64(lake.CountOf(bronze)/verifyPassRows + 1)
	parsing := v.Options.Parsing
	parsing.Hour = h.hour
	parser, err := lake.ParserFor(parsing)
	if err != nil {
		return err
	}
	today := map[telemetry.Reason]int64{}
	var found [3]int64
	for pass := range passes {
		p := &silverPass{wanted: map[silverPlace]fingerprint{}, repeats: map[fingerprint]silverPlace{},
			names: map[string]string{}}
		chosen := func(time int64) bool { return passes == 1 || uint64(time)*0x9E3779B97F4A7C15>>32%passes == pass }
		var event telemetry.Event
		if err := eachRow(ctx, v, h.in(lake.BronzeEvents, 2), bronze, func(row *lake.EventRow) error {
			if !chosen(row.Time) {
				return nil
			}
			return v.expect(h, p, parser, &event, row, today)
		}); err != nil {
			return err
		}
		if err := v.compareSilver(ctx, h, p, chosen, &found); err != nil {
			return err
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(today)) {
		v.note("hour %s: %d lines of bronze would be rejected today (%s): they give no silver", h.hour, today[reason],
			reason)
	}
	v.checked.Silver, v.checked.Sightings, v.checked.Bindings = v.checked.Silver+found[0], v.checked.Sightings+
		found[1], v.checked.Bindings+found[2]
	if h.ledger == nil {
		return nil
	}
	for i, want := range []int64{h.ledger.Silver, h.ledger.Sightings, h.ledger.Bindings} {
		definition := []lake.TableDefinition{lake.SilverEvents, lake.SilverSightings, lake.SilverBindings}[i]
		if found[i] != want && !v.dropped(h, definition) {
			if err := v.differ(h.in(definition, 2), "the ledger says %d rows, there are %d", want,
				found[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// expect notes the rows of silver that follow from a row of bronze. today counts, by reason, those that newer rules,
// or other settings, would reject: they give none.
func (v *Verifier) expect(h *verifiedHour, p *silverPass, parser *telemetry.Parser, event *telemetry.Event,
	row *lake.EventRow, today map[telemetry.Reason]int64) error {
	where := h.at(lake.BronzeEvents, 2, row.FileName, row.LineNumber)
	if row.ServiceName == "" || row.SessionID == "" {
		return v.differ(where, "the row can't be an accepted line: %s", telemetry.ReasonFields)
	}
	event.ServiceName, event.SessionID, event.TransactionID = []byte(row.ServiceName), []byte(row.SessionID), []byte(
		row.TransactionID)
	event.Body = []byte(row.BodyMessage)
	switch reason := cmp.Or(parser.CheckTime(row.Time), parser.ParseBody(event)); reason {
	case "":
	case telemetry.ReasonBody, telemetry.ReasonNesting:
		return v.differ(where, "the row can't be an accepted line: %s", reason)
	default:
		today[reason]++
		return nil
	}
	session := string(event.Session)
	if string(event.Name) != row.EventName {
		if err := v.differ(where, "event_name is %q, and the body says %q", row.EventName, event.Name); err != nil {
			return err
		}
	}
	var a [telemetry.NumAttributes]string
	for i := range a {
		text, _ := event.Attribute(telemetry.Attribute(i))
		a[i] = string(text)
	}
	user, device, version := a[telemetry.AttributeUser], a[telemetry.AttributeDevice], a[telemetry.AttributeVersion]
	if event.Kind == telemetry.KindOther && user == "" {
		return nil
	}
	file, known := p.names[row.FileName]
	if !known {
		file = strings.Clone(row.FileName)
		p.names[file] = file
	}
	place := silverPlace{placeEvent, file, row.LineNumber}
	repeat := fingerprintOf([]string{session, row.TransactionID, row.BodyMessage}, row.Time)
	if kept, repeated := p.repeats[repeat]; repeated {
		if kept.file < place.file || kept.file == place.file && kept.line < place.line {
			return nil
		}
		for _, kind := range []byte{placeEvent, placeSighting, placeUserBinding, placeEnding, placeDeviceBinding} {
			delete(p.wanted, silverPlace{kind, kept.file, kept.line})
		}
	}
	p.repeats[repeat] = place
	want := func(kind byte, row fingerprint) { p.wanted[silverPlace{kind, place.file, place.line}] = row }
	if event.Kind != telemetry.KindOther && !v.dropped(h, lake.SilverEvents) {
		want(placeEvent, fingerprintOf(append([]string{event.Kind.String(), session, row.ServiceName}, a[:]...),
			event.Transaction, row.Time))
	}
	if event.Kind == telemetry.KindSoftwareVersion && version != "" {
		want(placeSighting, fingerprintOf([]string{session, user, row.ServiceName, device, version}, event.Transaction,
			row.Time))
	}
	if session == "" {
		return nil // what has no session can't say whose it is
	}
	if user != "" {
		want(placeUserBinding, fingerprintOf([]string{session, user}, event.Transaction, row.Time))
	}
	if event.Kind == telemetry.KindLogout || event.Kind == telemetry.KindLogin && user == "" {
		want(placeEnding, fingerprintOf([]string{session, ""}, event.Transaction, row.Time))
	}
	if event.Kind == telemetry.KindDeviceInfo && device != "" {
		want(placeDeviceBinding, fingerprintOf([]string{session, device}, event.Transaction, row.Time))
	}
	return nil
}

// compareSilver ticks off what silver has, and then finds what it lacks. found counts the rows of the three tables.
func (v *Verifier) compareSilver(ctx context.Context, h *verifiedHour, p *silverPass, chosen func(int64) bool,
	found *[3]int64) error {
	limit := map[string]int{}
	if err := eachRow(ctx, v, h.in(lake.SilverEvents, 1), v.files[lake.SilverEvents.Name][h.hour],
		func(row *lake.SilverRow) error {
			if !chosen(row.Time) {
				return nil
			}
			found[0]++
			is := fingerprintOf([]string{row.EventName, row.SessionID, row.ServiceName, row.UserID, row.Version,
				row.Device,
				row.OS, row.Model, row.Memory, row.Target,
				row.Status, row.Duration, row.Feature, row.Code, row.Severity, row.Message, row.Source, row.Campaign,
				row.Experiment, row.Variant}, row.Transaction, row.Time)
			return v.tick(h, p, lake.SilverEvents, limit, silverPlace{placeEvent, row.FileName, row.LineNumber},
				is, row.IngestDate, row.IngestHourOfDay)
		}); err != nil {
		return err
	}
	if err := eachRow(ctx, v, h.in(lake.SilverSightings, 1), v.files[lake.SilverSightings.Name][h.hour],
		func(row *lake.SightingRow) error {
			if !chosen(row.Time) {
				return nil
			}
			found[1]++
			if err := v.sessionKey(h, lake.SilverSightings, row.SessionID, row.SessionKey, row.FileName,
				row.LineNumber); err != nil {
				return err
			}
			is := fingerprintOf([]string{row.SessionID, row.UserID, row.ServiceName, row.Device, row.Version},
				row.Transaction, row.Time)
			return v.tick(h, p, lake.SilverSightings, limit,
				silverPlace{placeSighting, row.FileName, row.LineNumber}, is,
				row.IngestDate, row.IngestHourOfDay)
		}); err != nil {
		return err
	}
	if err := eachRow(ctx, v, h.in(lake.SilverBindings, 1), v.files[lake.SilverBindings.Name][h.hour],
		func(row *lake.BindingRow) error {
			if !chosen(row.Time) {
				return nil
			}
			found[2]++
			if err := v.sessionKey(h, lake.SilverBindings, row.SessionID, row.SessionKey, row.FileName,
				row.LineNumber); err != nil {
				return err
			}
			kind := byte(placeUserBinding)
			switch {
			case row.Kind == lake.BindingDevice:
				kind = placeDeviceBinding
			case row.Value == "":
				kind = placeEnding
			}
			is := fingerprintOf([]string{row.SessionID, row.Value}, row.Transaction, row.Time)
			return v.tick(h, p, lake.SilverBindings, limit, silverPlace{kind, row.FileName, row.LineNumber},
				is, row.IngestDate, row.IngestHourOfDay)
		}); err != nil {
		return err
	}
	lacking := slices.SortedFunc(maps.Keys(p.wanted), func(a, b silverPlace) int {
		return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.kind, b.kind))
	})
	for _, place := range lacking {
		definition := map[byte]lake.TableDefinition{placeEvent: lake.SilverEvents, placeSighting: lake.SilverSightings,
			placeUserBinding: lake.SilverBindings, placeEnding: lake.SilverBindings,
			placeDeviceBinding: lake.SilverBindings}[place.kind]
		if err := v.differSilver(h, definition, limit, place,
			"bronze has the line, and silver lacks its row"); err != nil {
			return err
		}
	}
	return v.beyondLimit(h, limit)
}

func (v *Verifier) sessionKey(h *verifiedHour, definition lake.TableDefinition, session string, key int64, file string,
	line int64) error {
	if want := int64(xxhash.Sum64String(session)); key != want {
		return v.differ(h.at(definition, 1, file, line), "session_key is %d, and the hash of session %q is %d", key,
			session, want)
	}
	return nil
}

func (v *Verifier) tick(h *verifiedHour, p *silverPass, definition lake.TableDefinition, limit map[string]int,
	place silverPlace, is fingerprint, date, hourOfDay int32) error {
	if date != h.hour.Date() || hourOfDay != h.hour.OfDay() {
		if err := v.differSilver(h, definition, limit, place,
			"the row's columns say another hour than its partition"); err != nil {
			return err
		}
	}
	if v.dropped(h, lake.BronzeEvents) {
		return nil // nothing is left that it could be held against
	}
	want, ok := p.wanted[place]
	delete(p.wanted, place)
	switch {
	case !ok:
		return v.differSilver(h, definition, limit, place, "silver has a row too many: the line is not in "+
			"bronze, makes no such row, or has two of them")
	case want != is:
		return v.differSilver(h, definition, limit, place, "the row is not what follows from the line in bronze")
	}
	return nil
}

// differencesPerTable bounds what is said of one hour of one table of silver: with other names of events, all rows
// differ.
const differencesPerTable = 100

func (v *Verifier) differSilver(h *verifiedHour, definition lake.TableDefinition, limit map[string]int,
	place silverPlace, text string) error {
	if limit[definition.Name]++; limit[definition.Name] > differencesPerTable {
		v.checked.Differences++
		return nil
	}
	return v.differ(h.at(definition, 1, place.file, place.line), "%s", text)
}

func (v *Verifier) beyondLimit(h *verifiedHour, limit map[string]int) error {
	for _, definition := range []lake.TableDefinition{lake.SilverEvents, lake.SilverSightings, lake.SilverBindings} {
		if more := limit[definition.Name] - differencesPerTable; more > 0 {
			v.checked.Differences--
			if err := v.differ(h.in(definition, 1), "and %s more rows of this hour; was it ingested with other "+
				"names of events (--events)?", fmt.Sprint(more)); err != nil {
				return err
			}
		}
	}
	return nil
}

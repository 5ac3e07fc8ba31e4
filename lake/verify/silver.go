package verify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/plain"
	"github.com/versionlake/versionlake/telemetry"
)

// Silver follows from bronze: the events of the catalogue without exact repeats, the sightings, the bindings. Here the
// lines of an hour are read again, in passes over the times of events, so that memory does not depend on the size of
// the hour.

// verifyPassRows is about how many of an hour's lines one pass keeps in mind, at some 200 bytes each.
const verifyPassRows = 500_000

// silverCheck compares the silver of an hour.
type silverCheck struct {
	v      *verifier
	h      *verifiedHour
	parser *telemetry.Parser
	event  telemetry.Event
	// found counts the rows of the three tables.
	found struct{ events, sightings, bindings int64 }
	// today counts the lines that newer rules, or other settings, would reject: they give no silver.
	today map[telemetry.Reason]int64
	told  map[string]int // differences by table
	pass  silverPass
}

// silverPass is what bronze says about some of an hour's lines.
type silverPass struct {
	chosen  func(time int64) bool
	wanted  map[silverPlace]plain.Fingerprint
	repeats map[plain.Fingerprint]silverPlace // the kept one of equal lines: session, TransactionId, time and body
	names   map[string]string                 // file names, once each
}

func (v *verifier) verifySilver(ctx context.Context, h *verifiedHour) error {
	bronze := v.files[lake.BronzeEvents.Name][h.hour]
	parsing := v.options.Parsing
	parsing.Hour = h.hour
	parser, err := forgotten.ParserFor(parsing)
	if err != nil {
		return err
	}
	c := &silverCheck{v: v, h: h, parser: parser, today: map[telemetry.Reason]int64{}, told: map[string]int{}}
	passes := uint64(lake.CountOf(bronze)/verifyPassRows + 1)
	for pass := range passes {
		c.pass = silverPass{wanted: map[silverPlace]plain.Fingerprint{}, repeats: map[plain.Fingerprint]silverPlace{},
			names: map[string]string{}, chosen: func(time int64) bool {
				return passes == 1 || uint64(time)*0x9E3779B97F4A7C15>>32%passes == pass
			}}
		if err := eachRow(ctx, v, h.in(lake.BronzeEvents, 2), bronze, func(row *lake.EventRow) error {
			if c.pass.chosen(row.Time) {
				c.expect(row)
			}
			return nil
		}); err != nil {
			return err
		}
		if err := c.compare(ctx); err != nil {
			return err
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(c.today)) {
		v.note("hour %s: %d lines of bronze would be rejected today (%s): they give no silver", h.hour,
			c.today[reason], reason)
	}
	c.tellBeyondLimit()
	c.compareCounts()
	return nil
}

// compareCounts holds the ledger's counts against the rows that were found.
func (c *silverCheck) compareCounts() {
	c.v.checked.Silver += c.found.events
	c.v.checked.Sightings += c.found.sightings
	c.v.checked.Bindings += c.found.bindings
	if c.h.ledger == nil {
		return
	}
	for _, count := range []struct {
		definition    lake.TableDefinition
		ledger, found int64
	}{
		{lake.SilverEvents, c.h.ledger.Silver, c.found.events},
		{lake.SilverSightings, c.h.ledger.Sightings, c.found.sightings},
		{lake.SilverBindings, c.h.ledger.Bindings, c.found.bindings},
	} {
		if count.found != count.ledger && !c.v.dropped(c.h, count.definition) {
			c.v.differ(c.h.in(count.definition, 2), "the ledger says %d rows, there are %d", count.ledger, count.found)
		}
	}
}

// expect notes the rows of silver that follow from a row of bronze.
func (c *silverCheck) expect(row *lake.EventRow) {
	if !c.parse(row) {
		return
	}
	silver := plain.SilverOf(&c.event, row)
	if silver.Event == nil && silver.Sighting == nil && len(silver.Bindings) == 0 {
		return
	}
	file, known := c.pass.names[row.FileName]
	if !known {
		file = strings.Clone(row.FileName)
		c.pass.names[file] = file
	}
	if c.repeated(row, file) {
		return
	}
	want := func(kind byte, row plain.Fingerprint, line int64) { c.pass.wanted[silverPlace{kind, file, line}] = row }
	if silver.Event != nil && !c.v.dropped(c.h, lake.SilverEvents) {
		want(placeEvent, plain.EventPrint(silver.Event), row.LineNumber)
	}
	if silver.Sighting != nil {
		want(placeSighting, plain.SightingPrint(silver.Sighting), row.LineNumber)
	}
	for i := range silver.Bindings {
		want(bindingKind(&silver.Bindings[i]), plain.BindingPrint(&silver.Bindings[i]), row.LineNumber)
	}
}

// parse reads the body of a row of bronze; false: it gives no silver.
func (c *silverCheck) parse(row *lake.EventRow) bool {
	where := c.h.at(lake.BronzeEvents, 2, row.FileName, row.LineNumber)
	if row.ServiceName == "" || row.SessionID == "" {
		c.v.differ(where, "the row can't be an accepted line: %s", telemetry.ReasonFields)
		return false
	}
	c.event.ServiceName, c.event.SessionID = []byte(row.ServiceName), []byte(row.SessionID)
	c.event.TransactionID, c.event.Body = []byte(row.TransactionID), []byte(row.BodyMessage)
	switch reason := cmp.Or(c.parser.CheckTime(row.Time), c.parser.ParseBody(&c.event)); reason {
	case "":
	case telemetry.ReasonBody, telemetry.ReasonNesting:
		c.v.differ(where, "the row can't be an accepted line: %s", reason)
		return false
	default:
		c.today[reason]++
		return false
	}
	if string(c.event.Name) != row.EventName {
		c.v.differ(where, "event_name is %q, and the body says %q", row.EventName, c.event.Name)
	}
	return true
}

// repeated tells whether an equal line, by file and number before this one, counts instead. One after it does not.
func (c *silverCheck) repeated(row *lake.EventRow, file string) bool {
	key := plain.FingerprintOf([]string{string(c.event.Session), row.TransactionID, row.BodyMessage}, row.Time)
	if kept, repeated := c.pass.repeats[key]; repeated {
		if kept.file < file || kept.file == file && kept.line < row.LineNumber {
			return true
		}
		for _, kind := range []byte{placeEvent, placeSighting, placeUserBinding, placeEnding, placeDeviceBinding} {
			delete(c.pass.wanted, silverPlace{kind, kept.file, kept.line})
		}
	}
	c.pass.repeats[key] = silverPlace{file: file, line: row.LineNumber}
	return false
}

// compare ticks off what silver has, and then finds what it lacks.
func (c *silverCheck) compare(ctx context.Context) error {
	if err := eachOf(ctx, c, lake.SilverEvents, &c.found.events, func(row *lake.SilverRow) silverRow {
		return silverRow{place: silverPlace{placeEvent, row.FileName, row.LineNumber}, print: plain.EventPrint(row),
			time: row.Time, date: row.IngestDate, hourOfDay: row.IngestHourOfDay}
	}); err != nil {
		return err
	}
	if err := eachOf(ctx, c, lake.SilverSightings, &c.found.sightings, func(row *lake.SightingRow) silverRow {
		return silverRow{place: silverPlace{placeSighting, row.FileName, row.LineNumber},
			print: plain.SightingPrint(row),
			time:  row.Time, date: row.IngestDate, hourOfDay: row.IngestHourOfDay, session: row.SessionID,
			key: row.SessionKey}
	}); err != nil {
		return err
	}
	if err := eachOf(ctx, c, lake.SilverBindings, &c.found.bindings, func(row *lake.BindingRow) silverRow {
		return silverRow{place: silverPlace{bindingKind(row), row.FileName, row.LineNumber},
			print: plain.BindingPrint(row),
			time:  row.Time, date: row.IngestDate, hourOfDay: row.IngestHourOfDay, session: row.SessionID,
			key: row.SessionKey}
	}); err != nil {
		return err
	}
	for _, place := range slices.SortedFunc(maps.Keys(c.pass.wanted), func(a, b silverPlace) int {
		return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.kind, b.kind))
	}) {
		c.differ(place, "bronze has the line, and silver lacks its row")
	}
	return nil
}

// silverRow is what is compared of a row of silver.
type silverRow struct {
	place           silverPlace
	print           plain.Fingerprint
	time            int64
	date, hourOfDay int32
	session         string // not of events
	key             int64
}

// eachOf ticks off the rows of one table that this pass is about.
func eachOf[T any](ctx context.Context, c *silverCheck, definition lake.TableDefinition, found *int64,
	read func(*T) silverRow) error {
	return eachRow(ctx, c.v, c.h.in(definition, 1), c.v.files[definition.Name][c.h.hour], func(row *T) error {
		if is := read(row); c.pass.chosen(is.time) {
			*found++
			c.tick(&is)
		}
		return nil
	})
}

func (c *silverCheck) tick(is *silverRow) {
	if is.place.kind != placeEvent {
		if want := int64(xxhash.Sum64String(is.session)); is.key != want {
			c.v.differ(c.h.at(is.place.table(), 1, is.place.file, is.place.line),
				"session_key is %d, and the hash of session %q is %d", is.key, is.session, want)
		}
	}
	if is.date != c.h.hour.Date() || is.hourOfDay != c.h.hour.OfDay() {
		c.differ(is.place, "the row's columns say another hour than its partition")
	}
	if c.v.dropped(c.h, lake.BronzeEvents) {
		return // nothing is left that it could be held against
	}
	want, ok := c.pass.wanted[is.place]
	delete(c.pass.wanted, is.place)
	switch {
	case !ok:
		c.differ(is.place, "silver has a row too many: the line is not in bronze, makes no such row, or has two of "+
			"them")
	case want != is.print:
		c.differ(is.place, "the row is not what follows from the line in bronze")
	}
}

// differencesPerTable bounds what is said of one hour of one table of silver: with other names of events, all rows
// differ.
const differencesPerTable = 100

func (c *silverCheck) differ(place silverPlace, text string) {
	name := place.table().Name
	if c.told[name]++; c.told[name] <= differencesPerTable {
		c.v.differ(c.h.at(place.table(), 1, place.file, place.line), "%s", text)
	}
}

// tellBeyondLimit says in one line how many differences were not told one by one, and counts them.
func (c *silverCheck) tellBeyondLimit() {
	for _, definition := range []lake.TableDefinition{lake.SilverEvents, lake.SilverSightings, lake.SilverBindings} {
		if more := c.told[definition.Name] - differencesPerTable; more > 0 {
			c.v.differ(c.h.in(definition, 1), "and %d more rows of this hour; was it ingested with other names of "+
				"events (--events)?", more)
			c.v.checked.Differences += int64(more - 1)
		}
	}
}

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

// table is where a row of this place lies.
func (p *silverPlace) table() lake.TableDefinition {
	switch p.kind {
	case placeEvent:
		return lake.SilverEvents
	case placeSighting:
		return lake.SilverSightings
	}
	return lake.SilverBindings
}

func bindingKind(row *lake.BindingRow) byte {
	switch {
	case row.Kind == lake.BindingDevice:
		return placeDeviceBinding
	case row.Value == "":
		return placeEnding
	}
	return placeUserBinding
}

package lake

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// Rows that stay though their file is gone or bad are written once more, in data files of their own and in the order of files and
// lines, whatever the order in which bronze has them: so the same rows give the same bytes with every run. From there they go the way
// of all events to silver.

// keptSection is about how many bytes of text are put in order in memory at once.
const keptSection = 8 << 20

// keptRow is a row of bronze on its way.
type keptRow struct {
	place  int // of its file in the plan
	line   int64
	reject bool
	event  eventRow
	other  rejectRow
}

// keeping brings the rows of some files into order.
type keeping struct {
	plan   *stagedPlan
	places map[string]int
	names  []string // in order
	starts []int64  // rows of the files before, by place in names
	total  int64
	spill  *spill // nil: memory will do
	memory []byte
}

func (c *chunkStage) keeping(places []int) (k *keeping, err error) {
	k = &keeping{plan: c.plan, places: map[string]int{}}
	for _, place := range places {
		good := c.plan.Good[place]
		k.places[c.plan.Files[place].Key] = place
		k.names = append(k.names, c.plan.Files[place].Key)
		k.starts = append(k.starts, k.total)
		k.total += good.Events + good.Rejects + 1
	}
	if sections := k.total * keptRowBytes / keptSection; sections > 0 {
		k.spill, err = c.lake.newSpill(int(min(sections+1, 4096)))
	}
	return k, err
}

func (k *keeping) close() {
	if k.spill != nil {
		k.spill.close()
	}
}

// section is monotone in the order of files and lines. Line numbers may go beyond the number of records.
func (k *keeping) section(place int, line int64) int {
	n, _ := slices.BinarySearch(k.names, k.plan.Files[place].Key)
	good := k.plan.Good[place]
	rows := good.Events + good.Rejects + 1
	at := k.starts[n] + min(line*rows/(good.Lines+1), rows-1)
	return int(at * int64(k.spill.sections) / k.total)
}

func (k *keeping) add(place int, line int64, encode func([]byte) []byte) error {
	if k.spill == nil {
		k.memory = encode(k.memory)
		return nil
	}
	return k.spill.add(k.section(place, line), encode)
}

// each hands out the rows in the order of files and lines; they live until it returns. Of two rows of one line, which only a run that
// was given up half-way can have left, the event counts.
func (k *keeping) each(ctx context.Context, each func(*keptRow) error) error {
	var rows []keptRow
	section := func(data []byte) error {
		rows = rows[:0]
		d := decoder{data: data}
		for len(d.data) > 0 {
			rows = append(rows, d.keptRow())
		}
		if d.failed {
			return errors.New("rows that stay were spilled, and came back damaged")
		}
		slices.SortStableFunc(rows, func(a, b keptRow) int {
			return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.line, b.line), cmp.Compare(rejectOrder(a.reject), rejectOrder(b.reject)))
		})
		for i := range rows {
			if i > 0 && rows[i-1].place == rows[i].place && rows[i-1].line == rows[i].line {
				continue
			}
			if err := each(&rows[i]); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	if k.spill == nil {
		return section(k.memory)
	}
	spilled, err := k.spill.open()
	if err != nil {
		return err
	}
	defer spilled.close()
	var data []byte
	for n := range k.spill.sections {
		if data, err = spilled.read(n, data[:0]); err != nil {
			return err
		}
		if err := section(data); err != nil {
			return err
		}
	}
	return nil
}

func rejectOrder(set bool) int {
	if set {
		return 1
	}
	return 0
}

func appendKeptEvent(buffer []byte, place int, row *eventRow) []byte {
	buffer = appendKeptHead(buffer, false, place, row.LineNumber)
	buffer = binary.AppendVarint(buffer, row.Time)
	for _, text := range [...]string{row.Category, row.BodyMessage, row.SessionID, row.TransactionID, row.ServiceName, row.EventName} {
		buffer = appendText(buffer, text)
	}
	return buffer
}

func appendKeptReject(buffer []byte, place int, row *rejectRow) []byte {
	buffer = appendKeptHead(buffer, true, place, row.LineNumber)
	buffer = binary.AppendVarint(binary.AppendVarint(buffer, row.ByteOffset), row.ByteLength)
	return appendText(appendText(buffer, row.Reason), row.RawLine)
}

func appendKeptHead(buffer []byte, reject bool, place int, line int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(append(buffer, byte(rejectOrder(reject))), uint64(place)), line)
}

func (d *decoder) keptRow() (row keptRow) {
	row.reject = d.data[0] == 1
	d.data = d.data[1:]
	row.place, row.line = int(d.uvarint()), d.varint()
	if row.reject {
		r := &row.other
		r.ByteOffset, r.ByteLength = d.varint(), d.varint()
		r.Reason, r.RawLine, r.LineNumber = d.text(), []byte(d.text()), row.line
		return row
	}
	e := &row.event
	e.Time, e.LineNumber = d.varint(), row.line
	for _, text := range [...]*string{&e.Category, &e.BodyMessage, &e.SessionID, &e.TransactionID, &e.ServiceName, &e.EventName} {
		*text = d.text()
	}
	return row
}

// keepRows stages the rows of files that are gone or bad once more.
func (c *chunkStage) keepRows(ctx context.Context, places []int) (err error) {
	slices.Sort(places)
	k, err := c.keeping(places)
	if err != nil {
		return err
	}
	defer k.close()
	if err := gatherKept(ctx, c, bronzeEvents, k, func(row *eventRow) error {
		place, ok := k.places[row.FileName]
		if !ok {
			return nil
		}
		return k.add(place, row.LineNumber, func(buffer []byte) []byte { return appendKeptEvent(buffer, place, row) })
	}); err != nil {
		return err
	}
	if err := gatherKept(ctx, c, bronzeRejects, k, func(row *rejectRow) error {
		place, ok := k.places[row.FileName]
		if !ok {
			return nil
		}
		return k.add(place, row.LineNumber, func(buffer []byte) []byte { return appendKeptReject(buffer, place, row) })
	}); err != nil {
		return err
	}
	c.kept = &chunkStage{
		lake: c.lake, run: c.run, plan: c.plan, parser: c.parser, guard: c.guard, shuffle: c.shuffle, counts: c.counts, late: c.late,
	}
	if err := c.kept.openBronze(); err != nil {
		return err
	}
	found := map[int]*ChunkCounts{}
	for _, place := range places {
		found[place] = &ChunkCounts{}
	}
	if err := k.each(ctx, func(row *keptRow) error {
		if err := c.kept.keptRow(row, found[row.place]); err != nil {
			return fmt.Errorf("line %d of %s, which stays: %w", row.line, c.plan.Files[row.place].Key, err)
		}
		return nil
	}); err != nil {
		return err
	}
	c.late = c.kept.late
	for place, counts := range found {
		c.counts[place] = c.plan.keptCounts(place, *counts)
	}
	c.count()
	return nil
}

// gatherKept reads the rows of a table of bronze that may be of the files.
func gatherKept[T any](ctx context.Context, c *chunkStage, definition tableDefinition, k *keeping, each func(*T) error) error {
	at := c.plan.From[definition.name]
	if at == 0 {
		return nil
	}
	loaded, err := c.lake.load(ctx, definition)
	if err != nil {
		return err
	}
	if isDropped(loaded, c.run.Hour) {
		return fmt.Errorf("%w: the rows of %s of hour %s were dropped meanwhile", ErrDropped, definition.name, c.run.Hour)
	}
	if loaded.SnapshotByID(at) == nil {
		return fmt.Errorf("%w: the version of %s that the hour was planned on was expired meanwhile", ErrStale, definition.name)
	}
	live, err := c.lake.hourFiles(ctx, loaded, c.run.Hour, table.WithSnapshotID(at))
	if err != nil {
		return err
	}
	column := definition.fieldID("file_name")
	for _, file := range live {
		if !mayHold(file, column, k.names) {
			continue
		}
		err := scanRows(ctx, c.lake, file, func(rows []T) error {
			for i := range rows {
				if err := each(&rows[i]); err != nil {
					return err
				}
			}
			c.progress(c.total)
			return nil
		})
		if isMissing(err) {
			return fmt.Errorf("%w: %w", ErrStale, err) // an erasure wrote it anew
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keptRow writes a row once more, without what is of users who were forgotten meanwhile. An event that this program or these names
// of events would reject stays in bronze, and comes to nothing in silver.
func (c *chunkStage) keptRow(row *keptRow, counts *ChunkCounts) error {
	name := c.plan.Files[row.place].Key
	if row.reject {
		r := &row.other
		if c.guard != nil && c.guard.mentions(alias(r.RawLine), rejectMention) {
			counts.Erased++
			return nil
		}
		counts.Rejects++
		r.FileName, r.IngestDate, r.IngestHourOfDay = name, c.run.Hour.Date(), c.run.Hour.OfDay()
		return c.rejects.write([]rejectRow{*r}, len(r.RawLine))
	}
	e, event := &row.event, &c.event
	reason := e.parse(c.parser, event)
	if c.guard != nil {
		f := fact{session: e.SessionID, time: e.Time}
		if reason == "" {
			f = factOf(event)
			c.learn(f)
		}
		if c.guard.owns(f) {
			counts.Erased++
			return nil
		}
		if c.guard.redactAll(&e.Category, &e.BodyMessage, &e.TransactionID, &e.ServiceName, &e.EventName) {
			reason = e.parse(c.parser, event)
		}
	}
	counts.Events++
	batch := &c.other
	if reason != "" {
		counts.Passed++
	} else {
		e.EventName = alias(event.Name)
		_, named := event.Attribute(telemetry.AttributeUser)
		if event.Kind != telemetry.KindOther {
			batch = &c.matter
		}
		if event.Kind != telemetry.KindOther || named {
			if err := c.addCandidate(event, row.place, row.line); err != nil {
				return err
			}
		}
	}
	for _, text := range [...]*string{&e.Category, &e.BodyMessage, &e.SessionID, &e.TransactionID, &e.ServiceName, &e.EventName} {
		start := len(c.arena)
		c.arena = append(c.arena, *text...)
		*text = alias(c.arena[start:])
	}
	e.FileName, e.IngestDate, e.IngestHourOfDay = name, c.run.Hour.Date(), c.run.Hour.OfDay()
	batch.rows = append(batch.rows, *e)
	if len(c.arena) >= arenaSize {
		return c.flush()
	}
	return nil
}

// keptCounts are a file's counts, of which some rows were found: lines that are missing went with a user who was forgotten. Where
// none was, a run that was given up half-way left other rows than ops.files says, and those count.
func (p *stagedPlan) keptCounts(place int, found ChunkCounts) ChunkCounts {
	good := p.Good[place]
	rows := found.Events + found.Rejects
	counts := ChunkCounts{Events: found.Events, Rejects: found.Rejects, Blanks: good.Blanks, Lines: good.Lines, Erased: good.Lines - good.Blanks - rows}
	if whole := rows+found.Erased == good.Events+good.Rejects; counts.Erased < 0 || !whole && p.Erasures == 0 {
		counts.Erased = good.Erased + found.Erased
		counts.Lines = rows + counts.Blanks + counts.Erased
	}
	return counts
}

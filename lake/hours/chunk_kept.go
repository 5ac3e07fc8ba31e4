package hours

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// Rows that stay though their file is gone or bad are written once more, in data files of their own and in the
// order of files and lines, whatever the order in which bronze has them: so the same rows give the same bytes with
// every run. From there they go the way of all events to silver.

// keptSection is about how many bytes of text are put in order in memory at once.
const keptSection = 8 << 20

// decodeKeptRow is a row of bronze on its way.
type keptRow struct {
	place  int // of its file in the plan
	line   int64
	reject bool
	event  lake.EventRow
	other  lake.RejectRow
}

// keeping brings the rows of some files into order.
type keeping struct {
	plan   *StagedPlan
	places map[string]int
	names  []string // in order
	starts []int64  // rows of the files before, by place in names
	total  int64
	spill  *objects.Spill // nil: memory will do
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
		k.spill, err = c.lake.NewSpill(int(min(sections+1, 4096)))
	}
	return k, err
}

func (k *keeping) close() {
	if k.spill != nil {
		k.spill.Close()
	}
}

// section is monotone in the order of files and lines. Line numbers may go beyond the number of records.
func (k *keeping) section(place int, line int64) int {
	n, _ := slices.BinarySearch(k.names, k.plan.Files[place].Key)
	good := k.plan.Good[place]
	rows := good.Events + good.Rejects + 1
	at := k.starts[n] + min(line*rows/(good.Lines+1), rows-1)
	return int(at * int64(k.spill.Sections) / k.total)
}

func (k *keeping) add(place int, line int64, encode func([]byte) []byte) error {
	if k.spill == nil {
		k.memory = encode(k.memory)
		return nil
	}
	return k.spill.Add(k.section(place, line), encode)
}

// each hands out the rows in the order of files and lines; they live until it returns. Of two rows of one line,
// which only a run that was given up half-way can have left, the event counts.
func (k *keeping) each(ctx context.Context, each func(*keptRow) error) error {
	var rows []keptRow
	section := func(data []byte) error {
		var err error
		if rows, err = objects.DecodeAll(data, rows[:0], decodeKeptRow); err != nil {
			return fmt.Errorf("what was spilled of rows that stay: %w", err)
		}
		slices.SortStableFunc(rows, func(a, b keptRow) int {
			return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.line, b.line),
				cmp.Compare(rejectOrder(a.reject), rejectOrder(b.reject)))
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
	spilled, err := k.spill.Open()
	if err != nil {
		return err
	}
	defer spilled.Close()
	var data []byte
	for n := range k.spill.Sections {
		if data, err = spilled.Read(n, data[:0]); err != nil {
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

func appendKeptEvent(buffer []byte, place int, row *lake.EventRow) []byte {
	buffer = appendKeptHead(buffer, false, place, row.LineNumber)
	buffer = binary.AppendVarint(buffer, row.Time)
	for _, text := range [...]string{row.Category, row.BodyMessage, row.SessionID, row.TransactionID, row.ServiceName,
		row.EventName} {
		buffer = objects.AppendText(buffer, text)
	}
	return buffer
}

func appendKeptReject(buffer []byte, place int, row *lake.RejectRow) []byte {
	buffer = appendKeptHead(buffer, true, place, row.LineNumber)
	buffer = binary.AppendVarint(binary.AppendVarint(buffer, row.ByteOffset), row.ByteLength)
	return objects.AppendText(objects.AppendText(buffer, row.Reason), row.RawLine)
}

func appendKeptHead(buffer []byte, reject bool, place int, line int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(append(buffer, byte(rejectOrder(reject))), uint64(place)), line)
}

func decodeKeptRow(d *objects.Decoder) (row keptRow) {
	row.reject = d.Data[0] == 1
	d.Data = d.Data[1:]
	row.place, row.line = int(d.Uvarint()), d.Varint()
	if row.reject {
		r := &row.other
		r.ByteOffset, r.ByteLength = d.Varint(), d.Varint()
		r.Reason, r.RawLine, r.LineNumber = d.Text(), []byte(d.Text()), row.line
		return row
	}
	e := &row.event
	e.Time, e.LineNumber = d.Varint(), row.line
	for _, text := range [...]*string{&e.Category, &e.BodyMessage, &e.SessionID, &e.TransactionID, &e.ServiceName,
		&e.EventName} {
		*text = d.Text()
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
	if err := gatherKept(ctx, c, lake.BronzeEvents, k, func(row *lake.EventRow) error {
		place, ok := k.places[row.FileName]
		if !ok {
			return nil
		}
		return k.add(place, row.LineNumber, func(buffer []byte) []byte { return appendKeptEvent(buffer, place, row) })
	}); err != nil {
		return err
	}
	if err := gatherKept(ctx, c, lake.BronzeRejects, k, func(row *lake.RejectRow) error {
		place, ok := k.places[row.FileName]
		if !ok {
			return nil
		}
		return k.add(place, row.LineNumber, func(buffer []byte) []byte { return appendKeptReject(buffer, place, row) })
	}); err != nil {
		return err
	}
	c.kept = &chunkStage{
		lake: c.lake, run: c.run, plan: c.plan, parser: c.parser, guard: c.guard, shuffle: c.shuffle, counts: c.counts,
		late: c.late, reasons: c.reasons,
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
		c.counts[place] = c.plan.KeptCounts(place, *counts)
	}
	c.count()
	return nil
}

// gatherKept reads the rows of a table of bronze that may be of the files.
func gatherKept[T any](ctx context.Context, c *chunkStage, definition lake.TableDefinition, k *keeping,
	each func(*T) error) error {
	at := c.plan.From[definition.Name]
	if at == 0 {
		return nil
	}
	loaded, err := c.lake.Load(ctx, definition)
	if err != nil {
		return err
	}
	if ledger.IsDropped(loaded, c.run.Hour) {
		return fmt.Errorf("%w: the rows of %s of hour %s were dropped meanwhile", lake.ErrDropped, definition.Name,
			c.run.Hour)
	}
	if loaded.SnapshotByID(at) == nil {
		return fmt.Errorf("%w: the version of %s that the hour was planned on was expired meanwhile", lake.ErrStale,
			definition.Name)
	}
	live, err := c.lake.HourFiles(ctx, loaded, c.run.Hour, table.WithSnapshotID(at))
	if err != nil {
		return err
	}
	column := definition.FieldID("file_name")
	for _, file := range live {
		if !mayHold(file, column, k.names) {
			continue
		}
		err := checkBronze(ctx, c.lake, definition, file)
		if err == nil {
			err = lake.ScanRows(ctx, c.lake, file, func(rows []T) error {
				for i := range rows {
					if err := each(&rows[i]); err != nil {
						return err
					}
				}
				c.progress(c.total)
				return nil
			})
		}
		if objects.IsMissing(err) {
			return fmt.Errorf("%w: %w", lake.ErrStale, err) // an erasure wrote it anew
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeKeptRow writes a row once more, without what is of users who were forgotten meanwhile. An event that this
// program or these names of events would reject stays in bronze, and comes to nothing in silver.
func (c *chunkStage) keptRow(row *keptRow, counts *ChunkCounts) error {
	name := c.plan.Files[row.place].Key
	if row.reject {
		r := &row.other
		if c.guard != nil && c.guard.Mentions(objects.UnsafeString(r.RawLine), forgotten.RejectMention) {
			counts.Erased++
			return nil
		}
		r.FileName, r.IngestDate, r.IngestHourOfDay = name, c.run.Hour.Date(), c.run.Hour.OfDay()
		r.Reason = strings.Clone(r.Reason) // its bytes are those of a buffer, and reasons are counted
		return c.reject(counts, *r)
	}
	e, event := &row.event, &c.event
	reason := e.Parse(c.parser, event)
	if c.guard != nil {
		f := forgotten.Fact{Session: e.SessionID, Time: e.Time}
		if reason == "" {
			f = forgotten.FactOf(event)
			c.learn(f)
		}
		if c.guard.Owns(f) {
			counts.Erased++
			return nil
		}
		changed := c.guard.RedactAll(&e.Category, &e.BodyMessage, &e.TransactionID, &e.ServiceName, &e.EventName)
		if clean := c.guard.RedactBody(c.parser, e.BodyMessage); clean != e.BodyMessage {
			e.BodyMessage, changed = clean, true
		}
		if changed {
			reason = e.Parse(c.parser, event)
		}
	}
	counts.Events++
	batch := &c.other
	if reason != "" {
		counts.Passed++
	} else {
		e.EventName = objects.UnsafeString(event.Name)
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
	for _, text := range [...]*string{&e.Category, &e.BodyMessage, &e.SessionID, &e.TransactionID, &e.ServiceName,
		&e.EventName} {
		start := len(c.arena)
		c.arena = append(c.arena, *text...)
		*text = objects.UnsafeString(c.arena[start:])
	}
	e.FileName, e.IngestDate, e.IngestHourOfDay = name, c.run.Hour.Date(), c.run.Hour.OfDay()
	batch.rows = append(batch.rows, *e)
	if len(c.arena) >= arenaSize {
		return c.flush()
	}
	return nil
}

// KeptCounts are a file's counts, of which some rows were found: lines that are missing went with a user who was
// forgotten. Where none was, a run that was given up half-way left other rows than ops.files says, and those count.
func (p *StagedPlan) KeptCounts(place int, found ChunkCounts) ChunkCounts {
	good := p.Good[place]
	rows := found.Events + found.Rejects
	counts := ChunkCounts{Events: found.Events, Rejects: found.Rejects, Blanks: good.Blanks, Lines: good.Lines,
		Erased: good.Lines - good.Blanks - rows}
	if whole := rows+found.Erased == good.Events+good.Rejects; counts.Erased < 0 || !whole && p.Erasures == 0 {
		counts.Erased = good.Erased + found.Erased
		counts.Lines = rows + counts.Blanks + counts.Erased
	}
	return counts
}

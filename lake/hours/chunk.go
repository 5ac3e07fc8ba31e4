package hours

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// StageChunk parses chunk n of a plan and writes its bronze files, its rejects and its share of silver,
// uncommitted. progress is called now and then with what was read so far. A file whose compression is torn, or that
// can't be opened, is left out whole and named in the result; the rows of its last good version stay. Lines of
// forgotten users are counted, and left out. Errors: source.ErrChanged, source.ErrNotFound when a file is no longer
// the one that was listed; ErrStale.
func StageChunk(ctx context.Context, l *lake.Lake, run lake.Run, plan Plan, n int, src source.Source,
	parser *telemetry.Parser, progress func(ChunkCounts)) (StagedChunk, error) {
	var staged StagedPlan
	if err := ReadPlan(l, plan, &staged); err != nil {
		return StagedChunk{}, err
	}
	if staged.Bronze != nil {
		return stageBronze(ctx, l, run, &staged, n, parser, progress)
	}
	bad := map[int]string{}
	var late []string
	for {
		known, err := forgotten.Load(ctx, l)
		if err != nil {
			return StagedChunk{}, err
		}
		c := &chunkStage{
			lake: l, run: run, plan: &staged, source: src, parser: parser, progress: progress,
			counts: map[int]ChunkCounts{}, notes: map[int]string{}, reasons: map[string]int64{}, guard: known.Guard(),
		}
		result, err := c.stage(ctx, n, bad)
		var torn *tornFile
		if errors.As(err, &torn) && !errors.Is(err, source.ErrChanged) {
			// What was read before the fault is not trusted, and already mixed with its neighbours: start over
			// without it.
			bad[torn.file] = torn.cause.Error()
			continue
		}
		if err != nil {
			return StagedChunk{}, fmt.Errorf("parse chunk %d of hour %s: %w", n, run.Hour, err)
		}
		again, err := forgotten.RememberLate(ctx, l, c.late)
		if err != nil {
			return StagedChunk{}, err
		}
		late = append(late, again...)
		stale, err := forgotten.WithdrawIfStale(ctx, l, known.Snapshot, c.staged.Files, parser)
		if err != nil {
			return StagedChunk{}, err
		}
		if !stale {
			slices.Sort(late)
			result.Late = slices.Compact(late)
			return result, nil
		}
	}
}

// tornFile is a file that can't be trusted: its place in the plan, and why.
type tornFile struct {
	file  int
	cause error
}

func (t *tornFile) Error() string { return t.cause.Error() }

// chunkStage is one attempt to parse a chunk.
type chunkStage struct {
	lake     *lake.Lake
	run      lake.Run
	plan     *StagedPlan
	source   source.Source
	parser   *telemetry.Parser
	progress func(ChunkCounts)

	event   telemetry.Event // its scratch memory is reused
	guard   *forgotten.Guard
	late    map[string]*forgotten.LateSessions // by erasure
	staged  ChunkFiles
	counts  map[int]ChunkCounts
	notes   map[int]string
	total   ChunkCounts
	reasons map[string]int64 // of total.Rejects
	told    int64
	shuffle *objects.ShuffleWriter
	rejects *lake.DataWriter[lake.RejectRow]
	// Bronze in two clusters, so that a reader of the events that matter skips the others' files by their statistics.
	matter, other eventBatch
	// arena holds the texts of the rows that wait to be written: a line dies with the next Scan.
	arena  []byte
	memory *chunkMemory
	kept   *chunkStage // writes the rows that stay; nil: none do
}

type eventBatch struct {
	rows   []lake.EventRow
	writer *lake.DataWriter[lake.EventRow]
}

const (
	arenaSize     = 64 << 10 // so that rows are written while they are near
	progressBytes = 4 << 20
)

func (c *chunkStage) stage(ctx context.Context, n int, bad map[int]string) (result StagedChunk, err error) {
	if n < 0 || n >= len(c.plan.Chunks) {
		return StagedChunk{}, fmt.Errorf("the plan has %d chunks", len(c.plan.Chunks))
	}
	if err := c.open(); err != nil {
		return StagedChunk{}, err
	}
	defer func() {
		if err != nil {
			c.abort()
		}
	}()
	stay := slices.Clone(c.plan.Chunks[n].Kept)
	for file := range bad {
		if _, good := c.plan.Good[file]; good {
			stay = append(stay, file)
		}
	}
	if len(stay) > 0 {
		if err := c.keepRows(ctx, stay); err != nil {
			return StagedChunk{}, err
		}
	}
	for _, piece := range c.plan.Chunks[n].Pieces {
		file, err := c.plan.place(piece.File.Key)
		if err != nil {
			return StagedChunk{}, err
		}
		if _, left := bad[file]; left {
			continue
		}
		if err := c.piece(ctx, piece, file); err != nil {
			return StagedChunk{}, fmt.Errorf("file %s: %w", piece.File.Key, err)
		}
	}
	return c.close(n, bad)
}

func (c *chunkStage) open() error {
	c.shuffle = c.lake.Objects.NewShuffle(staging(c.lake, c.run), c.plan.Sections)
	c.takeMemory()
	return c.openBronze()
}

func (c *chunkStage) openBronze() (err error) {
	at := lake.HourOf(c.run.Hour)
	if c.rejects, err = lake.NewDataWriter[lake.RejectRow](c.lake, lake.BronzeRejects, at); err != nil {
		return err
	}
	for _, batch := range []*eventBatch{&c.matter, &c.other} {
		if batch.writer, err = lake.NewDataWriter[lake.EventRow](c.lake, lake.BronzeEvents, at); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunkStage) abort() {
	c.shuffle.Object.Abort()
	c.abortBronze()
	if c.kept != nil {
		c.kept.abortBronze()
	}
}

func (c *chunkStage) abortBronze() {
	c.rejects.Abort()
	c.matter.writer.Abort()
	c.other.writer.Abort()
}

func (c *chunkStage) piece(ctx context.Context, piece Piece, file int) (err error) {
	raw, err := c.source.Open(ctx, piece.File, piece.Offset, piece.Length)
	if err != nil {
		return c.fault(piece, file, err)
	}
	// Close may be what finds that the file changed under the reader.
	defer func() { err = errors.Join(err, raw.Close()) }()
	var text io.Reader = raw
	if piece.Length < 0 { // else the file was cut, which only plain ones are
		packed, err := telemetry.Decompress(piece.File.Key, raw)
		if err != nil {
			return c.fault(piece, file, err)
		}
		defer func() {
			if note := packed.Note(); note != "" {
				c.notes[file] = note
			}
			packed.Close()
		}()
		text = packed
	}

	counts := c.counts[file]
	scanner := telemetry.NewScanner(text, telemetry.Position{Offset: piece.Offset, Line: piece.Line})
	for scanner.Scan() {
		line := scanner.Line()
		counts.Lines++
		counts.Bytes += line.Length
		if line.Blank() {
			counts.Blanks++
			continue
		}
		if err := c.line(line, file, &counts); err != nil {
			return fmt.Errorf("line %d: %w", line.Number, err)
		}
		if c.told += line.Length; c.told >= progressBytes {
			c.told = 0
			if err := ctx.Err(); err != nil {
				return err
			}
			so := c.total
			so.Add(counts)
			c.progress(so)
		}
	}
	if err := scanner.Err(); err != nil {
		return c.fault(piece, file, err)
	}
	if _, good := c.plan.Good[file]; good && counts.Lines == 0 && piece.Length < 0 {
		return &tornFile{file: file, cause: errEmptied}
	}
	c.counts[file] = counts
	c.count()
	return nil
}

// errEmptied: a file that had lines has none any more, as of a writer that was stopped before the first one.
var errEmptied = errors.New("it holds nothing any more")

func (c *chunkStage) count() {
	c.total = ChunkCounts{}
	for _, each := range c.counts {
		c.total.Add(each)
	}
}

// fault tells a file that is broken from a read that failed and may be tried again.
func (c *chunkStage) fault(piece Piece, file int, err error) error {
	switch {
	case errors.Is(err, source.ErrChanged):
	case errors.Is(err, source.ErrUnreadable) && piece.Length >= 0:
		// It could be read when it was cut, and its other pieces may have been since: list the hour again.
		return fmt.Errorf("%w: it could be read when it was listed: %w", source.ErrChanged, err)
	case errors.Is(err, telemetry.ErrCorrupt), errors.Is(err, source.ErrUnreadable):
		return &tornFile{file: file, cause: err}
	}
	return err
}

func (c *chunkStage) line(line *telemetry.Line, file int, counts *ChunkCounts) error {
	event := &c.event
	reason := line.Reason
	text := line.Text
	if reason == "" {
		start := len(c.arena)
		c.arena = append(c.arena, line.Text...)
		text = c.arena[start:]
		reason = c.parser.Parse(text, event)
	}
	if c.guard != nil {
		if c.erase(event, reason, line) {
			counts.Erased++
			return nil
		}
		if clean := c.guard.Redact(objects.UnsafeString(text)); reason == "" && clean != objects.UnsafeString(text) {
			text = []byte(clean)
			reason = c.parser.Parse(text, event)
		}
		if reason == "" {
			body := objects.UnsafeString(event.Body)
			if clean := c.guard.RedactBody(c.parser, body); clean != body {
				event.Body = []byte(clean)
				reason = c.parser.ParseBody(event)
			}
		}
	}
	if reason != "" {
		return c.reject(counts, lake.RejectRow{
			Reason: string(reason), FileName: c.plan.Files[file].Key, LineNumber: line.Number, ByteOffset: line.Offset,
			ByteLength: line.Length, RawLine: text, IngestDate: c.run.Hour.Date(), IngestHourOfDay: c.run.Hour.OfDay(),
		})
	}
	counts.Events++
	batch := &c.other
	_, named := event.Attribute(telemetry.AttributeUser)
	if event.Kind != telemetry.KindOther {
		batch = &c.matter
	}
	if event.Kind != telemetry.KindOther || named {
		if err := c.addCandidate(event, file, line.Number); err != nil {
			return err
		}
	}
	batch.rows = append(batch.rows, lake.EventRow{
		Category: objects.UnsafeString(event.Category), BodyMessage: objects.UnsafeString(event.Body),
		SessionID:     objects.UnsafeString(event.SessionID),
		TransactionID: objects.UnsafeString(event.TransactionID), ServiceName: objects.UnsafeString(event.ServiceName),
		EventName: c.keep(event.Name, text),
		Time:      event.Time, FileName: c.plan.Files[file].Key, LineNumber: line.Number,
		IngestDate: c.run.Hour.Date(), IngestHourOfDay: c.run.Hour.OfDay(),
	})
	if len(c.arena) >= arenaSize {
		return c.flush()
	}
	return nil
}

// keep copies a text that may lie in the parser's own buffer (an unescaped name) into the arena.
func (c *chunkStage) keep(text, line []byte) string {
	if len(text) == 0 || within(text, line) {
		return objects.UnsafeString(text)
	}
	return string(text)
}

func (c *chunkStage) addCandidate(event *telemetry.Event, file int, line int64) error {
	key := int64(xxhash.Sum64(event.Session))
	return c.shuffle.Add(objects.SessionSection(key, c.plan.Sections), func(buffer []byte) []byte {
		return appendCandidate(buffer, event, file, line)
	})
}

func (c *chunkStage) flush() error {
	for _, batch := range []*eventBatch{&c.matter, &c.other} {
		size := 0
		for i := range batch.rows {
			size += len(batch.rows[i].BodyMessage) + 128
		}
		if err := batch.writer.Append(batch.rows, size); err != nil {
			return err
		}
		batch.rows = batch.rows[:0]
	}
	c.arena = c.arena[:0]
	return nil
}

func (c *chunkStage) close(n int, bad map[int]string) (StagedChunk, error) {
	closers := []func(string) (*lake.DataFile, error){c.matter.writer.Close, c.other.writer.Close, c.rejects.Close}
	if err := c.flush(); err != nil {
		return StagedChunk{}, err
	}
	c.leaveMemory()
	if k := c.kept; k != nil {
		if err := k.flush(); err != nil {
			return StagedChunk{}, err
		}
		closers = append(closers, k.matter.writer.Close, k.other.writer.Close, k.rejects.Close)
	}
	c.staged = ChunkFiles{Counts: c.counts, Bad: bad, Notes: c.notes}
	staged := &c.staged
	name := fmt.Sprintf("%s-%05d-%d", lake.ShortID(c.run.ID), n, time.Now().UnixNano())
	for i, closeFile := range closers {
		file, err := closeFile(fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return StagedChunk{}, err
		}
		if file != nil {
			staged.Files = append(staged.Files, *file)
		}
	}
	var err error
	folder := staging(c.lake, c.run)
	if staged.Shuffle, err = c.shuffle.Close(fmt.Sprintf("%s/%s.shuffle", folder, name)); err != nil {
		return StagedChunk{}, err
	}
	ref := fmt.Sprintf("%s/%s.json", folder, name)
	if err := c.lake.Objects.WriteJSON(ref, staged); err != nil {
		return StagedChunk{}, err
	}
	return StagedChunk{Ref: ref, Counts: c.total, SectionBytes: staged.Shuffle.Bytes(), LeftOut: c.leftOut(),
		Rejected: c.reasons}, nil
}

func (c *chunkStage) reject(counts *ChunkCounts, row lake.RejectRow) error {
	counts.Rejects++
	c.reasons[row.Reason]++
	return c.rejects.Append([]lake.RejectRow{row}, len(row.RawLine))
}

func (c *chunkStage) leftOut() (told []string) {
	for _, why := range []map[int]string{c.staged.Bad, c.staged.Notes} {
		for _, file := range slices.Sorted(maps.Keys(why)) {
			if len(told) < ledger.LeftOutTold {
				told = append(told, c.plan.Files[file].Key+": "+why[file])
			}
		}
	}
	return told
}

// erase tells whether a line is a forgotten user's. It notes what the line says of sessions that is not known yet.
func (c *chunkStage) erase(event *telemetry.Event, reason telemetry.Reason, line *telemetry.Line) bool {
	if reason != "" {
		return c.guard.Mentions(objects.UnsafeString(line.Text), forgotten.RejectMention)
	}
	f := forgotten.FactOf(event)
	c.learn(f)
	return c.guard.Owns(f)
}

func (c *chunkStage) learn(f forgotten.Fact) {
	if c.late == nil {
		c.late = map[string]*forgotten.LateSessions{}
	}
	c.guard.Learn(f, func(erasure string, side forgotten.Side) { forgotten.NoteLate(c.late, erasure, f, side) })
}

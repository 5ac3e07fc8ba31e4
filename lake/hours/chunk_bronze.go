package hours

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// ErrNoBronze: an hour's silver can't be made from bronze, which does not hold the hour (any more).
var ErrNoBronze = errors.New("bronze does not hold the hour")

// StageSilverPlan keeps the plan of a run that makes an hour's silver from its bronze, in chunks of about
// chunkBytes of plain text. Its chunks and sections are staged as those of files are. Errors: ErrNoBronze.
func StageSilverPlan(ctx context.Context, l *lake.Lake, run lake.Run, chunkBytes int64) (plan Plan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("plan silver of hour %s: %w", run.Hour, err)
		}
	}()
	rows, err := ledger.Hours(ctx, l, run.Hour, run.Hour+1)
	if err != nil {
		return Plan{}, err
	}
	if len(rows) == 0 {
		return Plan{}, fmt.Errorf("%w: it was never ingested; ingest it from the source", ErrNoBronze)
	}
	erasures, err := forgotten.ErasuresAt(ctx, l)
	if err != nil {
		return Plan{}, err
	}
	staged := StagedPlan{Source: rows[0].Source, Bronze: &rows[0], Erasures: erasures}
	files, err := ledger.Files(ctx, l, run.Hour)
	if err != nil {
		return Plan{}, err
	}
	for _, file := range files {
		if file.Present() {
			staged.Files = append(staged.Files, source.File{Key: file.Key, Size: file.Size, ETag: file.ETag})
			plan.Bytes += file.Size
		}
	}
	loaded, err := l.Load(ctx, lake.BronzeEvents)
	if err != nil {
		return Plan{}, err
	}
	live, err := l.HourFiles(ctx, loaded, run.Hour)
	if err != nil {
		return Plan{}, err
	}
	if events := lake.CountOf(live); events != rows[0].Events {
		return Plan{}, fmt.Errorf("%w: it has %d rows of the hour, and %d lines were accepted; ingest it "+
			"from the source",
			ErrNoBronze, events, rows[0].Events)
	}
	text := int64(0)
	bronze := make([]lake.DataFile, len(live))
	for i, file := range live {
		if bronze[i], err = l.Encode(file, lake.BronzeEvents); err != nil {
			return Plan{}, err
		}
		text += file.FileSizeBytes() * CompressedText
	}
	for _, files := range objects.Pieces(bronze, chunkBytes,
		func(file lake.DataFile) int64 { return file.Size * CompressedText }) {
		staged.Chunks = append(staged.Chunks, Chunk{Bronze: files})
	}
	staged.Sections = sectionsFor(text)
	plan.Ref, plan.Files, plan.Chunks = staging(l, run)+"/"+planName, len(staged.Files), len(staged.Chunks)
	return plan, l.Objects.WriteJSON(plan.Ref, staged)
}

// stageBronze reads chunk n of such a plan: the rows of bronze are lines that were accepted, and go the same way to
// silver.
func stageBronze(ctx context.Context, l *lake.Lake, run lake.Run, plan *StagedPlan, n int, parser *telemetry.Parser,
	progress func(ChunkCounts)) (result StagedChunk, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read chunk %d of hour %s from bronze: %w", n, run.Hour, err)
		}
	}()
	if n < 0 || n >= len(plan.Chunks) {
		return StagedChunk{}, fmt.Errorf("the plan has %d chunks", len(plan.Chunks))
	}
	folder := staging(l, run)
	shuffle := l.Objects.NewShuffle(folder, plan.Sections)
	b := &bronzeStage{plan: plan, parser: parser, shuffle: shuffle}
	for _, file := range plan.Chunks[n].Bronze {
		entry, err := l.Entry(file, lake.BronzeEvents)
		if err == nil {
			err = checkBronze(ctx, l, lake.BronzeEvents, entry)
		}
		if err == nil {
			err = lake.ScanRows(ctx, l, entry, func(rows []lake.EventRow) error {
				for i := range rows {
					if err := b.row(&rows[i]); err != nil {
						return err
					}
				}
				progress(b.counts)
				return nil
			})
		}
		if err != nil {
			shuffle.Object.Abort()
			return StagedChunk{}, err
		}
	}
	if b.nameless > 0 && b.counts.Passed == b.counts.Events {
		shuffle.Object.Abort()
		return StagedChunk{}, fmt.Errorf("%w: none of %d lines would be accepted, %d of them have no name by "+
			"these names of events (--events); "+
			"correct them, or ingest the hour from the source", ErrNoBronze, b.counts.Events, b.nameless)
	}
	name := fmt.Sprintf("%s-%05d-%d", lake.ShortID(run.ID), n, time.Now().UnixNano())
	staged := ChunkFiles{}
	if staged.Shuffle, err = shuffle.Close(fmt.Sprintf("%s/%s.shuffle", folder, name)); err != nil {
		return StagedChunk{}, err
	}
	ref := fmt.Sprintf("%s/%s.json", folder, name)
	if err := l.Objects.WriteJSON(ref, staged); err != nil {
		return StagedChunk{}, err
	}
	return StagedChunk{Ref: ref, Counts: b.counts, SectionBytes: staged.Shuffle.Bytes()}, nil
}

// checkBronze finds out that a file of bronze is what was written, before anything is made from it.
func checkBronze(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, file iceberg.DataFile) error {
	err := l.CheckFile(file, true)
	if !objects.IsMissing(err) {
		return err
	}
	loaded, loading := l.Load(ctx, definition)
	if loading != nil {
		return loading
	}
	live, listing := lake.LiveFiles(ctx, loaded)
	if listing != nil {
		return listing
	}
	if !slices.ContainsFunc(live, func(now iceberg.DataFile) bool { return now.FilePath() == file.FilePath() }) {
		return err // an erasure wrote it anew
	}
	return l.Catalog.Lost(ctx, loaded, file.FilePath(), err)
}

// bronzeStage brings rows of bronze into the shuffle.
type bronzeStage struct {
	plan    *StagedPlan
	parser  *telemetry.Parser
	shuffle *objects.ShuffleWriter
	event   telemetry.Event // its scratch memory is reused
	counts  ChunkCounts
	// nameless are the lines whose body names no event. Where no line is accepted for that, the names of events are
	// not the hour's.
	nameless int64
}

func (b *bronzeStage) row(row *lake.EventRow) error {
	event := &b.event
	b.counts.Bytes += int64(len(row.BodyMessage))
	b.counts.Lines++
	b.counts.Events++
	// by newer rules, or other settings: the line stays in bronze
	if reason := row.Parse(b.parser, event); reason != "" {
		b.counts.Passed++
		if reason == telemetry.ReasonName {
			b.nameless++
		}
		return nil
	}
	_, named := event.Attribute(telemetry.AttributeUser)
	if event.Kind == telemetry.KindOther && !named {
		return nil
	}
	file, err := b.plan.place(row.FileName)
	if err != nil {
		return err
	}
	return b.shuffle.Add(objects.SessionSection(int64(xxhash.Sum64(event.Session)), b.plan.Sections),
		func(buffer []byte) []byte {
			return appendCandidate(buffer, event, file, row.LineNumber)
		})
}

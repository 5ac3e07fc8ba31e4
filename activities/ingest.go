package activities

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// Ingest holds the steps that bring an hour of files into bronze and silver.
type Ingest struct {
	Source  source.Source
	Lake    *lake.Lake
	Parsing telemetry.Options // of no hour: each step has one
	Record  *observe.Recorder
}

// ListInput asks for the files of an hour.
type ListInput struct {
	Hour       telemetry.Hour `json:"hour"`
	ChunkBytes int64          `json:"chunk_bytes,omitempty"` // DefaultChunkBytes when zero
	Listing    int            `json:"listing"`               // counts the listings of one workflow run, from 1
	Layer      string         `json:"layer,omitempty"`       // LayerBronze when empty
	// RemoveGone: the rows of files that left the source or are bad shall go. Otherwise they stay.
	RemoveGone bool `json:"remove_gone,omitempty"`
	// NoteGone: where all files left the source, nothing but the ledger changes.
	NoteGone bool `json:"note_gone,omitempty"`

	unread bool // ops.files has no row of the hour
}

// Layers from which an hour, or a range, can be done again.
const (
	LayerBronze = "bronze" // everything, from the source
	LayerSilver = "silver" // silver from bronze, and gold
	LayerGold   = "gold"   // gold from silver
)

// Listing is what a run will read.
type Listing struct {
	Run  lake.Run   `json:"run"`
	Plan hours.Plan `json:"plan"`
}

// newRunID names a run. It is named here and not in the workflow, so that a workflow that is reset goes on with the run
// that its listing belongs to, and an attempt that was given up but still lives can't touch the plan of the next.
func newRunID(ctx context.Context, listing int) string {
	info := activity.GetInfo(ctx)
	if listing > 1 || info.Attempt > 1 {
		return fmt.Sprintf("%s.%d.%d", info.WorkflowExecution.RunID, listing, info.Attempt)
	}
	return info.WorkflowExecution.RunID
}

// ListHour lists the hour's files, or the data files that bronze has of it, cuts them into chunks and stages the plan.
func (a *Ingest) ListHour(ctx context.Context, input ListInput) (Listing, error) {
	var read atomic.Int64
	defer keepAlive(ctx, func() any { return hours.ChunkCounts{Bytes: read.Load()} })()
	run := lake.Run{Hour: input.Hour, ID: newRunID(ctx, input.Listing)}
	ledger, err := hours.LedgerNow(ctx, metered(ctx, a.Lake))
	if err != nil {
		return Listing{}, temporalError(ctx, err)
	}
	plan, err := a.plan(ctx, metered(ctx, a.Lake), run, input, math.MaxInt64, func(bytes int64) { read.Add(bytes) })
	if err != nil {
		return Listing{}, temporalError(ctx, err)
	}
	plan.Ledger = ledger
	activity.GetLogger(ctx).Info("listed", "hour", input.Hour.String(), "files", plan.Files, "bytes", plan.Bytes,
		"chunks", plan.Chunks)
	return Listing{Run: run, Plan: plan}, nil
}

// plan lists, cuts and stages the plan. errLarge: the hour holds more than most bytes of text.
func (a *Ingest) plan(ctx context.Context, l *lake.Lake, run lake.Run, input ListInput, most int64,
	progress func(bytes int64)) (plan hours.Plan, err error) {
	size := input.ChunkBytes
	if size <= 0 {
		size = DefaultChunkBytes
	}
	if input.Layer == LayerSilver {
		plan, err = hours.StageSilverPlan(ctx, l, run, size)
		if err == nil && plan.Bytes > most {
			err = errLarge
		}
		return plan, err
	}
	listing, err := a.Source.List(ctx, input.Hour)
	if err != nil {
		return plan, err
	}
	if len(listing.Files)+len(listing.Bad) == 0 {
		// An hour without files is recorded as such, unless the source has no hours at all.
		if err := a.Source.CheckHours(ctx); err != nil {
			return plan, fmt.Errorf("list hour %s: %w", input.Hour, err)
		}
	}
	total := int64(0)
	for _, file := range listing.Files {
		total += hours.TextOf(file)
	}
	if total > most {
		return plan, errLarge
	}
	cut := cutter{source: a.Source, size: size, progress: progress}
	chunks, err := cut.chunks(ctx, listing.Files)
	if err != nil {
		return plan, fmt.Errorf("list hour %s: %w", input.Hour, err)
	}
	listed := hours.Listed{Source: a.Source.String(), Listing: listing, Chunks: chunks, Unread: input.unread}
	switch {
	case input.RemoveGone:
		listed.Gone = hours.RemoveGone
	case input.NoteGone:
		listed.Gone = hours.NoteGone
	}
	if plan, err = hours.StagePlan(ctx, l, run, listed); err != nil {
		return plan, fmt.Errorf("stage the plan of hour %s: %w", input.Hour, err)
	}
	if total+plan.Kept > most {
		return plan, errLarge
	}
	return plan, nil
}

func (a *Ingest) parser(hour telemetry.Hour) (*telemetry.Parser, error) {
	options := a.Parsing
	options.Hour = hour
	parser, err := telemetry.NewParser(options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", objects.ErrConfig, err)
	}
	return parser, nil
}

// ChunkInput names a chunk of a listing, from 0.
type ChunkInput struct {
	Listing Listing `json:"listing"`
	Chunk   int     `json:"chunk"`
}

// ParseChunk parses a chunk and stages its bronze rows, its rejects, and what silver needs of it.
func (a *Ingest) ParseChunk(ctx context.Context, input ChunkInput) (hours.StagedChunk, error) {
	var counts atomic.Value
	defer keepAlive(ctx, counts.Load)()
	run := input.Listing.Run
	parser, err := a.parser(run.Hour)
	if err != nil {
		return hours.StagedChunk{}, temporalError(ctx, err)
	}
	staged, err := hours.StageChunk(ctx, metered(ctx, a.Lake), run, input.Listing.Plan, input.Chunk, a.Source, parser,
		func(now hours.ChunkCounts) {
			counts.Store(now)
		})
	warnPassed(ctx, run, staged)
	a.Record.Rejected(staged.Rejected)
	return staged, temporalError(ctx, err)
}

// warnPassed says that lines of bronze gave no silver.
func warnPassed(ctx context.Context, run lake.Run, chunk hours.StagedChunk) {
	if chunk.Counts.Passed > 0 {
		activity.GetLogger(ctx).Warn("lines of bronze would be rejected today: they stay in bronze, and give no silver",
			"hour", run.Hour.String(), "lines", chunk.Counts.Passed)
	}
}

// SilverInput names some sections of the sessions of all chunks.
type SilverInput struct {
	Listing  Listing             `json:"listing"`
	Chunks   []hours.StagedChunk `json:"chunks"`
	Sections hours.Sections      `json:"sections"`
}

// sectionsDone is the progress of BuildSilver, as its heartbeats tell it.
type sectionsDone struct {
	Sections int64 `json:"sections"`
	Of       int   `json:"of"`
}

// BuildSilver gathers sections of sessions from all chunks and stages their silver rows.
func (a *Ingest) BuildSilver(ctx context.Context, input SilverInput) (hours.StagedSilver, error) {
	var sections atomic.Int64
	defer keepAlive(ctx, func() any { return sectionsDone{sections.Load(), input.Sections.To - input.Sections.From} })()
	staged, err := hours.StageSilver(ctx, metered(ctx, a.Lake), input.Listing.Run, input.Listing.Plan, input.Chunks,
		input.Sections,
		func(done int) {
			sections.Store(int64(done))
		})
	return staged, temporalError(ctx, err)
}

// CommitInput is all that the steps before left behind.
type CommitInput struct {
	Listing   Listing              `json:"listing"`
	Chunks    []hours.StagedChunk  `json:"chunks"`
	Silver    []hours.StagedSilver `json:"silver"`
	StartedAt time.Time            `json:"started_at"`
}

// CommitHour makes the hour visible in bronze, silver and the ledger.
func (a *Ingest) CommitHour(ctx context.Context, input CommitInput) (ledger.Hour, error) {
	defer keepAlive(ctx, nil)()
	row, err := commit.Hour(ctx, metered(ctx, a.Lake),
		hours.StagedHour{Run: input.Listing.Run, Plan: input.Listing.Plan,
			Chunks: input.Chunks, Silver: input.Silver, StartedAt: input.StartedAt})
	if err != nil {
		return ledger.Hour{}, temporalError(ctx, err)
	}
	activity.GetLogger(ctx).Info("committed", "hour", row.Hour.String(), "state", row.State, "lines", row.Lines,
		"events", row.Events,
		"rejects", row.Rejects, "sightings", row.Sightings, "changed", row.Changed)
	warnOfGone(ctx, row)
	a.Record.Hour(row)
	return row, nil
}

// warnOfGone says in the log what left the source.
func warnOfGone(ctx context.Context, row ledger.Hour) {
	if row.GoneFiles > 0 {
		activity.GetLogger(ctx).Warn("files of the hour have left the source: their rows stay until somebody "+
			"takes them out with --remove-gone",
			"hour", row.Hour.String(), "files", row.GoneFiles)
	}
}

// DropStaging removes what a run staged.
func (a *Ingest) DropStaging(ctx context.Context, run lake.Run) error {
	return temporalError(ctx, hours.DropStaging(ctx, metered(ctx, a.Lake), run))
}

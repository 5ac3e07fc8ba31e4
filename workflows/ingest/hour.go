// Package ingest tells the story of an hour, from its files to its tag in gold: by itself, together with others that
// are small, and as the schedule asks for it.
package ingest

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/erasure"
	"github.com/versionlake/versionlake/workflows/writers"
)

const (
	// DefaultParallel is how many chunks of an hour are offered to the workers at once.
	DefaultParallel = 64
	maxParallel     = 1000

	// Files that change under a run are listed again this often, with a pause before.
	maxListings  = 10
	listingPause = 15 * time.Second

	// silverBytes is the work of one BuildSilver; there are at most maxSilver of them.
	silverBytes = 12 << 20
	maxSilver   = 64
)

// The steps of an hour.
var (
	listHour    = workflows.LongStep(time.Hour) // reads large files whole, to cut them
	stageHours  = workflows.LongStep(time.Hour)
	parseChunk  = workflows.LongStep(time.Hour)
	buildSilver = workflows.LongStep(time.Hour)
	commitHour  = workflows.LongStep(time.Hour) // may wait for other hours' commits
	// It is local, and tried three times only: maintenance sweeps what stays.
	dropStaging = workflows.Step{StartToClose: 10 * time.Minute, Attempts: 3}
	noteNoHours = workflows.LongStep(6 * time.Hour)
)

// HourInput starts IngestHour: {"hour": "2022-05-27T05"} is enough.
type HourInput struct {
	Hour string `json:"hour"`
	// of plain text per ParseChunk; activities.DefaultChunkBytes when zero
	ChunkBytes int64  `json:"chunk_bytes,omitempty"`
	Parallel   int    `json:"parallel,omitempty"` // chunks at once; DefaultParallel when zero
	Layer      string `json:"layer,omitempty"`    // activities.LayerBronze when empty, or LayerSilver
	// RemoveGone: the rows of files that left the source or are bad now shall go. Otherwise they stay.
	RemoveGone bool `json:"remove_gone,omitempty"`
	// NoteGone: where all files left the source, nothing but the ledger changes. Otherwise their rows are staged
	// again from bronze.
	NoteGone bool `json:"note_gone,omitempty"`
	// LeaveGold: whoever started the workflow asks gold to show the hour, together with others.
	LeaveGold bool `json:"leave_gold,omitempty"`
	// Check: what the lake has of the hour is read, and written anew where it is not what it was. Otherwise only
	// what is missing or cut is.
	Check bool `json:"check,omitempty"`
	// AwaitTurn: the range that the hour is of says when it may commit.
	AwaitTurn bool `json:"await_turn,omitempty"`
}

// HourResult is the hour's row in the ledger, and the commit of gold that shows the hour.
type HourResult struct {
	Hour ledger.Hour        `json:"hour"`
	Gold writers.GoldAnswer `json:"gold"`
	// LeftOut names the first files that were left out, or read in part, and why.
	LeftOut []string `json:"left_out,omitempty"`
}

// HourProgress answers workflows.ProgressQuery.
type HourProgress struct {
	Status     string            `json:"status"`
	Files      int               `json:"files"`
	Bytes      int64             `json:"bytes"` // as stored, of all files
	Chunks     int               `json:"chunks"`
	ChunksDone int               `json:"chunks_done"`
	Counts     hours.ChunkCounts `json:"counts"` // of the chunks that are done
}

// HourWorkflowID is the id of the workflow that ingests an hour: hour-2022-05-27T05. So an hour has one run at a time.
func HourWorkflowID(hour telemetry.Hour) string { return "hour-" + hour.String() }

// IngestHour brings the files of an hour into the lake, whatever the lake had of the hour before, and returns once gold
// shows it. An hour without files is recorded as empty.
func IngestHour(ctx workflow.Context, input HourInput) (HourResult, error) {
	w := &ingestHour{}
	if err := w.setup(ctx, input); err != nil {
		return HourResult{}, err
	}
	return w.run(ctx)
}

type ingestHour struct {
	steps *activities.Ingest // names the activities; never called here

	hour      telemetry.Hour
	input     HourInput
	startedAt time.Time
	progress  HourProgress
	listings  []activities.Listing // whose runs staged something
	late      []string             // erasures of whom the hour brought new sessions
	leftOut   []string             // files, and why
	why       string               // it ended so
	drop      workflow.Future
}

func (w *ingestHour) setup(ctx workflow.Context, input HourInput) error {
	hour, err := telemetry.ParseHour(input.Hour)
	if err != nil {
		return activities.BadInput(fmt.Sprintf("hour %q: give the UTC hour of a folder, such as 2022-05-27T05",
			input.Hour), err)
	}
	if err := refuseUnbegun(ctx, hour); err != nil {
		return err
	}
	if input.ChunkBytes < 0 || input.Parallel < 0 || input.Parallel > maxParallel {
		return activities.BadInput(fmt.Sprintf("chunk_bytes %d, parallel %d: leave them out, or give positive "+
			"numbers, parallel up to %d",
			input.ChunkBytes, input.Parallel, maxParallel), nil)
	}
	if input.Layer != "" && input.Layer != activities.LayerBronze && input.Layer != activities.LayerSilver {
		return activities.BadInput(
			fmt.Sprintf("layer %q: an hour is done again from %s, which is everything, or from %s", input.Layer,
				activities.LayerBronze, activities.LayerSilver), nil)
	}
	if err := RefuseRemoval(input.RemoveGone, input.Layer); err != nil {
		return err
	}
	if input.Parallel == 0 {
		input.Parallel = DefaultParallel
	}
	w.hour, w.input, w.startedAt = hour, input, workflow.Now(ctx)
	err = workflow.UpsertTypedSearchAttributes(ctx, workflows.OfHours(hour),
		workflows.StateAttribute.ValueSet(workflows.StatusIngesting))
	if err != nil {
		return err
	}
	return workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (HourProgress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the hour is"})
}

// RefuseRemoval refuses to take out what is gone where the source is not looked at.
func RefuseRemoval(removeGone bool, layer string) error {
	if removeGone && layer != "" && layer != activities.LayerBronze {
		return activities.BadInput(
			fmt.Sprintf("remove_gone goes with the layer %s alone: only the source tells what is gone",
				activities.LayerBronze), nil)
	}
	return nil
}

func (w *ingestHour) run(ctx workflow.Context) (HourResult, error) {
	result, err := w.ingest(ctx)
	w.dropStaging(ctx)
	switch {
	case err == nil:
		if bad := result.Hour.BadFiles; bad > 0 {
			w.why = fmt.Sprintf("%d of %d files could not be read", bad, result.Hour.Files)
		}
		w.status(ctx, result.Hour.State)
	case temporal.IsCanceledError(err):
		w.status(ctx, workflows.StatusCanceled)
	default:
		w.why = workflows.Cause(err)
		w.status(ctx, workflows.StatusFailed)
	}
	return result, err
}

func (w *ingestHour) ingest(ctx workflow.Context) (result HourResult, err error) {
	staged, err := w.stageAndCommit(ctx, &result)
	if err != nil {
		return result, err
	}
	result.LeftOut = w.leftOut
	w.startDrop(ctx)
	if err := erasure.Again(ctx, w.late); err != nil {
		return result, err
	}
	if w.input.LeaveGold {
		return result, nil
	}
	w.status(ctx, workflows.StatusGold)
	result.Gold, err = writers.NewGoldClient(ctx).Show(ctx, activities.GoldRequest{Run: staged.listing.Run})
	return result, err
}

// stagedHour is all of an hour, ready to be committed.
type stagedHour struct {
	listing activities.Listing
	chunks  []hours.StagedChunk
	silver  []hours.StagedSilver
}

// stageAndCommit lists, parses, gathers and commits the hour; from the start again when its files change meanwhile,
// when a user is forgotten whom it may hold, or when another run of the hour ends, which may have seen newer files.
func (w *ingestHour) stageAndCommit(ctx workflow.Context, result *HourResult) (stagedHour, error) {
	changed := 0
	for listing := 1; ; listing++ {
		staged, err := w.stageListing(ctx, listing)
		if err == nil {
			result.Hour, err = w.commit(ctx, staged)
		}
		if workflows.IsType(err, activities.ErrorForgotten) || workflows.IsType(err, activities.ErrorConflict) {
			workflow.GetLogger(ctx).Info("listing the hour again", "hour", w.hour.String(), "listing", listing,
				"because", err)
			continue
		}
		if !workflows.IsType(err, activities.ErrorSourceChanged) {
			return staged, err
		}
		if changed++; changed == maxListings {
			return staged, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
				"the files of hour %s changed during each of %d tries to read them; ingest the hour again once "+
					"its writer is done",
				w.hour, changed), activities.ErrorSourceChanged, err)
		}
		workflow.GetLogger(ctx).Warn("files changed: listing the hour again", "hour", w.hour.String(), "listing",
			listing, "error", err)
		pause := workflow.TimerOptions{Summary: "files changed while they were read: list them again"}
		if err := workflow.NewTimerWithOptions(ctx, time.Duration(changed)*listingPause, pause).Get(ctx,
			nil); err != nil {
			return staged, err
		}
	}
}

func (w *ingestHour) stageListing(ctx workflow.Context, listing int) (staged stagedHour, err error) {
	if staged.listing, err = w.list(ctx, listing); err != nil {
		return staged, err
	}
	if staged.chunks, err = w.parse(ctx, staged.listing); err != nil {
		return staged, err
	}
	staged.silver, err = w.buildSilver(ctx, staged)
	return staged, err
}

func (w *ingestHour) list(ctx workflow.Context, listing int) (listed activities.Listing, err error) {
	w.progress = HourProgress{}
	w.describe(ctx, "listing")
	input := activities.ListInput{Hour: w.hour, ChunkBytes: w.input.ChunkBytes, Listing: listing, Layer: w.input.Layer,
		RemoveGone: w.input.RemoveGone, NoteGone: w.input.NoteGone, Check: w.input.Check}
	ctx = listHour.With(ctx, "list the hour's files")
	if err := workflow.ExecuteActivity(ctx, w.steps.ListHour, input).Get(ctx, &listed); err != nil {
		return listed, err
	}
	w.listings = append(w.listings, listed)
	w.leftOut = listed.Plan.LeftOut
	w.progress.Files, w.progress.Bytes, w.progress.Chunks = listed.Plan.Files, listed.Plan.Bytes, listed.Plan.Chunks
	return listed, nil
}

func (w *ingestHour) parse(ctx workflow.Context, listing activities.Listing) ([]hours.StagedChunk, error) {
	w.describe(ctx, "parsing")
	chunks := listing.Plan.Chunks
	megabytes := float64(listing.Plan.Bytes) / float64(max(chunks, 1)) / 1e6
	return workflows.FanOut(ctx, chunks, w.input.Parallel,
		func(ctx workflow.Context, i int) (chunk hours.StagedChunk, err error) {
			ctx = parseChunk.With(ctx, fmt.Sprintf("parse chunk %d of %d (about %.1f MB)", i+1, chunks, megabytes))
			input := activities.ChunkInput{Listing: listing, Chunk: i}
			if err := workflow.ExecuteActivity(ctx, w.steps.ParseChunk, input).Get(ctx, &chunk); err != nil {
				return chunk, err
			}
			w.progress.ChunksDone++
			w.count(chunk.Counts)
			w.leftOut = append(w.leftOut, chunk.LeftOut...)
			w.leftOut = w.leftOut[:min(len(w.leftOut), activities.MostLeftOut)]
			chunk.LeftOut = nil // the inputs of later steps stay small
			for _, user := range chunk.Late {
				if !slices.Contains(w.late, user) {
					w.late = append(w.late, user)
				}
			}
			w.describe(ctx, "parsing")
			return chunk, nil
		})
}

func (w *ingestHour) count(chunk hours.ChunkCounts) {
	sum := &w.progress.Counts
	sum.Bytes += chunk.Bytes
	sum.Lines += chunk.Lines
	sum.Events += chunk.Events
	sum.Rejects += chunk.Rejects
	sum.Blanks += chunk.Blanks
	sum.Erased += chunk.Erased
}

func (w *ingestHour) buildSilver(ctx workflow.Context, staged stagedHour) ([]hours.StagedSilver, error) {
	w.describe(ctx, "building silver")
	waiting := int64(0)
	for _, chunk := range staged.chunks {
		for _, bytes := range chunk.SectionBytes {
			waiting += bytes
		}
	}
	groups := hours.GroupSections(staged.chunks, max(silverBytes, waiting/maxSilver))
	// The sizes were for this only: without them the inputs stay small, however many sections there are.
	for i := range staged.chunks {
		staged.chunks[i].SectionBytes = nil
	}
	return workflows.FanOut(ctx, len(groups), w.input.Parallel,
		func(ctx workflow.Context, i int) (silver hours.StagedSilver, err error) {
			ctx = buildSilver.With(ctx, fmt.Sprintf("build silver, part %d of %d", i+1, len(groups)))
			input := activities.SilverInput{Listing: staged.listing, Chunks: staged.chunks, Sections: groups[i]}
			err = workflow.ExecuteActivity(ctx, w.steps.BuildSilver, input).Get(ctx, &silver)
			return silver, err
		})
}

// commit can't be cancelled: an hour that is half committed would hold up gold until someone ingests it again.
func (w *ingestHour) commit(ctx workflow.Context, staged stagedHour) (row ledger.Hour, err error) {
	if err := w.awaitTurn(ctx); err != nil {
		return row, err
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	w.describe(ctx, "committing")
	ctx = commitHour.With(ctx,
		fmt.Sprintf("commit %d events and %d rejects", w.progress.Counts.Events, w.progress.Counts.Rejects))
	input := activities.CommitInput{Listing: staged.listing, Chunks: staged.chunks, Silver: staged.silver,
		StartedAt: w.startedAt}
	err = workflow.ExecuteActivity(ctx, w.steps.CommitHour, input).Get(ctx, &row)
	return row, err
}

func (w *ingestHour) awaitTurn(ctx workflow.Context) error {
	if w.input.AwaitTurn {
		w.describe(ctx, "ready, and waiting until earlier hours of the range are committed")
	}
	if err := awaitTurn(ctx, &w.input.AwaitTurn); err != nil {
		return err
	}
	return ctx.Err()
}

// startDrop begins to remove what the runs staged.
func (w *ingestHour) startDrop(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	drop, done := workflow.NewFuture(ctx)
	w.drop = drop
	workflow.Go(ctx, func(ctx workflow.Context) {
		for _, listing := range w.listings {
			ctx := dropStaging.Local(ctx, "remove what was staged")
			if err := workflow.ExecuteLocalActivity(ctx, w.steps.DropStaging, listing.Run).Get(ctx, nil); err != nil {
				workflow.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "run",
					listing.Run.ID, "error", err)
			}
		}
		done.Set(nil, nil)
	})
}

func (w *ingestHour) dropStaging(ctx workflow.Context) {
	if w.drop == nil {
		w.startDrop(ctx)
	}
	_ = w.drop.Get(ctx, nil) // never fails: what could not be removed was logged
}

// status is what lists of workflows show, and the page.
func (w *ingestHour) status(ctx workflow.Context, status string) {
	w.describe(ctx, status)
	workflows.SetStatus(ctx, status)
}

// describe says what the workflow does now, with its figures, on its page in the Temporal UI and to who asks.
func (w *ingestHour) describe(ctx workflow.Context, doing string) {
	w.progress.Status = doing
	p := &w.progress
	text := fmt.Sprintf(
		"%s\n\n| files | bytes | chunks | lines | events | rejects | blanks "+
			"|\n|---|---|---|---|---|---|---|\n| %d | %d | %d of %d | %d | %d | %d | %d |\n",
		workflows.Headline(doing, w.why), p.Files, p.Bytes, p.ChunksDone, p.Chunks, p.Counts.Lines, p.Counts.Events,
		p.Counts.Rejects,
		p.Counts.Blanks)
	workflow.SetCurrentDetails(ctx, text+workflows.LeftOut(w.leftOut))
}

package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// DefaultHoursParallel is how many hours of a range run at once.
	DefaultHoursParallel = 4
	maxHoursParallel     = 100
	// rangeHours bounds the history of one run of a range.
	rangeHours = 200
	// failuresKept bounds what a range remembers of hours that failed; the others are counted.
	failuresKept = 200
	// layerBronze is the one layer from which a range can be done again: from the source, everything.
	layerBronze = "bronze"
)

// ReprocessInput starts ReprocessRange: {"from": "2022-05-27T00", "to": "2022-05-28T00"} is enough; to is exclusive.
type ReprocessInput struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Parallel   int    `json:"parallel,omitempty"`    // hours at once; DefaultHoursParallel when zero
	Layer      string `json:"layer,omitempty"`       // bronze, which is the default: everything, from the source
	ChunkBytes int64  `json:"chunk_bytes,omitempty"` // as in IngestInput

	// Done is what earlier runs of the same range did, when the workflow continues as new.
	Done *ReprocessProgress `json:"done,omitempty"`
}

// ReprocessProgress answers ProgressQuery, and is the result.
type ReprocessProgress struct {
	Hours    int           `json:"hours"` // in the range
	Started  int           `json:"started"`
	Done     int           `json:"done"`
	Empty    int           `json:"empty"`    // of those done
	Degraded int           `json:"degraded"` // of those done
	Lines    int64         `json:"lines"`
	Rejects  int64         `json:"rejects"`
	Failed   int           `json:"failed"`
	Failures []HourFailure `json:"failures,omitempty"` // the first of them
	Running  []string      `json:"running,omitempty"`
}

// HourFailure is an hour of a range that could not be ingested.
type HourFailure struct {
	Hour  string `json:"hour"`
	Error string `json:"error"`
}

// RangeWorkflowID is the id of the workflow that does a range again.
func RangeWorkflowID(from, to telemetry.Hour) string { return fmt.Sprintf("range-%s-%s", from, to) }

// ReprocessRange ingests every hour in [from, to) again, a bounded number at once. An hour that fails does not stop the
// others: the workflow fails at the end, and names it.
func ReprocessRange(ctx workflow.Context, input ReprocessInput) (ReprocessProgress, error) {
	w := &reprocessRange{}
	if err := w.setup(ctx, input); err != nil {
		return ReprocessProgress{}, err
	}
	return w.run(ctx)
}

type reprocessRange struct {
	input    ReprocessInput
	from, to telemetry.Hour
	first    telemetry.Hour // of this run
	next     telemetry.Hour // to be started
	progress ReprocessProgress
}

func (w *reprocessRange) setup(ctx workflow.Context, input ReprocessInput) (err error) {
	if w.from, err = telemetry.ParseHour(input.From); err != nil {
		return activities.BadInput(fmt.Sprintf("from %q: give the first hour, such as 2022-05-27T00", input.From), err)
	}
	if w.to, err = telemetry.ParseHour(input.To); err != nil {
		return activities.BadInput(fmt.Sprintf("to %q: give the first hour after the range, such as 2022-05-28T00", input.To), err)
	}
	if w.to <= w.from {
		return activities.BadInput(fmt.Sprintf("the range from %s to %s holds no hour: to is exclusive and comes after from", w.from, w.to), nil)
	}
	if input.Layer != "" && input.Layer != layerBronze {
		return activities.BadInput(fmt.Sprintf("layer %q: only %q can be done again, which is everything, from the source", input.Layer, layerBronze), nil)
	}
	if input.Parallel < 0 || input.Parallel > maxHoursParallel {
		return activities.BadInput(fmt.Sprintf("parallel %d: give the number of hours at once, up to %d", input.Parallel, maxHoursParallel), nil)
	}
	if input.Parallel == 0 {
		input.Parallel = DefaultHoursParallel
	}
	w.input = input
	if input.Done != nil {
		w.progress = *input.Done
	}
	w.progress.Hours = int(w.to - w.from)
	w.first = w.from + telemetry.Hour(w.progress.Started)
	w.next = w.first
	return workflow.SetQueryHandlerWithOptions(ctx, ProgressQuery, func() (ReprocessProgress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the range is, and which hours failed"})
}

func (w *reprocessRange) run(ctx workflow.Context) (ReprocessProgress, error) {
	w.status(ctx, "running")
	w.runHours(ctx)
	switch {
	case ctx.Err() != nil:
		w.status(ctx, statusCanceled)
		return w.progress, ctx.Err()
	case w.next < w.to:
		input := w.input
		input.Done = &w.progress
		return w.progress, workflow.NewContinueAsNewError(ctx, ReprocessRange, input)
	case w.progress.Failed > 0:
		w.status(ctx, statusFailed)
		return w.progress, w.failure()
	}
	w.status(ctx, "complete")
	return w.progress, nil
}

// runHours keeps a number of hours running until this run has started its share, and returns when they have ended.
func (w *reprocessRange) runHours(ctx workflow.Context) {
	running := workflow.NewWaitGroup(ctx)
	for range w.input.Parallel {
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			for w.mayStart(ctx) {
				hour := w.next
				w.next++
				w.runHour(ctx, hour)
			}
		})
	}
	running.Wait(ctx)
}

func (w *reprocessRange) mayStart(ctx workflow.Context) bool {
	return w.next < w.to && ctx.Err() == nil && w.next-w.first < rangeHours && !workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

func (w *reprocessRange) runHour(ctx workflow.Context, hour telemetry.Hour) {
	w.progress.Started++
	w.progress.Running = append(w.progress.Running, hour.String())
	w.describe(ctx)
	result, err := runHour(ctx, hour, IngestInput{Hour: hour.String(), ChunkBytes: w.input.ChunkBytes})
	w.progress.Running = slices.DeleteFunc(w.progress.Running, func(name string) bool { return name == hour.String() })
	switch {
	case err == nil:
		w.finished(result)
	case ctx.Err() != nil: // cancelled with the range: not a failure of the hour
	default:
		w.failed(hour, err)
	}
	w.describe(ctx)
}

func (w *reprocessRange) finished(result IngestResult) {
	w.progress.Done++
	w.progress.Lines += result.Hour.Lines
	w.progress.Rejects += result.Hour.Rejects
	switch result.Hour.State {
	case "empty":
		w.progress.Empty++
	case "degraded":
		w.progress.Degraded++
	}
}

func (w *reprocessRange) failed(hour telemetry.Hour, err error) {
	w.progress.Failed++
	if len(w.progress.Failures) < failuresKept {
		w.progress.Failures = append(w.progress.Failures, HourFailure{Hour: hour.String(), Error: cause(err)})
	}
}

// failure names the hours to be done again.
func (w *reprocessRange) failure() error {
	const named = 10
	text := fmt.Sprintf("%d of %d hours failed; the others are done. Ingest them again once the cause is gone:", w.progress.Failed, w.progress.Hours)
	for _, failure := range w.progress.Failures[:min(named, len(w.progress.Failures))] {
		text += fmt.Sprintf("\n%s: %s", failure.Hour, failure.Error)
	}
	if more := w.progress.Failed - named; more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return temporal.NewNonRetryableApplicationError(text, "HoursFailed", nil, w.progress)
}

func (w *reprocessRange) status(ctx workflow.Context, status string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, StatusAttribute.ValueSet(status)); err != nil {
		workflow.GetLogger(ctx).Warn("can't set the status", "status", status, "error", err)
	}
	w.describe(ctx)
}

func (w *reprocessRange) describe(ctx workflow.Context) {
	p := &w.progress
	details := fmt.Sprintf(
		"**%d of %d hours done**, %d failed\n\n| running | empty | degraded | lines | rejects |\n|---|---|---|---|---|\n| %s | %d | %d | %d | %d |\n",
		p.Done, p.Hours, p.Failed, strings.Join(p.Running, ", "), p.Empty, p.Degraded, p.Lines, p.Rejects)
	for _, failure := range p.Failures {
		details += fmt.Sprintf("\n- **%s** %s", failure.Hour, failure.Error)
	}
	workflow.SetCurrentDetails(ctx, details)
}

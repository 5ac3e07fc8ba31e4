package ranges

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// ReprocessInput starts ReprocessRange: {"from": "2022-05-27T00", "to": "2022-05-28T00"} is enough; to is
// exclusive. Without both, {}, it is every hour that the source or the lake has.
type ReprocessInput struct {
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	Parallel   int    `json:"parallel,omitempty"`    // hours at once; DefaultParallel when zero
	Layer      string `json:"layer,omitempty"`       // activities.LayerBronze when empty: everything, from the source
	ChunkBytes int64  `json:"chunk_bytes,omitempty"` // as in ingest.HourInput
	RemoveGone bool   `json:"remove_gone,omitempty"` // as in ingest.HourInput
	// HourTags: gold gets a commit and a tag for each hour, instead of each of the last 35 days, and months before.
	HourTags bool `json:"hour_tags,omitempty"`
	Check    bool `json:"check,omitempty"` // as in ingest.HourInput
	// Since: an hour whose last run began then or later is done. So a range that was given up is resumed.
	Since time.Time `json:"since,omitzero"`

	// Next and Progress are how far earlier runs of the same range came, when the workflow continues as new.
	Next     string    `json:"next,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
}

// AllWorkflowID is the id of the workflow that does every hour again.
const AllWorkflowID = "range-all"

// RangeWorkflowID is the id of the workflow that does a range again.
func RangeWorkflowID(from, to telemetry.Hour) string { return fmt.Sprintf("range-%s-%s", from, to) }

// ReprocessRange ingests every hour in [from, to) again, a bounded number at once, and shows them in gold in their
// order, the hours of a day together. Hours without files are recorded in the ledger without a workflow of their
// own. An hour that fails does not stop the others: the workflow fails at the end, and names it.
func ReprocessRange(ctx workflow.Context, input ReprocessInput) (Progress, error) {
	w := &reprocessRange{}
	if err := w.setup(ctx, input); err != nil {
		return Progress{}, err
	}
	return w.run(ctx)
}

type reprocessRange struct {
	steps *activities.Ingest // names the activities; never called here

	input    ReprocessInput
	all      bool
	from, to telemetry.Hour
	next     telemetry.Hour // to be surveyed
	progress Progress
	hours    *hoursRunner
}

func (w *reprocessRange) setup(ctx workflow.Context, input ReprocessInput) (err error) {
	if w.all = input.From+input.To == ""; !w.all {
		if w.from, w.to, err = parseHours(input.From, input.To); err != nil {
			return err
		}
		if w.to, err = untilNow(ctx, w.from, w.to); err != nil {
			return err
		}
		input.To = w.to.String()
	}
	switch input.Layer {
	case "", activities.LayerBronze, activities.LayerSilver, activities.LayerGold:
	default:
		return activities.BadInput(fmt.Sprintf("layer %q: a range is done again from %s, which is everything, %s or %s",
			input.Layer, activities.LayerBronze, activities.LayerSilver, activities.LayerGold), nil)
	}
	if err := ingest.RefuseRemoval(input.RemoveGone, input.Layer); err != nil {
		return err
	}
	w.input = input
	if input.Progress != nil {
		w.progress = *input.Progress
	}
	if w.next, err = parseNext(input.Next, w.from); err != nil {
		return err
	}
	w.progress.Hours = int(w.to - w.from)
	if w.hours, err = newHoursRunner(ctx, &w.progress, input.Parallel,
		ingest.HourInput{Layer: input.Layer, ChunkBytes: input.ChunkBytes, RemoveGone: input.RemoveGone,
			Check: input.Check}); err != nil {
		return err
	}
	w.hours.to, w.hours.hourTags = w.to, input.HourTags
	return workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (Progress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the range is, and which hours failed"})
}

// parseHours reads the ends of a range, as a person types them.
func parseHours(fromText, toText string) (from, to telemetry.Hour, err error) {
	if from, err = telemetry.ParseHour(fromText); err != nil {
		return 0, 0, activities.BadInput(fmt.Sprintf("from %q: give the first hour, such as 2022-05-27T00", fromText),
			err)
	}
	if to, err = telemetry.ParseHour(toText); err != nil {
		return 0, 0, activities.BadInput(
			fmt.Sprintf("to %q: give the first hour after the range, such as 2022-05-28T00", toText), err)
	}
	if to <= from {
		return 0, 0, activities.BadInput(
			fmt.Sprintf("the range from %s to %s holds no hour: to is exclusive and comes after from", from, to), nil)
	}
	return from, to, nil
}

// untilNow ends a range with the hour that has begun last; a range of others is refused.
func untilNow(ctx workflow.Context, from, to telemetry.Hour) (telemetry.Hour, error) {
	now := telemetry.HourOf(workflow.Now(ctx))
	switch {
	case to <= now+1 || ingest.Begun(ctx, to-1):
		return to, nil
	case from > now:
		return 0, activities.BadInput(
			fmt.Sprintf("none of the hours from %s on has begun: by Temporal's clock it is %s. "+
				"Nothing was changed", from, workflow.Now(ctx).UTC().Format(time.RFC3339)), nil)
	}
	return now + 1, nil
}

// parseNext reads where an earlier run of a range ended; from is where the range begins.
func parseNext(text string, from telemetry.Hour) (telemetry.Hour, error) {
	if text == "" {
		return from, nil
	}
	next, err := telemetry.ParseHour(text)
	if err != nil {
		return 0, activities.BadInput(fmt.Sprintf("next %q: leave it out", text), err)
	}
	return next, nil
}

func (w *reprocessRange) run(ctx workflow.Context) (Progress, error) {
	err := w.hours.runRange(ctx, w.reprocess, func() error {
		if w.next == w.to {
			return nil
		}
		input := w.input
		input.Next, input.Progress = w.next.String(), &w.progress
		return workflow.NewContinueAsNewError(ctx, ReprocessRange, input)
	})
	return w.progress, err
}

// reprocess does as much of the range as fits into one run of the workflow.
func (w *reprocessRange) reprocess(ctx workflow.Context) error {
	if w.all {
		if err := w.findSpan(ctx); err != nil {
			return err
		}
	}
	if w.input.Layer == activities.LayerGold {
		return w.goldAgain(ctx)
	}
	for w.next < w.to && ctx.Err() == nil && !w.hours.full(ctx) {
		survey, err := w.survey(ctx)
		if err != nil {
			return err
		}
		w.progress.Done += survey.Empty
		w.progress.Empty += survey.Empty
		w.hours.before(survey)
		w.hours.refused(survey.Refused)
		w.hours.run(ctx, survey.Hours, survey.Until)
		w.next = survey.Until
	}
	return nil
}

// findSpan finds out which hours all hours are. Later runs of the workflow are told.
func (w *reprocessRange) findSpan(ctx workflow.Context) error {
	var span activities.Span
	finding := surveyHours.With(ctx, "find the first and the last hour")
	if err := workflow.ExecuteActivity(finding, w.steps.SpanHours, activities.SpanInput{Layer: w.input.Layer}).Get(ctx,
		&span); err != nil {
		return err
	}
	w.from, w.to, w.next, w.hours.to = span.From, span.To, span.From, span.To
	w.input.From, w.input.To = w.from.String(), w.to.String()
	w.progress.Hours = int(w.to - w.from)
	return nil
}

// survey finds the next hours to run.
func (w *reprocessRange) survey(ctx workflow.Context) (survey activities.Survey, err error) {
	input := activities.SurveyInput{From: w.next, To: w.to, Layer: w.input.Layer, Since: w.input.Since,
		Limit: hoursFound}
	ctx = surveyHours.With(ctx, fmt.Sprintf("find the hours with files from %s on", w.next))
	err = workflow.ExecuteActivity(ctx, w.steps.SurveyHours, input).Get(ctx, &survey)
	return survey, err
}

// goldAgain makes the users anew that have a sighting in the range.
func (w *reprocessRange) goldAgain(ctx workflow.Context) error {
	if err := w.hours.gold.MakeAnew(ctx, w.from, w.to, w.all); err != nil {
		return err
	}
	w.progress.Done, w.next = w.progress.Hours, w.to
	return nil
}

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

// ReconcileInput starts Reconcile: {"from": "2022-05-27T00", "to": "2022-05-28T00"}, to is exclusive; or {"last":
// "72h"}.
type ReconcileInput struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Last, instead of a range: the hours that ended this long ago or later, and that are due.
	Last  string `json:"last,omitempty"`
	Delay string `json:"delay,omitempty"` // after its end, until an hour is due; ingest.DefaultDelay when empty
	// Degraded: also hours that are degraded though their files did not change.
	Degraded   bool  `json:"degraded,omitempty"`
	Parallel   int   `json:"parallel,omitempty"`    // hours at once; DefaultParallel when zero
	ChunkBytes int64 `json:"chunk_bytes,omitempty"` // as in ingest.HourInput
	// RemoveGone: also hours with files that left the source or are bad, whose rows shall go. Not with Last: no
	// schedule does that.
	RemoveGone bool `json:"remove_gone,omitempty"`
	// Scheduled: a source without hours is a finding, and no failure. So it is with Last.
	Scheduled bool `json:"scheduled,omitempty"`

	// Next and Progress are how far earlier runs of the same range came, when the workflow continues as new.
	Next     string             `json:"next,omitempty"`
	Progress *ReconcileProgress `json:"progress,omitempty"`
}

// ReconcileProgress answers workflows.ProgressQuery, and is the result.
type ReconcileProgress struct {
	Progress
	Dropped int   `json:"dropped"` // hours that were dropped on purpose: they are not looked at
	Differ  int   `json:"differ"`  // hours whose files are not those that were read
	Added   int64 `json:"added"`   // files
	Changed int64 `json:"changed"` // files
	Removed int64 `json:"removed"` // files of which no row stays
	// Gone are files that left the source, and whose rows stay; GoneHours are their hours.
	Gone      int64 `json:"gone,omitempty"`
	GoneHours int   `json:"gone_hours,omitempty"`
	// NoHours says that the source has not one folder of an hour: nothing was changed.
	NoHours string `json:"no_hours,omitempty"`
}

// ReconcileWorkflowID is the id of the workflow that reconciles a range.
func ReconcileWorkflowID(from, to telemetry.Hour) string {
	return fmt.Sprintf("reconcile-%s-%s", from, to)
}

// Reconcile lists past hours again, and ingests those whose files are not the ones that were read: added, changed or
// gone since, or never read at all. What is gone is noted, and its rows stay.
func Reconcile(ctx workflow.Context, input ReconcileInput) (ReconcileProgress, error) {
	w := &reconcile{}
	if err := w.setup(ctx, input); err != nil {
		return ReconcileProgress{}, err
	}
	return w.run(ctx)
}

type reconcile struct {
	steps *activities.Ingest // names the activities; never called here

	input    ReconcileInput
	from, to telemetry.Hour
	next     telemetry.Hour // to be compared
	progress ReconcileProgress
	hours    *hoursRunner
}

func (w *reconcile) setup(ctx workflow.Context, input ReconcileInput) (err error) {
	if input.RemoveGone && (input.Last != "" || input.Scheduled) {
		return activities.BadInput("remove_gone takes rows out of the lake, and goes with from and to alone: no "+
			"schedule does that", nil)
	}
	if input.Last != "" && input.From+input.To == "" {
		input.Scheduled = true
		if w.from, w.to, err = lastHours(workflow.Now(ctx), input.Last, input.Delay); err != nil {
			return err
		}
		input.From, input.To, input.Last = w.from.String(), w.to.String(), ""
	} else if w.from, w.to, err = parseHours(input.From, input.To); err != nil {
		return err
	}
	if w.to, err = untilNow(ctx, w.from, w.to); err != nil {
		return err
	}
	input.To = w.to.String()
	w.input = input
	if input.Progress != nil {
		w.progress = *input.Progress
	}
	if w.next, err = parseNext(input.Next, w.from); err != nil {
		return err
	}
	w.progress.Hours = int(w.to - w.from)
	if w.hours, err = newHoursRunner(ctx, &w.progress.Progress, input.Parallel,
		ingest.HourInput{ChunkBytes: input.ChunkBytes, RemoveGone: input.RemoveGone,
			NoteGone: !input.RemoveGone}); err != nil {
		return err
	}
	w.hours.to = w.to
	return workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (ReconcileProgress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far it is, and what differs"})
}

// lastHours are the hours of the last so many hours that are due.
func lastHours(now time.Time, lastText, delayText string) (from, to telemetry.Hour, err error) {
	last, err := time.ParseDuration(lastText)
	if err != nil || last < time.Hour {
		return 0, 0, activities.BadInput(fmt.Sprintf("last %q: give a duration such as 72h", lastText), err)
	}
	delay := ingest.DefaultDelay
	if delayText != "" {
		if delay, err = time.ParseDuration(delayText); err != nil || delay < 0 {
			return 0, 0, activities.BadInput(fmt.Sprintf("delay %q: give a duration such as 10m", delayText), err)
		}
	}
	to = telemetry.HourOf(now.Add(-delay))
	return to - telemetry.Hour(last/time.Hour), to, nil
}

func (w *reconcile) run(ctx workflow.Context) (ReconcileProgress, error) {
	err := w.hours.runRange(ctx, w.compare, func() error {
		if w.next == w.to {
			return nil
		}
		input := w.input
		input.Next, input.Progress = w.next.String(), &w.progress
		return workflow.NewContinueAsNewError(ctx, Reconcile, input)
	})
	return w.progress, err
}

// compare does as much of the range as fits into one run of the workflow.
func (w *reconcile) compare(ctx workflow.Context) error {
	for w.next < w.to && ctx.Err() == nil && !w.hours.full(ctx) {
		var found activities.Comparison
		input := activities.CompareInput{From: w.next, To: w.to, Degraded: w.input.Degraded, Limit: hoursFound,
			RemoveGone: w.input.RemoveGone}
		comparing := surveyHours.With(ctx, fmt.Sprintf("list the hours from %s on again, and compare", w.next))
		err := workflow.ExecuteActivity(comparing, w.steps.CompareHours, input).Get(ctx, &found)
		if w.input.Scheduled && workflows.IsType(err, activities.ErrorNoHours) {
			w.progress.NoHours, w.progress.Done, w.next = workflows.Cause(err), w.progress.Hours, w.to
			return ingest.NoteNoHours(ctx, input.From, err)
		}
		if err != nil {
			return err
		}
		p := &w.progress
		p.Done += found.Same + found.Empty + found.Dropped
		p.Dropped += found.Dropped
		p.Empty += found.Empty
		p.Differ += found.Differ
		p.Added, p.Changed, p.Removed = p.Added+found.Added, p.Changed+found.Changed, p.Removed+found.Removed
		p.Gone, p.GoneHours = p.Gone+found.Gone, p.GoneHours+found.GoneHours
		w.hours.refused(found.Refused)
		w.hours.run(ctx, found.Hours, found.Until)
		w.next = found.Until
	}
	return nil
}

package ingest

import (
	"fmt"

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

// MaxTogether is how many hours go together at most: the work of a step that is lost with a worker, and the size of
// its result.
const MaxTogether = 100

// HoursInput starts IngestHours: {"hours": ["2022-05-27T05", "2022-05-27T06"]} is enough.
type HoursInput struct {
	Hours      []string `json:"hours"`
	ChunkBytes int64    `json:"chunk_bytes,omitempty"` // as in HourInput
	Layer      string   `json:"layer,omitempty"`       // as in HourInput
	LeaveGold  bool     `json:"leave_gold,omitempty"`  // as in HourInput
	RemoveGone bool     `json:"remove_gone,omitempty"` // as in HourInput
	NoteGone   bool     `json:"note_gone,omitempty"`   // as in HourInput
	AwaitTurn  bool     `json:"await_turn,omitempty"`  // as in HourInput
	Check      bool     `json:"check,omitempty"`       // as in HourInput
	// Ends are where parts of a range end, exclusive, the first ones of which the hours are of: a part is committed
	// after those before it, and not before what these leave.
	Ends []telemetry.Hour `json:"ends,omitempty"`
}

// HoursWorkflowID is the id of the workflow that ingests hours together, named by the first and the last of them.
func HoursWorkflowID(hours []telemetry.Hour) string {
	return fmt.Sprintf("hours-%s-%s", hours[0], hours[len(hours)-1])
}

// IngestHours brings small hours into the lake together, with one commit a table for all of them. It leaves out
// hours that are large, whose files change meanwhile, or that fail in any other way, and says which: each of those
// is for an IngestHour.
func IngestHours(ctx workflow.Context, input HoursInput) (activities.CommittedHours, error) {
	w := &ingestHours{}
	if err := w.setup(ctx, input); err != nil {
		return activities.CommittedHours{}, err
	}
	return w.run(ctx)
}

type ingestHours struct {
	steps *activities.Ingest // names the activities; never called here

	input HoursInput
	hours []telemetry.Hour
	ids   []string // of the runs that staged something
	// leftOut are files, and why.
	leftOut []string
	why     string // it ended so
}

func (w *ingestHours) setup(ctx workflow.Context, input HoursInput) error {
	if len(input.Hours) == 0 || len(input.Hours) > MaxTogether {
		return activities.BadInput(fmt.Sprintf("%d hours: give up to %d", len(input.Hours), MaxTogether), nil)
	}
	for i, text := range input.Hours {
		hour, err := telemetry.ParseHour(text)
		if err != nil || i > 0 && hour <= w.hours[i-1] {
			return activities.BadInput(
				fmt.Sprintf("hour %q: give UTC hours of folders, such as 2022-05-27T05, in order", text), err)
		}
		if err := refuseUnbegun(ctx, hour); err != nil {
			return err
		}
		w.hours = append(w.hours, hour)
	}
	w.input = input
	return workflow.UpsertTypedSearchAttributes(ctx, workflows.OfHours(w.hours...),
		workflows.StateAttribute.ValueSet(workflows.StatusIngesting))
}

func (w *ingestHours) run(ctx workflow.Context) (activities.CommittedHours, error) {
	result, err := w.ingest(ctx)
	w.dropStaging(ctx)
	switch {
	case err == nil && result.Degraded > 0:
		w.why = fmt.Sprintf("%d of %d hours have files that could not be read", result.Degraded, len(result.Hours))
		w.describe(ctx, ledger.HourDegraded, result.Left)
		workflows.SetStatus(ctx, ledger.HourDegraded)
	case err == nil:
		workflows.SetStatus(ctx, ledger.HourComplete)
	case temporal.IsCanceledError(err):
		workflows.SetStatus(ctx, workflows.StatusCanceled)
	default:
		w.why = workflows.Cause(err)
		w.describe(ctx, workflows.StatusFailed, result.Left)
		workflows.SetStatus(ctx, workflows.StatusFailed)
	}
	return result, err
}

func (w *ingestHours) ingest(ctx workflow.Context) (result activities.CommittedHours, err error) {
	staged, result, err := w.stageAndCommit(ctx)
	if err != nil {
		return result, err
	}
	result.Left = append(staged.Left, result.Left...)
	w.leftOut = result.LeftOut
	w.describe(ctx, "done", result.Left)
	if err := erasure.Again(ctx, staged.Late); err != nil || w.input.LeaveGold || len(result.Hours) == 0 {
		return result, err
	}
	workflows.SetStatus(ctx, workflows.StatusGold)
	runs := activities.RunsOf(result.Hours, result.RunID)
	_, err = writers.NewGoldClient(ctx).Show(ctx, activities.GoldRequest{Run: runs[0], Runs: runs})
	return result, err
}

// stageAndCommit begins again when a user is forgotten whom the hours may hold.
func (w *ingestHours) stageAndCommit(ctx workflow.Context) (
	staged activities.StagedHours, result activities.CommittedHours, err error) {
	startedAt := workflow.Now(ctx)
	for listing := 1; ; listing++ {
		w.describe(ctx, "reading", nil)
		input := activities.HoursInput{Hours: w.hours, ChunkBytes: w.input.ChunkBytes, Listing: listing,
			Layer: w.input.Layer, StartedAt: startedAt,
			RemoveGone: w.input.RemoveGone, NoteGone: w.input.NoteGone, Check: w.input.Check}
		reading := stageHours.With(ctx, fmt.Sprintf("read %d hours from %s on", len(w.hours), w.hours[0]))
		if err := workflow.ExecuteActivity(reading, w.steps.StageHours, input).Get(ctx, &staged); err != nil {
			return staged, result, err
		}
		w.ids = append(w.ids, staged.RunID)
		ready, rest := w.inOrder(staged)
		if len(ready) == 0 {
			return staged, activities.CommittedHours{Rest: rest}, nil
		}
		result, err = w.commit(ctx, ready)
		if !workflows.IsType(err, activities.ErrorForgotten) {
			result.Rest = append(result.Rest, rest...)
			return staged, result, err
		}
		workflow.GetLogger(ctx).Info("reading the hours again", "listing", listing, "because", err)
	}
}

// inOrder are the hours that may be committed, each with its part, and the rest: those of parts after one of which
// hours are left.
func (w *ingestHours) inOrder(staged activities.StagedHours) (ready []hours.StagedHour, rest []telemetry.Hour) {
	last := len(w.input.Ends)
	for _, left := range staged.Left {
		last = min(last, w.part(left.Hour))
	}
	for _, hour := range staged.Hours {
		if hour.Part = w.part(hour.Run.Hour); hour.Part > last {
			rest = append(rest, hour.Run.Hour)
			continue
		}
		ready = append(ready, hour)
	}
	return ready, rest
}

// part is the part that an hour is of, from 0.
func (w *ingestHours) part(hour telemetry.Hour) int {
	part := 0
	for part < len(w.input.Ends) && w.input.Ends[part] <= hour {
		part++
	}
	return part
}

// commit can't be cancelled, as that of one hour.
func (w *ingestHours) commit(ctx workflow.Context,
	hours []hours.StagedHour) (result activities.CommittedHours, err error) {
	if w.input.AwaitTurn {
		w.describe(ctx, "ready, and waiting until earlier hours of the range are committed", nil)
	}
	if err := awaitTurn(ctx, &w.input.AwaitTurn); err != nil {
		return result, err
	}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	w.describe(ctx, "committing", nil)
	ctx = commitHour.With(ctx, fmt.Sprintf("commit %d hours", len(hours)))
	err = workflow.ExecuteActivity(ctx, w.steps.CommitHours, hours).Get(ctx, &result)
	return result, err
}

// dropStaging removes what the runs staged.
func (w *ingestHours) dropStaging(ctx workflow.Context) {
	if len(w.ids) == 0 {
		return
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = dropStaging.Local(ctx, "remove what was staged")
	if err := workflow.ExecuteLocalActivity(ctx, w.steps.DropStagedHours,
		activities.RunsOf(w.hours, w.ids...)).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "runs", w.ids,
			"error", err)
	}
}

// describe says what the workflow does now on its page in the Temporal UI.
func (w *ingestHours) describe(ctx workflow.Context, doing string, left []activities.LeftHour) {
	text := fmt.Sprintf("%s\n\n%d hours from %s to %s", workflows.Headline(doing, w.why), len(w.hours), w.hours[0],
		w.hours[len(w.hours)-1])
	if len(left) > 0 {
		text += fmt.Sprintf(", of which %d are ingested one by one:\n", len(left))
	}
	for _, hour := range left {
		text += workflows.Item("**"+hour.Hour.String()+"**", hour.Why)
	}
	workflow.SetCurrentDetails(ctx, text+"\n"+workflows.LeftOut(w.leftOut))
}

package ingest

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

// An hour that is being ingested already is tried again after a pause that grows between these.
const (
	busyFirstPause = time.Second
	busyMaxPause   = 2 * time.Minute
)

// Turn tells whether a run may commit what it has staged. Until then, it waits: hours before it come first.
type Turn func() bool

// ahead tells whether a run that starts now has to wait for its turn; one that has not is given none.
func ahead(turn Turn) (Turn, bool) {
	if turn == nil || turn() {
		return nil, false
	}
	return turn, true
}

// turnSignal tells an hour, or hours together, that their turn has come.
const turnSignal = "turn"

// RunHour ingests an hour in a child workflow. Where the hour's workflow runs already, it waits and then runs it
// once more: the files that it was asked to read may have come after the other run had listed them. turn may be nil:
// the hour waits for nobody.
func RunHour(ctx workflow.Context, hour telemetry.Hour, input HourInput, turn Turn) (result HourResult, err error) {
	options := childOptions(workflows.IDIn(ctx, HourWorkflowID(hour)), "hour "+hour.String())
	options.TypedSearchAttributes = temporal.NewSearchAttributes(workflows.OfHours(hour))
	turn, input.AwaitTurn = ahead(turn)
	err = runChild(workflow.WithChildOptions(ctx, options), IngestHour, input, &result, turn)
	return result, err
}

// RunHours ingests hours together in a child workflow, in the same way.
// They may be of several parts of a range: ends are those of the first ones.
func RunHours(ctx workflow.Context, hours, ends []telemetry.Hour, input HourInput,
	turn Turn) (result activities.CommittedHours, err error) {
	together := HoursInput{ChunkBytes: input.ChunkBytes, Layer: input.Layer, LeaveGold: input.LeaveGold,
		RemoveGone: input.RemoveGone, NoteGone: input.NoteGone, Check: input.Check, Ends: ends}
	turn, together.AwaitTurn = ahead(turn)
	for _, hour := range hours {
		together.Hours = append(together.Hours, hour.String())
	}
	options := childOptions(workflows.IDIn(ctx, HoursWorkflowID(hours)),
		fmt.Sprintf("%d hours from %s to %s", len(hours), hours[0], hours[len(hours)-1]))
	options.TypedSearchAttributes = temporal.NewSearchAttributes(workflows.OfHours(hours...))
	err = runChild(workflow.WithChildOptions(ctx, options), IngestHours, together, &result, turn)
	return result, err
}

func runChild(ctx workflow.Context, child, input, result any, turn Turn) error {
	for pause := busyFirstPause; ; pause = min(2*pause, busyMaxPause) {
		running := workflow.ExecuteChildWorkflow(ctx, child, input)
		if turn != nil {
			giveTurn(ctx, running, turn)
		}
		err := running.Get(ctx, result)
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return err
		}
		busy := workflow.TimerOptions{Summary: workflow.GetChildWorkflowOptions(ctx).WorkflowID +
			" runs already: wait, then run it again"}
		if err := workflow.NewTimerWithOptions(ctx, pause, busy).Get(ctx, nil); err != nil {
			return err
		}
	}
}

// giveTurn tells a child that its turn has come, unless it ended without.
func giveTurn(ctx workflow.Context, child workflow.ChildWorkflowFuture, turn Turn) {
	if child.GetChildWorkflowExecution().Get(ctx, nil) != nil {
		return // it did not start, as its result says
	}
	if workflow.Await(ctx, func() bool { return turn() || child.IsReady() }) != nil || child.IsReady() {
		return
	}
	if err := child.SignalChildWorkflow(ctx, turnSignal, nil).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Info("nobody waits for the turn any more", "error", err)
	}
}

// awaitTurn returns when the turn of a run has come that waits for it.
func awaitTurn(ctx workflow.Context, waits *bool) error {
	if !*waits {
		return nil
	}
	given := workflow.GetSignalChannelWithOptions(ctx, turnSignal,
		workflow.SignalChannelOptions{Description: "Hours before this one are committed: it is next"})
	if err := workflow.Await(ctx, func() bool { return given.Len() > 0 }); err != nil {
		return err
	}
	given.ReceiveAsync(nil)
	*waits = false
	return nil
}

func childOptions(id, summary string) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID:    id,
		StaticSummary: summary,
		// The hour cleans up and says that it was cancelled before its parent does.
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
}

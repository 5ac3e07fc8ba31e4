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

// RunHour ingests an hour in a child workflow. Where the hour's workflow runs already, it waits and then runs it
// once more: the files that it was asked to read may have come after the other run had listed them.
func RunHour(ctx workflow.Context, hour telemetry.Hour, input HourInput) (result HourResult, err error) {
	options := childOptions(HourWorkflowID(hour), "hour "+hour.String())
	options.TypedSearchAttributes = temporal.NewSearchAttributes(workflows.HourAttribute.ValueSet(hour.String()))
	err = runChild(workflow.WithChildOptions(ctx, options), IngestHour, input, &result)
	return result, err
}

// RunHours ingests hours together in a child workflow, in the same way.
func RunHours(ctx workflow.Context, hours []telemetry.Hour,
	input HourInput) (result activities.CommittedHours, err error) {
	together := HoursInput{ChunkBytes: input.ChunkBytes, Layer: input.Layer, LeaveGold: input.LeaveGold,
		RemoveGone: input.RemoveGone, NoteGone: input.NoteGone}
	for _, hour := range hours {
		together.Hours = append(together.Hours, hour.String())
	}
	options := childOptions(HoursWorkflowID(hours),
		fmt.Sprintf("%d hours from %s to %s", len(hours), hours[0], hours[len(hours)-1]))
	err = runChild(workflow.WithChildOptions(ctx, options), IngestHours, together, &result)
	return result, err
}

func runChild(ctx workflow.Context, child, input, result any) error {
	for pause := busyFirstPause; ; pause = min(2*pause, busyMaxPause) {
		err := workflow.ExecuteChildWorkflow(ctx, child, input).Get(ctx, result)
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

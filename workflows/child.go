package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/telemetry"
)

// An hour that is being ingested already is tried again after a pause that grows between these.
const (
	busyFirstPause = time.Second
	busyMaxPause   = 2 * time.Minute
)

// runHour ingests an hour in a child workflow. Where the hour's workflow runs already, it waits and then runs it once more:
// the files that it was asked to read may have come after the other run had listed them.
func runHour(ctx workflow.Context, hour telemetry.Hour, input IngestInput) (result IngestResult, err error) {
	for pause := busyFirstPause; ; pause = min(2*pause, busyMaxPause) {
		err := workflow.ExecuteChildWorkflow(childOptions(ctx, hour), IngestHour, input).Get(ctx, &result)
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return result, err
		}
		busy := workflow.TimerOptions{Summary: "hour " + hour.String() + " is being ingested already: wait, then ingest it again"}
		if err := workflow.NewTimerWithOptions(ctx, pause, busy).Get(ctx, nil); err != nil {
			return result, err
		}
	}
}

func childOptions(ctx workflow.Context, hour telemetry.Hour) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            HourWorkflowID(hour),
		StaticSummary:         "hour " + hour.String(),
		TypedSearchAttributes: temporal.NewSearchAttributes(HourAttribute.ValueSet(hour.String())),
		// The hour cleans up and says that it was cancelled before its parent does.
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
)

// mostFailed bounds how many failed runs of hours are looked at, the newest ones.
const mostFailed = 200

// Observe says where the figures of the lake are read, and what must be there for a worker to be ready.
func Observe(o *observe.Observer, c client.Client, namespace string, l *lake.Lake) {
	watch, found := &status.Watch{Lake: l}, &checks.Watch{Lake: l}
	o.Figures(observe.Sources{Lake: watch.Read, Checks: found.States,
		Work: func(ctx context.Context) (observe.Work, error) {
			rows, err := watch.Hours(ctx)
			if err != nil {
				return observe.Work{}, err
			}
			return Standing(ctx, c, namespace, rows)
		}})
	o.Ready(
		observe.Check{Name: "Temporal can't be reached", Ask: func(ctx context.Context) error {
			_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
		observe.Check{Name: "the catalog or the warehouse does not answer", Ask: l.Answers},
		observe.Check{Name: "the worker takes no steps from Temporal", Ask: func(ctx context.Context) error {
			return polls(ctx, c)
		}},
	)
}

// polls tells whether Temporal knows this process as a worker that asks for work.
func polls(ctx context.Context, c client.Client) error {
	identities, err := Pollers(ctx, c)
	if err == nil && !slices.Contains(identities, identity()) {
		err = errors.New("this worker has not asked Temporal for steps lately")
	}
	return err
}

// Standing reads from Temporal which hours failed and were not done since, and how maintenance went. rows are the
// ledger's.
func Standing(ctx context.Context, c client.Client, namespace string, rows []ledger.Hour) (observe.Work, error) {
	work := observe.Work{Failed: map[telemetry.Hour]observe.FailedRun{}}
	failed, err := list(ctx, c, namespace, mostFailed,
		"WorkflowType = 'IngestHour' AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')")
	if err != nil {
		return work, fmt.Errorf("ask Temporal for hours that failed: %w", err)
	}
	for _, run := range failed {
		_, name, _ := strings.Cut(run.GetExecution().GetWorkflowId(), "hour-")
		hour, err := telemetry.ParseHour(name)
		if closed := run.GetCloseTime().AsTime(); err == nil && closed.After(work.Failed[hour].At) {
			work.Failed[hour] = observe.FailedRun{At: closed, RunID: run.GetExecution().GetRunId()}
		}
	}
	for _, row := range rows {
		if at, ok := work.Failed[row.Hour]; ok && row.FinishedAt.After(at.At) {
			delete(work.Failed, row.Hour)
		}
	}
	const few = 20
	runs, err := list(ctx, c, namespace, few, "WorkflowType = 'Maintain' AND ExecutionStatus != 'Running'")
	if err != nil {
		return work, fmt.Errorf("ask Temporal for maintenance: %w", err)
	}
	var last time.Time
	for _, run := range runs {
		closed, well := run.GetCloseTime().AsTime(), run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		if closed.After(last) {
			last, work.MaintenanceFailed = closed, !well
		}
		if well && closed.After(work.MaintainedAt) {
			work.MaintainedAt = closed
		}
	}
	return work, nil
}

func list(ctx context.Context, c client.Client, namespace string, most int32,
	query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	_, queue := unnamed(c)
	listed, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace,
		PageSize: most, Query: query + " AND TaskQueue = '" + queue + "'"})
	return listed.GetExecutions(), err
}

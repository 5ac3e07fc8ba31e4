package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/cost"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
)

// Maintain holds the steps that keep the lake small and quick.
type Maintain struct {
	Lake   *lake.Lake
	Record *observe.Recorder
}

// DropInput names the hours of a layer that are to go.
type DropInput struct {
	Layer  string         `json:"layer"`
	Before telemetry.Hour `json:"before"`
	DryRun bool           `json:"dry_run"`
}

// DropHours drops the rows of a layer before an hour.
func (a *Maintain) DropHours(ctx context.Context, input DropInput) ([]maintain.Saving, error) {
	defer keepAlive(ctx, nil)()
	savings, err := maintain.DropBefore(ctx, metered(ctx, a.Lake), input.Layer, input.Before, input.DryRun)
	if errors.Is(err, lake.ErrConflict) {
		return savings, err // the daily aggregates are refreshed by the next try
	}
	recordSavings(a.Record, input.DryRun, savings...)
	return savings, temporalError(ctx, err)
}

// MaintainTableInput names a table, and how it is maintained.
type MaintainTableInput struct {
	Table  string          `json:"table"`
	Upkeep maintain.Upkeep `json:"upkeep"`
}

// MaintainTable compacts, expires and sweeps a table.
func (a *Maintain) MaintainTable(ctx context.Context, input MaintainTableInput) ([]maintain.Saving, error) {
	var done atomic.Value
	defer keepAlive(ctx, done.Load)()
	savings, err := maintain.MaintainTable(ctx, metered(ctx, a.Lake), input.Table, input.Upkeep,
		func(now string) { done.Store(now) })
	recordSavings(a.Record, input.Upkeep.DryRun, savings...)
	return savings, temporalError(ctx, err)
}

// TableNames are the tables to be maintained.
func (a *Maintain) TableNames(context.Context) ([]string, error) { return maintain.TableNames(), nil }

// NoteMaintenance keeps in the lake how a maintenance ended: what failed of it.
func (a *Maintain) NoteMaintenance(ctx context.Context, failed []string) error {
	return temporalError(ctx, checks.Remember(ctx, a.Lake, checks.CheckMaintenance,
		checks.Outcome{At: time.Now(), Count: len(failed), Text: strings.Join(failed, "; ")}))
}

// WeighLake keeps in the lake what each of its tables weighs today.
func (a *Maintain) WeighLake(ctx context.Context) error {
	defer keepAlive(ctx, nil)()
	l := metered(ctx, a.Lake)
	weight, err := cost.Weigh(ctx, l)
	if err == nil {
		err = cost.Record(ctx, l, weight, time.Now())
	}
	return temporalError(ctx, err)
}

// SweepStaging removes what runs and rounds staged whose workflow no longer runs.
func (a *Maintain) SweepStaging(ctx context.Context, upkeep maintain.Upkeep) (maintain.Saving, error) {
	defer keepAlive(ctx, nil)()
	saving, err := maintain.SweepStaging(ctx, metered(ctx, a.Lake), upkeep.Grace,
		func(folder string) (bool, error) { return isRunning(ctx, folder) }, upkeep.DryRun)
	recordSavings(a.Record, upkeep.DryRun, saving)
	return saving, temporalError(ctx, err)
}

// isRunning tells whether the work in a folder of _staging still runs: that of an hour has the id of its workflow,
// and a round of gold or of the daily aggregates begins with the id of its writer's run. Nothing else stages what
// outlives a step.
func isRunning(ctx context.Context, folder string) (bool, error) {
	workflow, rest, _ := strings.Cut(folder, "/")
	run := ""
	const uuid = 36
	if writer, ok := map[string]string{"users": GoldWorkflowID, "daily": DailyWorkflowID}[workflow]; ok {
		workflow, run = writer, rest[:min(len(rest), uuid)]
	} else if !strings.HasPrefix(workflow, "hour-") && !strings.HasPrefix(workflow, "hours-") {
		return false, nil
	}
	workflow = IDIn(activity.GetInfo(ctx).TaskQueue, workflow)
	described, err := activity.GetClient(ctx).DescribeWorkflowExecution(ctx, workflow, run)
	var missing *serviceerror.NotFound
	var strange *serviceerror.InvalidArgument // not the id of a run
	if errors.As(err, &missing) || errors.As(err, &strange) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find out whether %s runs: %w", folder, err)
	}
	return described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

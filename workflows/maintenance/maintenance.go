// Package maintenance is the story that keeps the lake small: it drops, compacts, expires and sweeps.
package maintenance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

// WorkflowID: there is one maintenance at a time, so its workflow has one id.
const WorkflowID = "maintain"

// maintainParallel is how many tables are maintained at once: ingestion comes first.
const maintainParallel = 2

var (
	tableNames = workflows.Step{StartToClose: 30 * time.Second} // local
	// Maintenance gives up after half an hour of failing: the next one goes on where it ended.
	maintainTable   = workflows.Step{StartToClose: 12 * time.Hour, Heartbeat: workflows.Heartbeat, Attempts: 30}
	noteMaintenance = workflows.Step{StartToClose: 5 * time.Minute, Attempts: 5}
	weighLake       = workflows.Step{StartToClose: time.Hour, Heartbeat: workflows.Heartbeat, Attempts: 5}
)

// Input starts Maintain; {} is enough. Durations are written as 48h.
type Input struct {
	// drop bronze and silver.events of hours that ended by then: RFC 3339
	DropBefore  string `json:"drop_before,omitempty"`
	KeepBronze  string `json:"keep_bronze,omitempty"`  // how long rows of bronze are kept; for ever when empty
	KeepEvents  string `json:"keep_events,omitempty"`  // the same for silver.events
	SnapshotAge string `json:"snapshot_age,omitempty"` // lake.DefaultSnapshotAge when empty
	Grace       string `json:"grace,omitempty"`        // lake.DefaultGrace when empty
	DryRun      bool   `json:"dry_run,omitempty"`
}

// Result is what was saved; it also answers workflows.ProgressQuery.
type Result struct {
	Status  string            `json:"status"`
	Savings []maintain.Saving `json:"savings"`
	Failed  []string          `json:"failed,omitempty"`
}

// Maintain drops what is older than it is kept, compacts tables, expires snapshots and tags, and removes what
// nothing names any more. A table that fails does not stop the others: the workflow fails at the end, and the next
// one tries again.
func Maintain(ctx workflow.Context, input Input) (Result, error) {
	w := &maintenance{}
	if err := w.setup(ctx, input); err != nil {
		return Result{}, err
	}
	return w.run(ctx)
}

type maintenance struct {
	steps  *activities.Maintain // names the activities; never called here
	drops  []activities.DropInput
	upkeep maintain.Upkeep
	result Result
}

func (w *maintenance) setup(ctx workflow.Context, input Input) error {
	w.upkeep = maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge, Grace: maintain.DefaultGrace,
		OpenDays: maintain.DefaultOpenDays, DryRun: input.DryRun}
	var keepBronze, keepEvents time.Duration
	for _, age := range []struct {
		name, text string
		value      *time.Duration
	}{
		{"keep_bronze", input.KeepBronze, &keepBronze}, {"keep_events", input.KeepEvents, &keepEvents},
		{"snapshot_age", input.SnapshotAge, &w.upkeep.SnapshotAge}, {"grace", input.Grace, &w.upkeep.Grace},
	} {
		if age.text == "" {
			continue
		}
		value, err := time.ParseDuration(age.text)
		if err != nil || value < 0 {
			return activities.BadInput(fmt.Sprintf("%s %q: give a duration such as 48h", age.name, age.text), err)
		}
		*age.value = value
	}
	w.keep(ctx, ledger.LayerBronze, keepBronze)
	w.keep(ctx, ledger.LayerEvents, keepEvents)
	if input.DropBefore != "" {
		before, err := time.Parse(time.RFC3339, input.DropBefore)
		if err != nil {
			return activities.BadInput(fmt.Sprintf("drop_before %q: give a time such as 2022-05-01T00:00:00Z",
				input.DropBefore), err)
		}
		for _, layer := range []string{ledger.LayerBronze, ledger.LayerEvents} {
			w.drops = append(w.drops,
				activities.DropInput{Layer: layer, Before: telemetry.HourOf(before), DryRun: input.DryRun})
		}
	}
	return workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (Result, error) { return w.result, nil },
		workflow.QueryHandlerOptions{Description: "What maintenance does, and what it saved so far"})
}

func (w *maintenance) keep(ctx workflow.Context, layer string, age time.Duration) {
	if age > 0 {
		w.drops = append(w.drops,
			activities.DropInput{Layer: layer, Before: telemetry.HourOf(workflow.Now(ctx).Add(-age)),
				DryRun: w.upkeep.DryRun})
	}
}

func (w *maintenance) run(ctx workflow.Context) (Result, error) {
	for _, drop := range w.drops {
		w.describe(ctx, "dropping hours")
		var savings []maintain.Saving
		dropping := maintainTable.With(ctx, fmt.Sprintf("drop %s before %s", drop.Layer, drop.Before))
		err := workflow.ExecuteActivity(dropping, w.steps.DropHours, drop).Get(ctx, &savings)
		w.done(ctx, "drop "+drop.Layer, savings, err)
	}
	w.describe(ctx, "sweeping staged work")
	var staging maintain.Saving
	err := workflow.ExecuteActivity(maintainTable.With(ctx, "remove staged work of what no longer runs"),
		w.steps.SweepStaging, w.upkeep).Get(ctx, &staging)
	w.done(ctx, "sweep staging", []maintain.Saving{staging}, err)
	var tables []string
	if err := workflow.ExecuteLocalActivity(tableNames.Local(ctx, "list the tables"), w.steps.TableNames).Get(ctx,
		&tables); err != nil {
		return w.result, err
	}
	w.describe(ctx, "maintaining tables")
	maintainOne := func(ctx workflow.Context, i int) (none struct{}, _ error) {
		var savings []maintain.Saving
		input := activities.MaintainTableInput{Table: tables[i], Upkeep: w.upkeep}
		err := workflow.ExecuteActivity(maintainTable.With(ctx, "compact, expire and sweep "+tables[i]),
			w.steps.MaintainTable, input).Get(ctx, &savings)
		w.done(ctx, tables[i], savings, err)
		return none, ctx.Err()
	}
	if _, err := workflows.FanOut(ctx, len(tables), maintainParallel, maintainOne); err != nil {
		return w.result, err
	}
	w.note(ctx)
	w.weigh(ctx)
	if len(w.result.Failed) > 0 {
		w.describe(ctx, workflows.StatusFailed)
		text := "part of the maintenance failed, and is tried again by the next one:\n" +
			strings.Join(w.result.Failed, "\n")
		return w.result, temporal.NewNonRetryableApplicationError(text, "MaintenanceFailed", nil, w.result)
	}
	w.describe(ctx, "complete")
	return w.result, ctx.Err()
}

// note keeps how this ended, so that its check can tell.
func (w *maintenance) note(ctx workflow.Context) {
	if w.upkeep.DryRun || ctx.Err() != nil ||
		workflow.GetVersion(ctx, "note how it ended", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	noting := noteMaintenance.With(ctx, "note how it ended")
	if err := workflow.ExecuteActivity(noting, w.steps.NoteMaintenance, w.result.Failed).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("checks do not learn how maintenance ended", "error", err)
	}
}

// weigh keeps what the tables weigh once all was done, so that growth can be seen.
func (w *maintenance) weigh(ctx workflow.Context) {
	if w.upkeep.DryRun || ctx.Err() != nil ||
		workflow.GetVersion(ctx, "weigh the lake", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	w.describe(ctx, "weighing the lake")
	weighing := weighLake.With(ctx, "weigh the lake")
	if err := workflow.ExecuteActivity(weighing, w.steps.WeighLake).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("ops.storage does not learn what the lake weighs today", "error", err)
	}
}

func (w *maintenance) done(ctx workflow.Context, what string, savings []maintain.Saving, err error) {
	if err != nil {
		w.result.Failed = append(w.result.Failed, what+": "+workflows.Cause(err))
	} else {
		w.result.Savings = append(w.result.Savings, savings...)
	}
	w.describe(ctx, w.result.Status)
}

func (w *maintenance) describe(ctx workflow.Context, doing string) {
	w.result.Status = doing
	details := "**" + doing +
		"**\n\n| table | step | what | before | after | bytes saved |\n|---|---|---|---|---|---|\n"
	for _, s := range w.result.Savings {
		if s.Before != s.After || s.Bytes != 0 {
			details += fmt.Sprintf("| %s | %s | %s | %d | %d | %d |\n", s.Table, s.Step, s.What, s.Before, s.After,
				s.Bytes)
		}
	}
	for _, failure := range slices.Clone(w.result.Failed) {
		details += "\n- **failed** " + failure
	}
	workflow.SetCurrentDetails(ctx, details)
}

// ScheduledMaintenance is what the daily schedule starts: maintenance under its one id, unless it runs already.
func ScheduledMaintenance(ctx workflow.Context, input Input) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            workflows.IDIn(ctx, WorkflowID),
		StaticSummary:         "daily maintenance",
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
	err := workflow.ExecuteChildWorkflow(ctx, Maintain, input).Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}

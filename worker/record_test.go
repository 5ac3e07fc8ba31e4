package worker_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/erasure"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/maintenance"
	"github.com/versionlake/versionlake/workflows/ranges"
	"github.com/versionlake/versionlake/workflows/writers"
)

var update = flag.Bool("update", false, "record the histories of workflows/testdata anew")

const recorded = "../workflows/testdata"

// TestReplay replays the histories of real runs: a change of a workflow that would break those that run while it is
// deployed fails here. After a change that must break them (and a drain of what runs), record them anew:
//
//	go test ./worker -run 'TestRecord' -update
func TestReplay(t *testing.T) {
	histories, err := filepath.Glob(filepath.Join(recorded, "*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(histories), 15)
	replayer := sdkworker.NewWorkflowReplayer()
	worker.RegisterWorkflows(replayer)
	for _, path := range histories {
		t.Run(filepath.Base(path), func(t *testing.T) {
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, path))
		})
	}
}

// TestRecord runs each workflow on a real server, and replays what that kept.
func TestRecord(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	ctx := t.Context()
	first := hour(t, "2022-05-27T05")

	l.write(first, "a.tsv", sighting(first, 10, "p1", "1.0"), sighting(first, 50, "p1", "1.2"), "not a line")
	run := l.start(ctx, ingest.HourWorkflowID(first), ingest.IngestHour,
		ingest.HourInput{Hour: first.String(), ChunkBytes: 100, Parallel: 2})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "hour", run.GetID(), run.GetRunID())

	run = l.start(ctx, ingest.HourWorkflowID(first+1), ingest.IngestHour,
		ingest.HourInput{Hour: (first + 1).String()})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "hour-empty", run.GetID(), run.GetRunID())

	run = l.start(ctx, "hour-wrong", ingest.IngestHour, ingest.HourInput{Hour: "yesterday"})
	require.Error(t, run.Get(ctx, nil))
	l.record(t, "hour-wrong", run.GetID(), run.GetRunID())

	// Late for gold, which must rebuild the user.
	l.write(first, "late.tsv", sighting(first, 30, "p1", "1.1"))
	l.write(first+1, "b.tsv", sighting(first+1, 5, "p1", "1.2"))
	run = l.start(ctx, "range", ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 3).String(), Parallel: 1})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "range", run.GetID(), run.GetRunID())
	l.record(t, "hours", ingest.HoursWorkflowID([]telemetry.Hour{first, first + 1}), "")
	l.record(t, "gold", "gold", "")
	l.recordDaily(t)

	l.write(first+1, "late.tsv", sighting(first+1, 30, "p1", "1.3"))
	run = l.start(ctx, "reconcile", ranges.Reconcile,
		ranges.ReconcileInput{From: first.String(), To: (first + 3).String()})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "reconcile", run.GetID(), run.GetRunID())
	l.recordCancelled(t)
	l.recordScheduled(t)
	l.recordMaintenance(t)

	hash, err := forget.BeginForget(ctx, l.lake, "p1")
	require.NoError(t, err)
	run = l.start(ctx, forgotten.ForgetName(hash), erasure.ForgetUser, erasure.Input{Erasure: hash})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "forget", run.GetID(), run.GetRunID())
}

// recordDaily asks the writer of the daily aggregates, which the gold writer has started, not to wait.
func (l *local) recordDaily(t *testing.T) {
	ctx := t.Context()
	run, err := l.client.SignalWithStartWorkflow(ctx, activities.DailyWorkflowID, activities.DailySignal,
		activities.DailyRequest{Now: true},
		client.StartWorkflowOptions{ID: activities.DailyWorkflowID, TaskQueue: worker.TaskQueue},
		activities.DailyWorkflow, writers.DailyInput{})
	require.NoError(t, err)
	var commit daily.Committed
	require.NoError(t, run.Get(ctx, &commit))
	require.Equal(t, daily.Committed{Dates: 1, Versions: 3, Events: 3}, commit)
	l.record(t, "daily", run.GetID(), run.GetRunID())
	_, err = verify.Run(ctx, l.lake, verify.Options{}, func(d verify.Difference) error { return errors.New(d.Text) })
	require.NoError(t, err)
}

// recordCancelled cancels a range, and with it its hours: what they had begun to commit they finish.
func (l *local) recordCancelled(t *testing.T) {
	first := hour(t, "2022-06-01T00")
	const hours = 150 // three times what goes together
	for i := range telemetry.Hour(hours) {
		l.write(first+i, "a.tsv", sighting(first+i, 1, "p1", "1.0"))
	}
	run := l.start(t.Context(), "range-cancelled", ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + hours).String(), Parallel: 1})
	require.Eventually(t, func() bool { return len(l.ledger(t.Context())) > 5 }, time.Minute, 50*time.Millisecond)
	require.NoError(t, l.client.CancelWorkflow(t.Context(), run.GetID(), ""))
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, run.Get(t.Context(), nil), &cancelled)
	l.record(t, "range-cancelled", run.GetID(), run.GetRunID())
	l.awaitClosed(t, 0, "ExecutionStatus = 'Running'")
	for _, state := range l.ledger(t.Context()) {
		require.Contains(t, []string{ledger.HourComplete, ledger.HourEmpty}, state)
	}
}

// recordScheduled records a backfilled hour, and one that is not over yet.
func (l *local) recordScheduled(t *testing.T) {
	ctx := t.Context()
	require.NoError(t, worker.EnsureSchedule(ctx, l.client, worker.ScheduleOptions{}))
	past, future := hour(t, "2022-07-01T00"), telemetry.HourOf(time.Now())+1
	require.NoError(t, l.client.ScheduleClient().GetHandle(ctx, worker.ScheduleID).Backfill(ctx,
		client.ScheduleBackfillOptions{
			Backfill: []client.ScheduleBackfill{{Start: past.Start(), End: past.End()},
				{Start: future.Start(), End: future.End()}},
		}))
	l.awaitClosed(t, 2, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	l.record(t, "scheduled", l.find(t, "WorkflowType = 'ScheduledHour' AND Hours = '"+past.String()+"'"), "")
	l.record(t, "scheduled-early", l.find(t, "WorkflowType = 'ScheduledHour' AND Hours = '"+future.String()+"'"), "")
	l.record(t, "await-waiting", "await-"+future.String(), "")

	run := l.start(ctx, "await-past", ingest.AwaitHour,
		ingest.AwaitInput{Hour: past.String(), Until: time.Now().Add(time.Second)})
	require.NoError(t, run.Get(ctx, nil))
	l.record(t, "await", run.GetID(), run.GetRunID())
}

// recordMaintenance maintains the lake by hand and by the schedule, beside an hour that goes on, and drops what is old.
func (l *local) recordMaintenance(t *testing.T) {
	ctx := t.Context()
	require.NoError(t, worker.EnsureSchedules(ctx, l.client,
		worker.ScheduleOptions{Maintain: maintenance.Input{KeepBronze: "87600h"}}))
	require.NoError(t, l.client.ScheduleClient().GetHandle(ctx, worker.MaintainScheduleID).Trigger(ctx,
		client.ScheduleTriggerOptions{}))
	l.awaitClosed(t, 1, "WorkflowType = 'ScheduledMaintenance' AND ExecutionStatus = 'Completed'")
	l.record(t, "scheduled-maintenance", l.find(t, "WorkflowType = 'ScheduledMaintenance'"), "")

	old := hour(t, "2022-05-27T05")
	before, now := l.history(ctx, "p1"), hour(t, "2022-08-01T00")
	l.write(now, "a.tsv", sighting(now, 10, "p2", "1.0"))
	latest := l.start(ctx, ingest.HourWorkflowID(now), ingest.IngestHour,
		ingest.HourInput{Hour: now.String()})
	input := maintenance.Input{DropBefore: (old + 2).Start().Format(time.RFC3339), SnapshotAge: "0s", Grace: "1m"}
	run := l.start(ctx, maintenance.WorkflowID, maintenance.Maintain, input)
	var result maintenance.Result
	require.NoError(t, run.Get(ctx, &result))
	require.NoError(t, latest.Get(ctx, nil))
	l.record(t, "maintain", run.GetID(), run.GetRunID())
	steps := map[string]int64{}
	for _, saving := range result.Savings {
		steps[saving.Step+" "+saving.What] += saving.Before - saving.After
	}
	require.Greater(t, steps["drop files"], int64(0), "%+v", result)
	require.Greater(t, steps["expire snapshots"], int64(0), "%+v", result)
	require.Equal(t, before, l.history(ctx, "p1"))

	run = l.start(ctx, ingest.HourWorkflowID(old), ingest.IngestHour, ingest.HourInput{Hour: old.String()})
	err := run.Get(ctx, nil)
	require.ErrorContains(t, err, "can't be ingested again")
	l.record(t, "hour-dropped", run.GetID(), run.GetRunID())

	run = l.start(ctx, maintenance.WorkflowID, maintenance.Maintain, maintenance.Input{Grace: "a day"})
	require.ErrorContains(t, run.Get(ctx, nil), "give a duration such as 48h")
	l.record(t, "maintain-wrong", run.GetID(), run.GetRunID())
}

func (l *local) find(t *testing.T, query string) string {
	t.Helper()
	found, err := l.client.ListWorkflow(t.Context(), listRequest(query))
	require.NoError(t, err)
	require.NotEmpty(t, found.Executions, query)
	return found.Executions[0].Execution.WorkflowId
}

// record replays a run, and keeps its history if asked to.
func (l *local) record(t *testing.T, name, id, runID string) {
	t.Helper()
	history := l.events(t.Context(), id, runID)
	replayer := sdkworker.NewWorkflowReplayer()
	worker.RegisterWorkflows(replayer)
	require.NoError(t, replayer.ReplayWorkflowHistory(nil, history), name)
	if !*update {
		return
	}
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(recorded, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(recorded, name+".json"), append(text, '\n'), 0o644))
}

func (l *local) events(ctx context.Context, id, runID string) *historypb.History {
	l.tb.Helper()
	history := &historypb.History{}
	for events := l.client.GetWorkflowHistory(ctx, id, runID, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			l.tb.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}

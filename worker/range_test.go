package worker_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows"
)

// ledger maps the hours of the ledger to their states.
func (l *local) ledger(ctx context.Context) map[string]string {
	l.tb.Helper()
	rows, err := l.lake.Hours(ctx, 0, 1<<30)
	if err != nil {
		l.tb.Fatal(err)
	}
	states := map[string]string{}
	for _, row := range rows {
		states[row.Hour.String()] = row.State
	}
	return states
}

// history gives the versions of a user, oldest first.
func (l *local) history(ctx context.Context, user string) []string {
	l.tb.Helper()
	version, err := l.lake.Version(ctx, "")
	if err != nil {
		l.tb.Fatal(err)
	}
	found, ok, err := l.lake.User(ctx, version, user)
	if err != nil || !ok {
		l.tb.Fatalf("user %s: found %v, %v", user, ok, err)
	}
	var versions []string
	for _, interval := range found.History {
		versions = append(versions, interval.Version)
	}
	return versions
}

func (l *local) reprocess(ctx context.Context, id string, from, to telemetry.Hour) (workflows.HoursProgress, error) {
	var result workflows.HoursProgress
	run := l.start(ctx, id, workflows.ReprocessRange, workflows.ReprocessInput{From: from.String(), To: to.String()})
	return result, run.Get(ctx, &result)
}

func TestTwoRangesAndTheScheduleAtOnce(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	for i, version := range []string{"1.0", "1.1", "", "1.2"} {
		if version != "" {
			l.write(first+telemetry.Hour(i), "a.tsv", sighting(first+telemetry.Hour(i), i, "p1", version))
		}
	}
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{Delay: time.Minute}), "a second worker")

	group, ctx := errgroup.WithContext(t.Context())
	for _, id := range []string{"range-a", "range-b"} {
		group.Go(func() error {
			result, err := l.reprocess(ctx, id, first, first+4)
			if err == nil {
				require.Equal(t, 4, result.Done)
				require.Equal(t, 1, result.Empty)
			}
			return err
		})
	}
	group.Go(func() error {
		return l.client.ScheduleClient().GetHandle(ctx, worker.ScheduleID).Backfill(ctx, client.ScheduleBackfillOptions{
			Backfill: []client.ScheduleBackfill{{Start: first.Start(), End: (first + 3).End()}},
		})
	})
	require.NoError(t, group.Wait())
	l.awaitClosed(t, 4, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")

	require.Equal(t, map[string]string{
		"2022-05-27T05": lake.HourComplete, "2022-05-27T06": lake.HourComplete,
		"2022-05-27T07": lake.HourEmpty, "2022-05-27T08": lake.HourComplete,
	}, l.ledger(t.Context()))
	require.Equal(t, []string{"1.0", "1.1", "1.2"}, l.history(t.Context(), "p1"))
}

// awaitClosed waits until a query finds so many workflows.
func (l *local) awaitClosed(t *testing.T, n int64, query string) {
	t.Helper()
	require.Eventually(t, func() bool {
		count, err := l.client.CountWorkflow(t.Context(), countRequest(query))
		return err == nil && count.Count >= n
	}, time.Minute, 200*time.Millisecond, query)
}

// TestBackfillFromTheCommandLine does what the operations handbook says: a range of whole hours is those hours, whatever
// policy is chosen.
func TestBackfillFromTheCommandLine(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first+1, "a.tsv", sighting(first+1, 1, "p1", "1.0"))
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	program, err := exec.LookPath(filepath.Join("..", ".tools", "bin", "temporal"))
	if err != nil {
		program = "temporal"
	}
	backfill := func(from, to telemetry.Hour, policy string) {
		out, err := exec.CommandContext(t.Context(), program, "schedule", "backfill", "--address", l.server.Address, "--schedule-id", worker.ScheduleID,
			"--start-time", from.Start().Format(time.RFC3339), "--end-time", to.Start().Format(time.RFC3339), "--overlap-policy", policy).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	backfill(first, first+3, "AllowAll")
	l.awaitClosed(t, 3, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	backfill(first+24, first+26, "BufferAll")
	l.awaitClosed(t, 5, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	require.Equal(t, map[string]string{
		"2022-05-27T05": lake.HourEmpty, "2022-05-27T06": lake.HourComplete, "2022-05-27T07": lake.HourEmpty,
		"2022-05-28T05": lake.HourEmpty, "2022-05-28T06": lake.HourEmpty,
	}, l.ledger(t.Context()))
	l.awaitClosed(t, 1, "`Hour` = '2022-05-27T06' AND `Status` = 'complete' AND WorkflowType = 'IngestHour'")
}

// TestTriggeredSchedule: a person presses the button now, and the last hour that is due is ingested.
func TestTriggeredSchedule(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	before := time.Now()
	handle := l.client.ScheduleClient().GetHandle(t.Context(), worker.ScheduleID)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	l.awaitClosed(t, 1, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	due := func(now time.Time) string {
		return telemetry.HourOf(now.Add(-time.Hour - workflows.DefaultDelay)).String()
	}
	for got := range l.ledger(t.Context()) {
		require.Contains(t, []string{due(before), due(time.Now())}, got)
	}
	require.Len(t, l.ledger(t.Context()), 1)
}

package worker_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// ledger maps the hours of the ledger to their states.
func (l *local) ledger(ctx context.Context) map[string]string {
	l.tb.Helper()
	rows, err := ledger.Hours(ctx, l.lake, 0, 1<<30)
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
	version, err := gold.FindVersion(ctx, l.lake, "")
	if err != nil {
		l.tb.Fatal(err)
	}
	found, ok, err := gold.User(ctx, l.lake, version, user)
	if err != nil || !ok {
		l.tb.Fatalf("user %s: found %v, %v", user, ok, err)
	}
	var versions []string
	for _, interval := range found.History {
		versions = append(versions, interval.Version)
	}
	return versions
}

func (l *local) reprocess(ctx context.Context, id string, from, to telemetry.Hour) (ranges.Progress, error) {
	var result ranges.Progress
	run := l.start(ctx, id, ranges.ReprocessRange, ranges.ReprocessInput{From: from.String(), To: to.String()})
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
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{Delay: time.Minute}),
		"a second worker")

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
		"2022-05-27T05": ledger.HourComplete, "2022-05-27T06": ledger.HourComplete,
		"2022-05-27T07": ledger.HourEmpty, "2022-05-27T08": ledger.HourComplete,
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

// TestBackfillFromTheCommandLine does what the operations handbook says: a range of whole hours is those hours,
// whatever policy is chosen.
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
		out, err := exec.CommandContext(t.Context(), program, "schedule", "backfill", "--address", l.server.Address,
			"--schedule-id", worker.ScheduleID,
			"--start-time", from.Start().Format(time.RFC3339), "--end-time", to.Start().Format(time.RFC3339),
			"--overlap-policy", policy).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	backfill(first, first+3, "AllowAll")
	l.awaitClosed(t, 3, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	backfill(first+24, first+26, "BufferAll")
	l.awaitClosed(t, 5, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	require.Equal(t, map[string]string{
		"2022-05-27T05": ledger.HourEmpty, "2022-05-27T06": ledger.HourComplete, "2022-05-27T07": ledger.HourEmpty,
		"2022-05-28T05": ledger.HourEmpty, "2022-05-28T06": ledger.HourEmpty,
	}, l.ledger(t.Context()))
	l.awaitClosed(t, 1, "Hours = '2022-05-27T06' AND HourState = 'complete' AND WorkflowType = 'IngestHour'")
}

// TestTriggeredSchedule: a person presses the button now, and the last hour that is due is ingested.
func TestTriggeredSchedule(t *testing.T) {
	l := startLocal(t)
	// else the source has no hours
	l.write(hour(t, "2022-05-27T05"), "a.tsv", sighting(hour(t, "2022-05-27T05"), 1, "p1", "1.0"))
	l.work(t)
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	before := time.Now()
	handle := l.client.ScheduleClient().GetHandle(t.Context(), worker.ScheduleID)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	l.awaitClosed(t, 1, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	due := func(now time.Time) string {
		return telemetry.HourOf(now.Add(-time.Hour - ingest.DefaultDelay)).String()
	}
	for got := range l.ledger(t.Context()) {
		require.Contains(t, []string{due(before), due(time.Now())}, got)
	}
	require.Len(t, l.ledger(t.Context()), 1)
}

// TestRangeOfMonths: hours without files cost a listing by prefix and a row, not a workflow each.
func TestRangeOfMonths(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	from, to := hour(t, "2019-12-28T07"), hour(t, "2020-03-01T05")
	for i, at := range []string{"2019-12-28T07", "2020-02-29T23", "2020-03-01T04"} {
		l.write(hour(t, at), "a.tsv", sighting(hour(t, at), i, "p1", "1."+strconv.Itoa(i)))
	}
	result, err := l.reprocess(t.Context(), "range", from, to)
	require.NoError(t, err)
	hours := int(to - from)
	require.Equal(t, ranges.Progress{Hours: hours, Done: hours, Ran: 3, Empty: hours - 3, Lines: 3}, result)
	require.Len(t, l.ledger(t.Context()), hours)
	require.Equal(t, []string{"1.0", "1.1", "1.2"}, l.history(t.Context(), "p1"))
	versions, err := gold.Versions(t.Context(), l.lake)
	require.NoError(t, err)
	require.Len(t, versions, 3, "gold has a commit for each of these days, in their order")
	for i, tag := range []string{"hour-2020-03-01T04", "hour-2020-02-29T23", "hour-2019-12-28T07"} {
		require.Equal(t, []string{tag}, versions[i].Tags)
	}
	l.awaitClosed(t, 1, "WorkflowType = 'IngestHours'")

	// Files that came are found; of those that went, the rows stay.
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "2020", "02", "29")))
	l.write(from+100, "a.tsv", sighting(from+100, 3, "p1", "1.3"))
	result, err = l.reprocess(t.Context(), "range", from, to)
	require.NoError(t, err)
	require.Equal(t, 4, result.Ran)
	require.Equal(t, hours-4, result.Empty)
	require.Equal(t, []string{"1.0", "1.3", "1.1", "1.2"}, l.history(t.Context(), "p1"))
}

// TestRangeResumes: the hours that an earlier range did are not done again, but are shown by gold, though nobody asked.
func TestRangeResumes(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	for i := range 6 {
		l.write(first+telemetry.Hour(i), "a.tsv", sighting(first+telemetry.Hour(i), i, "p1", "1."+strconv.Itoa(i)))
	}
	since := time.Now()
	for i := range telemetry.Hour(3) {
		run := l.start(t.Context(), ingest.HourWorkflowID(first+i), ingest.IngestHour,
			ingest.HourInput{Hour: (first + i).String(), LeaveGold: true})
		require.NoError(t, run.Get(t.Context(), nil))
	}
	var result ranges.Progress
	run := l.start(t.Context(), "range", ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 8).String(), Since: since})
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, ranges.Progress{Hours: 8, Done: 8, Ran: 3, Empty: 2, Before: 3, Lines: 3}, result)
	versions, err := gold.Versions(t.Context(), l.lake)
	require.NoError(t, err)
	require.Equal(t, []string{"hour-2022-05-27T10"}, versions[0].Tags)
}

// TestRangeByLayer: silver from bronze and gold from silver need no file of the source.
func TestRangeByLayer(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first, "a.tsv", sighting(first, 1, "p1", "1.0"), sighting(first, 2, "p1", "1.1"))
	l.ingest(t.Context(), first)
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "2022")))
	for _, layer := range []string{activities.LayerSilver, activities.LayerGold} {
		for hours, input := range []ranges.ReprocessInput{1: {Layer: layer},
			2: {Layer: layer, From: first.String(), To: (first + 2).String()}} {
			if hours == 0 {
				continue
			}
			var result ranges.Progress
			run := l.start(t.Context(), "range", ranges.ReprocessRange, input)
			require.NoError(t, run.Get(t.Context(), &result))
			require.Equal(t, hours, result.Done)
		}
		require.Equal(t, []string{"1.0", "1.1"}, l.history(t.Context(), "p1"))
	}
	run := l.start(t.Context(), ingest.HourWorkflowID(first+1), ingest.IngestHour,
		ingest.HourInput{Hour: (first + 1).String(), Layer: activities.LayerSilver})
	require.ErrorContains(t, run.Get(t.Context(), nil), "never ingested")
}

// TestBackfillShowsEachDayAsItWas: after a backfill of three days, with hours that are read at the same time, the
// tag at the end of each day shows all of that day and nothing of a later one.
func TestBackfillShowsEachDayAsItWas(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T00")
	for i := range 3 * 24 {
		at := first + telemetry.Hour(i)
		l.write(at, "a.tsv", sighting(at, i, "p1", "1."+strconv.Itoa(i)))
	}
	_, err := l.reprocess(t.Context(), "range", first, first+3*24)
	require.NoError(t, err)
	versions, err := gold.Versions(t.Context(), l.lake)
	require.NoError(t, err)
	require.Len(t, versions, 3)
	for day := range 3 {
		tag := "hour-" + (first + telemetry.Hour(24*day+23)).String()
		version, err := gold.FindVersion(t.Context(), l.lake, tag)
		require.NoError(t, err)
		require.Equal(t, tag, "hour-"+version.NewestHour.String())
		user, found, err := gold.User(t.Context(), l.lake, version, "p1")
		require.NoError(t, err)
		require.True(t, found)
		require.Len(t, user.History, 24*(day+1))
	}
	_, err = gold.FindVersion(t.Context(), l.lake, "hour-2022-05-28T05")
	require.ErrorContains(t, err, "the first one that shows it is hour-2022-05-28T23, and the last one before it is "+
		"hour-2022-05-27T23")

	// With a commit for each hour, each has a tag: what is there already keeps its own.
	run := l.start(t.Context(), "hours", ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 3).String(), HourTags: true})
	require.NoError(t, run.Get(t.Context(), nil))
	for i := range telemetry.Hour(3) {
		version, err := gold.FindVersion(t.Context(), l.lake, "hour-"+(first+i).String())
		require.NoError(t, err)
		require.Equal(t, first+71, version.NewestHour, "the hours came again, after all others")
	}
}

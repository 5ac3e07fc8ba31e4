package worker_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// users is all of gold, a user a line.
func (l *local) users(t *testing.T) string {
	t.Helper()
	now, err := gold.FindVersion(t.Context(), l.lake, "")
	require.NoError(t, err)
	var all strings.Builder
	for user, err := range gold.Users(t.Context(), l.lake, now) {
		require.NoError(t, err)
		line, err := json.Marshal(user)
		require.NoError(t, err)
		all.Write(append(line, '\n'))
	}
	return all.String()
}

func (l *local) verify(t *testing.T) {
	t.Helper()
	_, err := verify.Run(t.Context(), l.lake, verify.Options{},
		func(d verify.Difference) error { return errors.New(d.Text) })
	require.NoError(t, err)
}

// snapshots are how many there are of each table that holds rows of users.
func (l *local) snapshots(t *testing.T) map[string]int {
	t.Helper()
	status, err := status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	all := map[string]int{}
	for _, table := range status.Tables {
		if !strings.HasPrefix(table.Name, "ops.") && !strings.HasSuffix(table.Name, "_daily") {
			all[table.Name] = table.Snapshots
		}
	}
	return all
}

func reconcileRange(t *testing.T, l *local, from, to telemetry.Hour,
	removeGone bool) (result ranges.ReconcileProgress, err error) {
	t.Helper()
	input := ranges.ReconcileInput{From: from.String(), To: to.String(), Degraded: true, RemoveGone: removeGone}
	err = l.start(t.Context(), "reconcile", ranges.Reconcile, input).Get(t.Context(), &result)
	return result, err
}

// TestTenOfADaysHoursGone: reconcile, its schedules, the hourly one and reprocess of every layer leave gold as it
// was, and say what is gone; told to, they take it out.
//
//nolint:funlen // one lake goes through every way to do hours again
func TestTenOfADaysHoursGone(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := telemetry.HourOf(time.Now()) - 26
	for i := range telemetry.Hour(24) {
		l.write(first+i, "a.tsv", sighting(first+i, 10, "p1", "1."+string(rune('a'+i))), "no line",
			sighting(first+i, 20, "p"+string(rune('a'+i)), "2.0"))
	}
	_, err := l.reprocess(t.Context(), "range", first, first+24)
	require.NoError(t, err)
	users, snapshots := l.users(t), l.snapshots(t)
	for i := range telemetry.Hour(10) {
		require.NoError(t, os.RemoveAll(filepath.Join(l.dir, filepath.FromSlash((first+2*i).Folder()))))
	}
	same := func(what string) {
		t.Helper()
		require.Equal(t, users, l.users(t), what)
		require.Equal(t, snapshots, l.snapshots(t), what)
		l.verify(t)
	}

	found, err := reconcileRange(t, l, first, first+24, false)
	require.NoError(t, err)
	require.Equal(t, []int64{10, 10, 10, 0},
		[]int64{found.Gone, int64(found.GoneHours), int64(found.Ran), found.Removed})
	same("reconcile")
	again, err := reconcileRange(t, l, first, first+24, false)
	require.NoError(t, err)
	require.Zero(t, again.Differ+again.Ran, "once is enough")
	statusNow, err := status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	require.Equal(t, status.GoneStatus{Hours: 10, Files: 10, Rows: 30, Named: statusNow.Gone.Named}, statusNow.Gone)
	require.Equal(t, first.Folder()+"/a.tsv", statusNow.Gone.Named[0].Key)
	require.Len(t, statusNow.Findings, 10)
	require.Zero(t, statusNow.Empty)

	require.NoError(t, worker.EnsureReconcile(t.Context(), l.client,
		worker.ScheduleOptions{ReconcileHourly: 48 * time.Hour, ReconcileDaily: 72 * time.Hour}))
	for i, id := range []string{worker.ReconcileHourlyID, worker.ReconcileDailyID} {
		handle := l.client.ScheduleClient().GetHandle(t.Context(), id)
		require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
		l.awaitClosed(t, int64(3+i), "WorkflowType = 'Reconcile' AND ExecutionStatus = 'Completed'")
		same(id)
	}
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	require.NoError(t, l.client.ScheduleClient().GetHandle(t.Context(), worker.ScheduleID).Backfill(t.Context(),
		client.ScheduleBackfillOptions{
			Backfill: []client.ScheduleBackfill{{Start: first.Start(), End: (first + 3).Start()}},
		}))
	l.awaitClosed(t, 3, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	same("the hourly schedule")
	for _, layer := range []string{"bronze", "silver", "gold"} {
		var result ranges.Progress
		input := ranges.ReprocessInput{From: first.String(), To: (first + 24).String(), Layer: layer}
		require.NoError(t, l.start(t.Context(), "range-"+layer, ranges.ReprocessRange, input).Get(t.Context(),
			&result))
		require.Zero(t, result.Failed+result.Empty)
		same("reprocess from " + layer)
	}

	input := ranges.ReconcileInput{Last: "48h", RemoveGone: true}
	require.ErrorContains(t, l.start(t.Context(), "never", ranges.Reconcile, input).Get(t.Context(), nil),
		"no schedule")
	removed, err := reconcileRange(t, l, first, first+24, true)
	require.NoError(t, err)
	require.Equal(t, []int64{10, 10, 0}, []int64{removed.Removed, int64(removed.Ran), removed.Gone})
	require.NotEqual(t, users, l.users(t))
	require.Len(t, l.history(t.Context(), "p1"), 14)
	l.verify(t)
	for i := range telemetry.Hour(24) {
		want := ledger.HourComplete
		if i < 20 && i%2 == 0 {
			want = ledger.HourEmpty
		}
		require.Equal(t, want, l.ledger(t.Context())[(first+i).String()])
	}
	statusNow, err = status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	require.Zero(t, statusNow.Gone)
}

// TestSourceWithoutHours: nothing is concluded from a source in which not one folder of an hour is. Whoever asked
// is told, also with --remove-gone; a schedule makes it a finding, once.
func TestSourceWithoutHours(t *testing.T) {
	l := startLocal(t)
	first := telemetry.HourOf(time.Now()) - 10
	for i := range telemetry.Hour(3) {
		l.write(first+i, "a.tsv", sighting(first+i, 10, "p1", "1."+string(rune('a'+i))))
	}
	l.work(t)
	_, err := l.reprocess(t.Context(), "range", first, first+3)
	require.NoError(t, err)
	users, snapshots, ledgerTable := l.users(t), l.snapshots(t), l.ledger(t.Context())
	require.NoError(t, os.RemoveAll(l.dir)) // unmounted
	require.NoError(t, os.MkdirAll(filepath.Join(l.dir, "lost+found"), 0o755))
	for _, removeGone := range []bool{false, true} {
		_, err = reconcileRange(t, l, first, first+24, removeGone)
		require.ErrorContains(t, err, l.dir)
		require.ErrorContains(t, err, "Nothing was changed")
		for _, input := range []ranges.ReprocessInput{{From: first.String(), To: (first + 3).String()}, {}} {
			input.RemoveGone = removeGone
			err := l.start(t.Context(), "range", ranges.ReprocessRange, input).Get(t.Context(), nil)
			require.ErrorContains(t, err, "Nothing was changed")
		}
		input := ingest.HourInput{Hour: first.String(), RemoveGone: removeGone}
		require.ErrorContains(t, l.start(t.Context(), "hour", ingest.IngestHour, input).Get(t.Context(), nil),
			"Nothing was changed")
	}
	findings, err := ledger.Findings(t.Context(), l.lake)
	require.NoError(t, err)
	require.Empty(t, findings)

	require.NoError(t, worker.EnsureReconcile(t.Context(), l.client,
		worker.ScheduleOptions{ReconcileHourly: 48 * time.Hour, ReconcileDaily: 72 * time.Hour}))
	for i, id := range []string{worker.ReconcileHourlyID, worker.ReconcileDailyID} {
		require.NoError(t, l.client.ScheduleClient().GetHandle(t.Context(), id).Trigger(t.Context(),
			client.ScheduleTriggerOptions{}))
		l.awaitClosed(t, int64(1+i), "WorkflowType = 'Reconcile' AND ExecutionStatus = 'Completed'")
	}
	require.NoError(t, worker.EnsureSchedule(t.Context(), l.client, worker.ScheduleOptions{}))
	require.NoError(t, l.client.ScheduleClient().GetHandle(t.Context(), worker.ScheduleID).Backfill(t.Context(),
		client.ScheduleBackfillOptions{
			Backfill: []client.ScheduleBackfill{{Start: first.Start(), End: (first + 2).Start()}},
		}))
	l.awaitClosed(t, 2, "WorkflowType = 'ScheduledHour' AND ExecutionStatus = 'Completed'")
	await := ingest.AwaitInput{Hour: (first + 4).String(), Until: time.Now()}
	require.NoError(t, l.start(t.Context(), "await", ingest.AwaitHour, await).Get(t.Context(), nil))
	statusNow, err := status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	require.Contains(t, statusNow.NoHours, l.dir)
	require.Len(t, statusNow.Findings, 1, "one finding, and not one with every hour")
	require.Equal(t, users, l.users(t))
	require.Equal(t, snapshots, l.snapshots(t))
	require.Equal(t, ledgerTable, l.ledger(t.Context()))
	l.verify(t)

	// It is mounted again.
	l.write(first, "a.tsv", sighting(first, 10, "p1", "1.a"))
	_, err = reconcileRange(t, l, first, first+3, false)
	require.NoError(t, err)
	statusNow, err = status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	require.Empty(t, statusNow.NoHours)
	require.Equal(t, users, l.users(t))
	l.verify(t)
}

// TestWrongSourceOnS3: a prefix that is wrong, or one level too high, changes nothing.
func TestWrongSourceOnS3(t *testing.T) {
	l := startLocal(t)
	files := l.changeableBucket(t)
	first := hour(t, "2022-05-27T05")
	files.write(first.Folder()+"/a.tsv", sighting(first, 10, "p1", "1.0")+"\n")
	right := l.source.String()
	for _, wrong := range []string{strings.TrimSuffix(right, "/logs"), right + "/2022", right + "s"} {
		var err error
		l.source, err = source.Open(t.Context(), right)
		require.NoError(t, err)
		w := worker.New(l.client, worker.Options{Source: l.source, Lake: l.lake, Parsing: telemetry.Options{}})
		require.NoError(t, w.Start())
		l.ingest(t.Context(), first)
		users := l.users(t)
		w.Stop()
		l.source, err = source.Open(t.Context(), wrong)
		require.NoError(t, err)
		w = worker.New(l.client, worker.Options{Source: l.source, Lake: l.lake, Parsing: telemetry.Options{}})
		require.NoError(t, w.Start())
		_, err = reconcileRange(t, l, first-5, first+19, true)
		require.ErrorContains(t, err, "Nothing was changed", wrong)
		_, err = l.reprocess(t.Context(), "range", first-5, first+19)
		require.ErrorContains(t, err, "Nothing was changed", wrong)
		require.Equal(t, users, l.users(t))
		w.Stop()
	}
}

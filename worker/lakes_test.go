package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/erasure"
	"github.com/versionlake/versionlake/workflows/maintenance"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// gone is a user of both lakes, with a name that no metadata holds.
const gone = "player-7f3a91c0"

// beside is another lake in the same namespace.
func (l *local) beside(t *testing.T, name string) *local {
	t.Helper()
	root := t.TempDir()
	other := &local{tb: t, dir: filepath.Join(root, "source"), server: l.server, client: worker.Named(l.client, name)}
	require.NoError(t, os.Mkdir(other.dir, 0o755))
	var err error
	other.lake, err = lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + root + "/catalog.db", Warehouse: "file://" + root + "/warehouse"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.lake.Close()) })
	other.source, err = source.Open(t.Context(), other.dir)
	require.NoError(t, err)
	return other
}

// TestSeveralLakes lets two lakes of one namespace read the same hours, reprocess, forget and maintain at once.
// Neither gets a row of the other, and all that the one with a name starts has that name.
func TestSeveralLakes(t *testing.T) {
	l := startLocal(t)
	lakes := map[string]*local{"p1": l, "p2": l.beside(t, "eu")} // by the user that only this one has
	first := hour(t, "2022-05-27T05")
	for user, each := range lakes {
		each.work(t)
		for i := range telemetry.Hour(3) {
			each.write(first+i, "a.tsv", sighting(first+i, 1, user, "1.0"), sighting(first+i, 2, gone, "1.0"))
		}
		require.NoError(t, worker.EnsureSchedules(t.Context(), each.client, worker.ScheduleOptions{
			ReconcileHourly: worker.DefaultReconcileHourly}))
	}
	var both sync.WaitGroup
	for user, each := range lakes {
		both.Go(func() { each.goThrough(t, first, user) })
	}
	both.Wait()
	if t.Failed() {
		return
	}
	for user, each := range lakes {
		for other := range lakes {
			require.Equal(t, other == user, each.has(t, other), "whether the lake of %s has %s", user, other)
		}
		require.False(t, each.has(t, gone))
		require.Len(t, each.ledger(t.Context()), 3)
	}
	l.holdNames(t)
}

// goThrough does all that a lake does, and says what failed without ending the test of the other lake.
func (l *local) goThrough(t *testing.T, first telemetry.Hour, user string) {
	ctx := t.Context()
	hash, err := forget.BeginForget(ctx, l.lake, gone)
	if err != nil {
		t.Errorf("%s: %v", user, err)
		return
	}
	do := func(id string, workflow, input, result any) {
		run, err := l.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: worker.TaskQueue},
			workflow, input)
		if err == nil {
			err = run.Get(ctx, result)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", user, id, err)
		}
	}
	id := ranges.RangeWorkflowID(first, first+2)
	do(id, ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 2).String(), Parallel: 2}, nil)
	do(forgotten.ForgetName(hash), erasure.ForgetUser, erasure.Input{Erasure: hash}, nil)
	do("reconcile", ranges.Reconcile, ranges.ReconcileInput{From: first.String(), To: (first + 3).String()}, nil)
	do("scheduled-maintenance", maintenance.ScheduledMaintenance, maintenance.Input{}, nil)
	if rows, err := ledger.Hours(ctx, l.lake, first, first+3); err != nil || len(rows) != 3 {
		t.Errorf("%s: the ledger has %d hours: %v", user, len(rows), err)
	}
}

// holdNames looks at the ids of all workflows and schedules.
func (l *local) holdNames(t *testing.T) {
	ctx := t.Context()
	listed, err := l.client.ListWorkflow(ctx, listRequest("TaskQueue = '"+activities.QueueOf("eu")+"'"))
	require.NoError(t, err)
	kinds := map[string]bool{}
	for _, run := range listed.Executions {
		require.True(t, strings.HasPrefix(run.Execution.WorkflowId, "eu/"), run.Execution.WorkflowId)
		kinds[run.Type.Name] = true
	}
	for _, kind := range []string{"ReprocessRange", "ForgetUser", "Reconcile", "Maintain", "GoldWriter",
		"DailyWriter"} {
		require.Contains(t, kinds, kind)
	}
	listed, err = l.client.ListWorkflow(ctx, listRequest("TaskQueue = '"+worker.TaskQueue+"'"))
	require.NoError(t, err)
	for _, run := range listed.Executions {
		require.NotContains(t, run.Execution.WorkflowId, "/")
	}
	schedules, err := l.client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	require.NoError(t, err)
	var ids []string
	for schedules.HasNext() {
		entry, err := schedules.Next()
		require.NoError(t, err)
		ids = append(ids, entry.ID)
	}
	for _, id := range []string{worker.ScheduleID, worker.MaintainScheduleID, worker.ReconcileHourlyID} {
		require.Contains(t, ids, id)
		require.Contains(t, ids, "eu/"+id)
	}
}

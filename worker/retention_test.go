package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/maintenance"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// forgetHistories lets Temporal forget all that has ended, as a namespace does after its retention.
func (l *local) forgetHistories(t *testing.T) {
	t.Helper()
	const closed = "ExecutionStatus != 'Running'"
	require.Eventually(t, func() bool {
		listed, err := l.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: closed})
		require.NoError(t, err)
		for _, run := range listed.Executions {
			// One that is being deleted is listed for a while.
			_, _ = l.client.WorkflowService().DeleteWorkflowExecution(t.Context(),
				&workflowservice.DeleteWorkflowExecutionRequest{Namespace: client.DefaultNamespace,
					WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.Execution.WorkflowId,
						RunId: run.Execution.RunId}})
		}
		return len(listed.Executions) == 0
	}, time.Minute, 100*time.Millisecond)
}

// TestShortRetention: nothing leans on what Temporal remembers of workflows that have ended. Where it has forgotten
// all of them, hours are as done as before, are not doubled by whoever starts them again, and maintenance, which asks
// whose staged work still runs, sees nobody's.
func TestShortRetention(t *testing.T) {
	// Temporal deletes once its queues are known to be past a workflow's end, which they say each half minute else.
	l := startLocal(t, `history.transferProcessorUpdateAckInterval="1s"`,
		`history.visibilityProcessorUpdateAckInterval="1s"`)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first, "a.tsv", sighting(first, 1, "p1", "1.0"))
	l.ingest(t.Context(), first)
	wrong := l.start(t.Context(), "hour-2022-05-27T09", ingest.IngestHour, ingest.HourInput{Hour: "2022-05-27T9x"})
	require.Error(t, wrong.Get(t.Context(), nil))
	begun := time.Now()
	l.forgetHistories(t)
	t.Logf("all histories are gone after %s", time.Since(begun))
	rows, err := ledger.Hours(t.Context(), l.lake, first, first+10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	work, err := worker.Standing(t.Context(), l.client, client.DefaultNamespace, rows)
	require.NoError(t, err)
	require.Empty(t, work.Failed)

	l.ingest(t.Context(), first)
	var progress ranges.Progress
	run := l.start(t.Context(), ranges.RangeWorkflowID(first, first+2), ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 2).String()})
	require.NoError(t, run.Get(t.Context(), &progress))
	require.Equal(t, 2, progress.Done)
	run = l.start(t.Context(), maintenance.WorkflowID, maintenance.Maintain, maintenance.Input{})
	require.NoError(t, run.Get(t.Context(), nil))
	require.Equal(t, []string{"1.0"}, l.history(t.Context(), "p1"))
}

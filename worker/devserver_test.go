package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// TestStopKeepsWork: what a local server was asked for just before it was stopped, which kills it, is there when it
// starts again.
func TestStopKeepsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	dir := t.TempDir()
	with := func(do func(client.Client)) {
		server, err := worker.StartDevServer(t.Context(), worker.DevServerOptions{Dir: dir})
		require.NoError(t, err)
		c, err := worker.ConnectTo(t.Context(), server.Address, nil)
		require.NoError(t, err)
		do(c)
		c.Close()
		require.NoError(t, server.Stop())
	}
	const id = "hour-2022-05-27T05"
	with(func(c client.Client) {
		_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: worker.TaskQueue},
			ingest.IngestHour, ingest.HourInput{Hour: "2022-05-27T05"})
		require.NoError(t, err)
	})
	with(func(c client.Client) {
		found, err := c.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, found.WorkflowExecutionInfo.Status)
	})
}

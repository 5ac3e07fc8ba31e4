package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
)

// IDIn is the id of a workflow of the same lake, see activities.IDIn. The task queue is part of every history, so
// that a workflow of before lakes had names gives the ids of before.
func IDIn(ctx workflow.Context, id string) string {
	return activities.IDIn(workflow.GetInfo(ctx).TaskQueueName, id)
}

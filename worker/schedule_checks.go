package worker

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/workflows/watch"
)

// DefaultChecks is how often the lake is looked at, besides whenever gold moves.
const DefaultChecks = 10 * time.Minute

// EnsureChecks makes the schedule of checks, brings it up to date, or removes it where it is switched off.
func EnsureChecks(ctx context.Context, c client.Client, every time.Duration) error {
	if every == 0 {
		return removeSchedule(ctx, c, activities.ChecksScheduleID)
	}
	return ensure(ctx, c, client.ScheduleOptions{
		ID:   activities.ChecksScheduleID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Action: &client.ScheduleWorkflowAction{
			ID: "checks", Workflow: watch.Checks, TaskQueue: TaskQueue,
			StaticSummary: "looks for what is wrong, and calls people",
		},
		// One look goes on from the result of the last: they must not run at once. One that gold asks for while another
		// runs comes behind it.
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchupWindow: time.Minute,
		Note: "looks for what is wrong, or new, and calls people",
	})
}

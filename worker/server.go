package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
)

// clockQueue is a task queue on which nothing is ever put: who asks it for work leaves the time of the server.
const clockQueue = "versionlake-clock"

// clockPatience is longer than the shortest time for which Temporal lets anybody wait for work.
const clockPatience = 5 * time.Second

// ClockAhead is how far the clock of Temporal's server is ahead of ours, to within a second or so.
func ClockAhead(ctx context.Context, c client.Client, namespace string) (time.Duration, error) {
	own, _ := unnamed(c)
	ctx, stop := context.WithTimeout(ctx, clockPatience)
	defer stop()
	asked := time.Now()
	go func() {
		// It ends with the context, and with nothing: that is no error here.
		_, _ = own.WorkflowService().PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: clockQueue}, Identity: identity()})
	}()
	for {
		described, err := own.DescribeTaskQueue(ctx, clockQueue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return 0, fmt.Errorf("ask Temporal for its time: %w", err)
		}
		for _, poller := range described.GetPollers() {
			if poller.GetIdentity() == identity() {
				return poller.GetLastAccessTime().AsTime().Sub(asked), nil
			}
		}
		select {
		case <-ctx.Done():
			return 0, errors.New("Temporal does not tell its time")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// HourlySchedule tells whether the schedule that ingests hours is there, and whether somebody paused it.
func HourlySchedule(ctx context.Context, c client.Client) (found, paused bool, err error) {
	_, queue := unnamed(c)
	described, err := c.ScheduleClient().GetHandle(ctx, activities.IDIn(queue, ScheduleID)).Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("look at the schedule %s: %w", ScheduleID, err)
	}
	return true, described.Schedule.State != nil && described.Schedule.State.Paused, nil
}

package worker

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// pollFor is longer than a worker asks for work before it asks again.
const pollFor = 90 * time.Second

// Pollers is how many workers have asked for steps within the last minute and a half.
func Pollers(ctx context.Context, c client.Client) (int, error) {
	described, err := c.DescribeTaskQueue(ctx, TaskQueue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return 0, fmt.Errorf("ask Temporal who works: %w", err)
	}
	n := 0
	for _, poller := range described.GetPollers() {
		if time.Since(poller.GetLastAccessTime().AsTime()) < pollFor {
			n++
		}
	}
	return n, nil
}

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

// Pollers are the workers that have asked for steps within the last minute and a half, by their identities.
func Pollers(ctx context.Context, c client.Client) (identities []string, err error) {
	_, queue := unnamed(c)
	described, err := c.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return nil, fmt.Errorf("ask Temporal who works on %s: %w", queue, err)
	}
	for _, poller := range described.GetPollers() {
		if time.Since(poller.GetLastAccessTime().AsTime()) < pollFor {
			identities = append(identities, poller.GetIdentity())
		}
	}
	return identities, nil
}

package session

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/writers"
)

// RefreshDaily brings the daily aggregates up to date, and waits for that.
func (c *Session) RefreshDaily(ctx context.Context) (commit daily.Committed, err error) {
	run, err := c.Client.SignalWithStartWorkflow(ctx, activities.DailyWorkflowID, activities.DailySignal,
		activities.DailyRequest{Now: true},
		client.StartWorkflowOptions{ID: activities.DailyWorkflowID, TaskQueue: worker.TaskQueue,
			StaticSummary: activities.DailySummary},
		writers.DailyWriter, writers.DailyInput{})
	if err != nil {
		return commit, fmt.Errorf("ask for a refresh of the daily aggregates on %s: %w", c.Where, err)
	}
	err = c.Wait(ctx, run.GetID(), run, &commit, func(ctx context.Context, p terminal.Progress) []string {
		var now writers.DailyProgress
		if c.Progress(ctx, run, &now) {
			p.Update(now.Status, int64(now.Done), int64(now.Groups), "groups of months")
		}
		return nil
	})
	return commit, err
}

// RefreshDailyNow is for a server that ends with the command: nobody else would let the daily aggregates follow.
func (c *Session) RefreshDailyNow(ctx context.Context) error {
	if c.lasting {
		return nil
	}
	_, err := c.RefreshDaily(ctx)
	return err
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// Schedules of reconcile: files that are late are mostly late by hours, and now and then by weeks.
const (
	ReconcileHourlyID = "reconcile-hourly"
	ReconcileDailyID  = "reconcile-daily"

	DefaultReconcileHourly = 3 * 24 * time.Hour
	DefaultReconcileDaily  = 35 * 24 * time.Hour
)

// EnsureReconcile makes the schedules of reconcile, brings them up to date, or removes those that are switched off.
func EnsureReconcile(ctx context.Context, c client.Client, o ScheduleOptions) error {
	if o.Delay == 0 {
		o.Delay = ingest.DefaultDelay
	}
	_, queue := unnamed(c)
	for _, each := range []struct {
		id           string
		last, every  time.Duration
		offset       time.Duration // away from the minutes in which hours are ingested
		degraded     bool
		note, doneBy string
	}{
		{ReconcileHourlyID, o.ReconcileHourly, time.Hour, 45 * time.Minute, false,
			"lists the hours of the last days again", "hour"},
		{ReconcileDailyID, o.ReconcileDaily, 24 * time.Hour, 4*time.Hour + 50*time.Minute, true,
			"lists the hours of the last weeks again", "day"},
	} {
		if each.last == 0 {
			if err := removeSchedule(ctx, c, each.id); err != nil {
				return err
			}
			continue
		}
		input := ranges.ReconcileInput{Last: each.last.String(), Delay: o.Delay.String(), Degraded: each.degraded}
		err := ensure(ctx, c, client.ScheduleOptions{
			ID: each.id,
			Spec: client.ScheduleSpec{
				Intervals: []client.ScheduleIntervalSpec{{Every: each.every, Offset: each.offset}}},
			Action: &client.ScheduleWorkflowAction{
				ID: activities.IDIn(queue, each.id), Workflow: ranges.Reconcile, Args: []any{input}, TaskQueue: queue,
				StaticSummary: fmt.Sprintf("compare the last %s with the source, every %s", each.last, each.doneBy),
			},
			// The next one looks at the same hours and more: none is made up for, none waits.
			Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: time.Minute,
			Note: each.note + ", and ingests those whose files changed",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func removeSchedule(ctx context.Context, c client.Client, id string) error {
	_, queue := unnamed(c)
	err := c.ScheduleClient().GetHandle(ctx, activities.IDIn(queue, id)).Delete(ctx)
	var unknown *serviceerror.NotFound
	if err != nil && !errors.As(err, &unknown) {
		return fmt.Errorf("remove the schedule %s: %w", id, err)
	}
	return nil
}

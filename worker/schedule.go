package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/maintenance"
)

// ScheduleID is the id of the hourly schedule.
const ScheduleID = "hourly"

// DefaultCatchup is how long an outage of Temporal may last before hours are left to a reprocess.
const DefaultCatchup = 72 * time.Hour

// ScheduleOptions of the hourly schedule.
type ScheduleOptions struct {
	// Delay is how long after its end an hour is ingested; negative is not allowed, zero is ingest.DefaultDelay.
	Delay time.Duration
	// Catchup is DefaultCatchup when zero.
	Catchup time.Duration
	// Maintain is what the daily maintenance is started with.
	Maintain maintenance.Input
	// ReconcileHourly and ReconcileDaily are how far back reconcile looks, every hour and every day; the schedule
	// is left out, or removed, when zero.
	ReconcileHourly, ReconcileDaily time.Duration
	// Checks is how often the lake is looked at; the schedule is left out, or removed, when zero.
	Checks time.Duration
}

// MaintainScheduleID is the id of the daily schedule.
const MaintainScheduleID = "daily-maintenance"

// maintainAt is when, after midnight UTC, maintenance starts: hours are ingested ten minutes after their end.
const maintainAt = 3*time.Hour + 40*time.Minute

// EnsureSchedules makes the hourly schedule, and those of maintenance and reconcile, or brings them up to date; one
// that someone paused stays paused.
func EnsureSchedules(ctx context.Context, c client.Client, o ScheduleOptions) error {
	if err := EnsureSchedule(ctx, c, o); err != nil {
		return err
	}
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour, Offset: maintainAt}}}
	_, queue := unnamed(c)
	action := &client.ScheduleWorkflowAction{
		ID: activities.IDIn(queue, "scheduled-maintenance"), Workflow: maintenance.ScheduledMaintenance,
		Args:          []any{o.Maintain},
		TaskQueue:     queue,
		StaticSummary: "maintenance, by the schedule",
	}
	// One that was missed is made up for, but no day's twice: the next does all that is left to do.
	if err := ensure(ctx, c, client.ScheduleOptions{
		ID: MaintainScheduleID, Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: 20 * time.Hour,
		Note:          "compacts tables, expires snapshots and tags, removes what nothing names",
	}); err != nil {
		return err
	}
	if err := EnsureChecks(ctx, c, o.Checks); err != nil {
		return err
	}
	if err := ensurePosts(ctx, c); err != nil {
		return err
	}
	return EnsureReconcile(ctx, c, o)
}

// EnsureSchedule makes the hourly schedule, or brings it up to date.
func EnsureSchedule(ctx context.Context, c client.Client, o ScheduleOptions) error {
	if o.Delay == 0 {
		o.Delay = ingest.DefaultDelay
	}
	if o.Catchup == 0 {
		o.Catchup = DefaultCatchup
	}
	spec := client.ScheduleSpec{
		Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour, Offset: ingest.ScheduleMinute * time.Minute}},
	}
	_, queue := unnamed(c)
	action := &client.ScheduleWorkflowAction{
		ID:            activities.IDIn(queue, "scheduled"),
		Workflow:      ingest.ScheduledHour,
		Args:          []any{ingest.ScheduledInput{Delay: o.Delay.String()}},
		TaskQueue:     queue,
		StaticSummary: "an hour, by the schedule",
	}
	// All may run at once, on purpose. An hour that is on time takes its run milliseconds, and must not queue up
	// behind a backfill that takes a day. The same hour can't run twice at once, and the workers bound what all
	// hours do together. Who wants a backfill one by one says BufferAll there; long ranges are for ReprocessRange.
	const overlap = enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
	return ensure(ctx, c, client.ScheduleOptions{
		ID: ScheduleID, Spec: spec, Action: action, Overlap: overlap, CatchupWindow: o.Catchup,
		Note: "ingests every hour once it is over",
	})
}

// ensure makes a schedule, or gives one that is there its spec, action and policies.
func ensure(ctx context.Context, c client.Client, o client.ScheduleOptions) error {
	_, queue := unnamed(c)
	o.ID = activities.IDIn(queue, o.ID)
	_, err := c.ScheduleClient().Create(ctx, o)
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		if err != nil {
			return fmt.Errorf("make the schedule %s: %w", o.ID, err)
		}
		return nil
	}
	err = c.ScheduleClient().GetHandle(ctx, o.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(input client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := input.Description.Schedule
			schedule.Spec = &o.Spec
			schedule.Action = o.Action
			if schedule.Policy == nil {
				schedule.Policy = &client.SchedulePolicies{}
			}
			schedule.Policy.Overlap, schedule.Policy.CatchupWindow = o.Overlap, o.CatchupWindow
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("update the schedule %s: %w", o.ID, err)
	}
	return nil
}

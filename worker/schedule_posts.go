package worker

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/workflows/watch"
)

// Schedules of what is sent and written at its time, by the file of rules; without any there, they do nothing.
const (
	DigestScheduleID = "weekly-digest"
	ListsScheduleID  = "daily-lists"
)

// ensurePosts makes the schedules of the digest and of lists, or brings them up to date.
func ensurePosts(ctx context.Context, c client.Client) error {
	_, queue := unnamed(c)
	// Intervals count from 1970-01-01, a Thursday: four days later is a Monday.
	const monday = 4 * 24 * time.Hour
	if err := ensure(ctx, c, client.ScheduleOptions{
		ID: DigestScheduleID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 7 * 24 * time.Hour,
			Offset: monday + 6*time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: activities.IDIn(queue, "digest"), Workflow: watch.Digest,
			TaskQueue: queue, StaticSummary: "sends the week to whom the rules name"},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL, CatchupWindow: 24 * time.Hour,
		Note: "sends the week to whom the rules name",
	}); err != nil {
		return err
	}
	return ensure(ctx, c, client.ScheduleOptions{
		ID: ListsScheduleID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour,
			Offset: 5 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: activities.IDIn(queue, "lists"), Workflow: watch.Lists,
			TaskQueue: queue, StaticSummary: "writes the lists of the rules"},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: 12 * time.Hour,
		Note: "writes the lists of the rules",
	})
}

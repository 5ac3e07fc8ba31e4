package ingest

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

// ScheduleMinute is when, within each hour, the schedule starts the run that is about that very hour. The middle of the
// hour: a backfill from 05:00 to 08:00 is then of the hours 05, 06 and 07, whichever end counts.
const ScheduleMinute = 30

// DefaultDelay is how long after its end an hour is ingested: its writer may be late.
const DefaultDelay = 10 * time.Minute

var scheduledStartTime = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// ScheduledInput is what the schedule starts ScheduledHour with.
type ScheduledInput struct {
	Delay string `json:"delay,omitempty"` // after the end of the hour, such as 10m; DefaultDelay when empty
}

// AwaitInput starts AwaitHour.
type AwaitInput struct {
	Hour  string    `json:"hour"`
	Until time.Time `json:"until"`
}

// ScheduledHour is what the hourly schedule starts. It is about the hour that its nominal time lies in. If that
// hour is over, because this is a backfill or catches up after an outage, it ingests it and ends with it. An hour
// that is not over yet it leaves to AwaitHour, and ends at once: were it to wait, backfills that queue up behind it
// would wait too.
//
// When a person triggers the schedule there is no nominal time but now: it then ingests the last hour that is due.
func ScheduledHour(ctx workflow.Context, input ScheduledInput) error {
	w := &scheduledHour{}
	if err := w.setup(ctx, input); err != nil {
		return err
	}
	return w.run(ctx)
}

type scheduledHour struct {
	delay time.Duration
	hour  telemetry.Hour
}

func (w *scheduledHour) setup(ctx workflow.Context, input ScheduledInput) error {
	w.delay = DefaultDelay
	if input.Delay != "" {
		delay, err := time.ParseDuration(input.Delay)
		if err != nil || delay < 0 {
			return activities.BadInput(fmt.Sprintf("delay %q: give a duration such as 10m", input.Delay), err)
		}
		w.delay = delay
	}
	at, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledStartTime)
	if !ok {
		at = workflow.Now(ctx) // started by hand, without the schedule
	}
	at = at.UTC()
	w.hour = telemetry.HourOf(at)
	if at.Minute() != ScheduleMinute || at.Second() != 0 {
		w.hour = telemetry.HourOf(at.Add(-time.Hour - w.delay))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, workflows.OfHours(w.hour))
}

func (w *scheduledHour) run(ctx workflow.Context) error {
	due := w.hour.End().Add(w.delay)
	if workflow.Now(ctx).Before(due) {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("hour %s is due at %s", w.hour, due.Format(time.RFC3339)))
		return w.leave(ctx, due)
	}
	workflow.SetCurrentDetails(ctx, "ingests hour "+w.hour.String())
	_, err := RunHour(ctx, w.hour, HourInput{Hour: w.hour.String()}, nil)
	return NoteNoHours(ctx, w.hour, err)
}

// NoteNoHours makes a finding of a source in which not one folder of an hour is, and a schedule ends well then. Any
// other error stays what it is.
func NoteNoHours(ctx workflow.Context, hour telemetry.Hour, err error) error {
	if !workflows.IsType(err, activities.ErrorNoHours) {
		return err
	}
	workflow.SetCurrentDetails(ctx, "**nothing was changed**: "+workflows.Cause(err))
	var steps *activities.Ingest
	ctx = noteNoHours.With(ctx, "note that the source has no hours")
	return workflow.ExecuteActivity(ctx, steps.NoteNoHours, hour).Get(ctx, nil)
}

// leave starts AwaitHour, unless it waits for the hour already.
func (w *scheduledHour) leave(ctx workflow.Context, due time.Time) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            workflows.IDIn(ctx, "await-"+w.hour.String()),
		StaticSummary:         fmt.Sprintf("ingest hour %s once it is over", w.hour),
		TypedSearchAttributes: temporal.NewSearchAttributes(workflows.OfHours(w.hour)),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
	child := workflow.ExecuteChildWorkflow(ctx, AwaitHour, AwaitInput{Hour: w.hour.String(), Until: due})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}

// AwaitHour waits until an hour is due, and ingests it.
func AwaitHour(ctx workflow.Context, input AwaitInput) (HourResult, error) {
	hour, err := telemetry.ParseHour(input.Hour)
	if err != nil {
		return HourResult{}, activities.BadInput(
			fmt.Sprintf("hour %q: give the UTC hour of a folder, such as 2022-05-27T05", input.Hour), err)
	}
	if wait := input.Until.Sub(workflow.Now(ctx)); wait > 0 {
		over := workflow.TimerOptions{Summary: "until hour " + hour.String() + " is over"}
		if err := workflow.NewTimerWithOptions(ctx, wait, over).Get(ctx, nil); err != nil {
			return HourResult{}, err
		}
	}
	result, err := RunHour(ctx, hour, HourInput{Hour: input.Hour}, nil)
	return result, NoteNoHours(ctx, hour, err)
}

package activities

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/published"
)

// The writer of the daily aggregates as others know it.
const (
	// DailyWorkflowID: the daily aggregates have one writer at a time, so its workflow has one id.
	DailyWorkflowID = "daily"
	// DailyWorkflow is the name of the workflow type.
	DailyWorkflow = "DailyWriter"
	// DailySignal carries a DailyRequest to the writer.
	DailySignal = "request"
	// DailySummary is what the Temporal UI says of it.
	DailySummary = "keeps the daily aggregates up to date"
)

// DailyRequest asks for a refresh of the daily aggregates: soon, or now.
type DailyRequest struct {
	Now bool `json:"now,omitempty"`
}

// Daily holds the steps that let the daily aggregates follow silver and gold.
type Daily struct {
	Lake *lake.Lake
	// WithoutEvents leaves gold.events behind, and with it the daily aggregates, which are counted from it; Without the
	// latter alone. For measurements.
	WithoutEvents, Without bool
	// MonthTags is how long gold.users as it was at the end of a month is kept by a tag; 0: not at all.
	MonthTags time.Duration
}

// RequestDaily signals the writer of the daily aggregates, and starts it where it does not run. Asking twice does
// no harm.
func (a *Daily) RequestDaily(ctx context.Context) error {
	queue := activity.GetInfo(ctx).TaskQueue
	id := IDIn(queue, DailyWorkflowID)
	_, err := activity.GetClient(ctx).SignalWithStartWorkflow(ctx, id, DailySignal, DailyRequest{},
		client.StartWorkflowOptions{
			ID:                    id,
			TaskQueue:             queue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         DailySummary,
		}, DailyWorkflow, struct{}{})
	if err != nil {
		return fmt.Errorf("ask for a refresh of the daily aggregates: %w", err)
	}
	return nil
}

// FollowEvents takes what changed in silver into gold.events.
func (a *Daily) FollowEvents(ctx context.Context) (events.Followed, error) {
	if a.WithoutEvents {
		return events.Followed{}, temporalError(ctx, ledger.TurnOff(ctx, a.Lake, lake.GoldEvents))
	}
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	followed, err := events.Follow(ctx, metered(ctx, a.Lake), roundOf(ctx), nil, done.Store)
	return followed, temporalError(ctx, err)
}

// PlanDaily begins a refresh: it finds the dates whose counts may have changed.
func (a *Daily) PlanDaily(ctx context.Context) (daily.Plan, error) {
	if a.Without || a.WithoutEvents {
		return daily.Plan{}, temporalError(ctx, ledger.TurnOff(ctx, a.Lake, lake.GoldVersionDaily))
	}
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	plan, err := daily.PlanDaily(ctx, metered(ctx, a.Lake), roundOf(ctx), done.Store)
	return plan, temporalError(ctx, err)
}

// CountDatesInput names the months, since 1970-01, whose dates one activity counts.
type CountDatesInput struct {
	Plan   daily.Plan `json:"plan"`
	Months []int32    `json:"months"`
}

// CountDates stages some months of the daily aggregates anew.
func (a *Daily) CountDates(ctx context.Context, input CountDatesInput) (daily.CountedDates, error) {
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	counted, err := daily.CountDates(ctx, metered(ctx, a.Lake), input.Plan, input.Months, done.Store)
	return counted, temporalError(ctx, err)
}

// CommitDailyInput is a refresh that is ready.
type CommitDailyInput struct {
	Plan    daily.Plan           `json:"plan"`
	Counted []daily.CountedDates `json:"counted"`
}

// CommitDaily makes a refresh visible, and publishes the numbers of days and months that it ended.
func (a *Daily) CommitDaily(ctx context.Context, input CommitDailyInput) (daily.Committed, error) {
	if a.Without || a.WithoutEvents {
		return daily.Committed{}, nil
	}
	defer keepAlive(ctx, nil)()
	commit, err := daily.CommitDaily(ctx, metered(ctx, a.Lake), input.Plan, input.Counted)
	if err != nil {
		return commit, temporalError(ctx, err)
	}
	_, err = published.Publish(ctx, metered(ctx, a.Lake), published.Options{Now: time.Now(), TagAge: a.MonthTags})
	return commit, temporalError(ctx, err)
}

// DropDaily removes what a refresh staged.
func (a *Daily) DropDaily(ctx context.Context, plan daily.Plan) error {
	if plan.Ref == "" {
		return nil
	}
	return temporalError(ctx, daily.DropDaily(ctx, metered(ctx, a.Lake), plan))
}

package activities

import (
	"context"
	"fmt"
	"sync/atomic"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
)

// The gold writer as hours know it.
const (
	// GoldWorkflowID: gold has one writer at a time, so its workflow has one id.
	GoldWorkflowID = "gold"
	// GoldWorkflow is the name of the workflow type.
	GoldWorkflow = "GoldWriter"
	// GoldSignal carries a GoldRequest to the writer.
	GoldSignal = "request"
)

// Gold holds the steps that let gold.users follow silver.
type Gold struct {
	Lake *lake.Lake
}

// GoldRequest asks the gold writer to make a run of an hour visible, and tells whom to answer.
type GoldRequest struct {
	Run lake.Run `json:"run"` // by which the answer is known
	// Runs are those to be made visible, together, where they are not just Run.
	Runs []lake.Run `json:"runs,omitempty"`
	// Again are users to be made anew.
	Again      *gold.Remake `json:"again,omitempty"`
	WorkflowID string       `json:"workflow_id"`
}

// Shown are the runs to be made visible.
func (r GoldRequest) Shown() []lake.Run {
	if r.Runs == nil && r.Again == nil {
		return []lake.Run{r.Run}
	}
	return r.Runs
}

// RequestGold signals the gold writer, and starts it where it does not run. Asking twice does no harm.
func (a *Gold) RequestGold(ctx context.Context, request GoldRequest) error {
	info := activity.GetInfo(ctx)
	request.WorkflowID = info.WorkflowExecution.ID
	id := IDIn(info.TaskQueue, GoldWorkflowID)
	_, err := activity.GetClient(ctx).SignalWithStartWorkflow(ctx, id, GoldSignal, request,
		client.StartWorkflowOptions{
			ID:                    id,
			TaskQueue:             info.TaskQueue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         "keeps gold.users up to date",
		}, GoldWorkflow, struct{}{})
	if err != nil {
		return fmt.Errorf("ask the gold writer for hour %s: %w", request.Run.Hour, err)
	}
	return nil
}

// roundOf names a round: one attempt of one plan. An attempt that was given up but still lives can't touch the next
// one's.
func roundOf(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("%s-%s-%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt)
}

// PlanInput begins a round.
type PlanInput struct {
	// Again are users to be made anew, whether or not silver changed.
	Again gold.Remake `json:"again,omitzero"`
	// UpTo are the runs with which the round ends, though silver may have more; all that silver has where it is empty.
	UpTo []lake.Run `json:"up_to,omitempty"`
}

// PlanUsers begins a round: it finds out which users follow from what changed in silver.
func (a *Gold) PlanUsers(ctx context.Context, input PlanInput) (gold.Plan, error) {
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	plan, err := gold.PlanUsers(ctx, metered(ctx, a.Lake), roundOf(ctx),
		gold.Scope{Remake: input.Again, UpTo: input.UpTo},
		done.Store)
	return plan, temporalError(ctx, err)
}

// MergeInput names the buckets that one activity merges.
type MergeInput struct {
	Plan    gold.Plan `json:"plan"`
	Buckets []int     `json:"buckets"`
}

// MergeUsers stages some buckets of gold.users anew, save the users who need all their sightings again.
func (a *Gold) MergeUsers(ctx context.Context, input MergeInput) (gold.Merged, error) {
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	merged, err := gold.MergeUsers(ctx, metered(ctx, a.Lake), input.Plan, input.Buckets, done.Store)
	return merged, temporalError(ctx, err)
}

// RebuildInput is what the merges of a round left over.
type RebuildInput struct {
	Plan   gold.Plan     `json:"plan"`
	Merged []gold.Merged `json:"merged"`
}

// RebuildUsers recomputes the late users from all their sightings.
func (a *Gold) RebuildUsers(ctx context.Context, input RebuildInput) (gold.Merged, error) {
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return rows{done.Load()} })()
	rebuilt, err := gold.RebuildUsers(ctx, metered(ctx, a.Lake), input.Plan, input.Merged, done.Store)
	return rebuilt, temporalError(ctx, err)
}

// CommitUsersInput is a round that is ready, and the runs that wait for it.
type CommitUsersInput struct {
	Plan   gold.Plan     `json:"plan"`
	Merged []gold.Merged `json:"merged"`
	Runs   []lake.Run    `json:"runs"`
}

// CommitUsers makes the round visible, with a tag for each hour.
func (a *Gold) CommitUsers(ctx context.Context, input CommitUsersInput) (gold.Committed, error) {
	defer keepAlive(ctx, nil)()
	commit, err := gold.CommitUsers(ctx, metered(ctx, a.Lake), input.Plan, input.Merged, input.Runs)
	if err != nil {
		return gold.Committed{}, temporalError(ctx, err)
	}
	activity.GetLogger(ctx).Info("gold committed", "snapshot", commit.SnapshotID, "tags", commit.Tags,
		"users", commit.Users)
	return commit, nil
}

// DropRound removes what a round staged.
func (a *Gold) DropRound(ctx context.Context, plan gold.Plan) error {
	return temporalError(ctx, gold.DropRound(ctx, metered(ctx, a.Lake), plan))
}

package activities

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
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
	// Ends are hours, exclusive and in order, at each of which Runs are divided: those before it get a commit of
	// their own.
	Ends []telemetry.Hour `json:"ends,omitempty"`
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

// Parts are the runs that get a commit each, in order.
func (r GoldRequest) Parts() (parts [][]lake.Run) {
	rest := slices.Clone(r.Shown())
	for _, end := range append(slices.Clone(r.Ends), math.MaxInt64) {
		var part, later []lake.Run
		for _, run := range rest {
			if run.Hour < end {
				part = append(part, run)
			} else {
				later = append(later, run)
			}
		}
		if rest = later; len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
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
	if plan.Why != "" {
		activity.GetLogger(ctx).Warn("gold.users is made anew from silver: another program changed it, or "+
			"something that it "+
			"was made from can't be read", "because", plan.Why)
	}
	return plan, temporalError(ctx, err)
}

// ShowInput are runs to be shown: each part in a commit of its own, in order.
type ShowInput struct {
	Parts [][]lake.Run `json:"parts"`
}

// ShownUsers are the commits of the first parts of a ShowInput.
type ShownUsers struct {
	Parts []gold.Committed `json:"parts,omitempty"`
	// HalfCommitted is why the last of them could not show everything, as in gold.Plan.
	HalfCommitted []string `json:"half_committed,omitempty"`
	// Next is the plan of the part after these, where it is for several workers: it is to be merged, and committed.
	Next *gold.Plan `json:"next,omitempty"`
}

// ShowUsers does what PlanUsers, MergeUsers, RebuildUsers and CommitUsers do, for one part after the other, as long
// as they are small: the steps of a small round cost more than its work. It may end early, after some parts.
func (a *Gold) ShowUsers(ctx context.Context, input ShowInput) (shown ShownUsers, err error) {
	defer keepAlive(ctx, nil)()
	info := activity.GetInfo(ctx)
	for i, runs := range input.Parts {
		// An earlier attempt may have committed the part.
		part := fmt.Sprintf("%s-%s.%d-", info.WorkflowExecution.RunID, info.ActivityID, i)
		commit, done, err := gold.CommittedBefore(ctx, metered(ctx, a.Lake), part, runs)
		if err == nil && !done {
			commit, err = a.showPart(ctx, fmt.Sprint(part, info.Attempt), runs, &shown)
		}
		if errors.Is(err, lake.ErrConflict) && i > 0 {
			return shown, nil
		}
		if err != nil || shown.Next != nil {
			return shown, temporalError(ctx, err)
		}
		shown.Parts = append(shown.Parts, commit)
		// What has no snapshot of its own would not be found by another attempt once the next part has one.
		if len(commit.Waiting) > 0 || !commit.New {
			break
		}
	}
	return shown, nil
}

// showPart plans, merges and commits a part, unless its plan is to be handed on.
func (a *Gold) showPart(ctx context.Context, round string, runs []lake.Run,
	shown *ShownUsers) (commit gold.Committed, err error) {
	plan, err := gold.PlanUsers(ctx, metered(ctx, a.Lake), round, gold.Scope{UpTo: runs}, func(int64) {})
	if err != nil {
		return commit, err
	}
	shown.HalfCommitted = plan.HalfCommitted
	if len(plan.Groups) > 1 {
		shown.Next = &plan
		return commit, nil
	}
	defer func() {
		if dropped := gold.DropRound(ctx, metered(ctx, a.Lake), plan); dropped != nil {
			activity.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "plan", plan.Ref, "error",
				dropped)
		}
	}()
	var merged []gold.Merged
	for _, group := range plan.Groups {
		one, err := gold.MergeUsers(ctx, metered(ctx, a.Lake), plan, group, func(int64) {})
		if err != nil {
			return commit, err
		}
		merged = append(merged, one)
		if one.Late > 0 {
			if one, err = gold.RebuildUsers(ctx, metered(ctx, a.Lake), plan, merged, func(int64) {}); err != nil {
				return commit, err
			}
			merged = append(merged, one)
		}
	}
	return gold.CommitUsers(ctx, metered(ctx, a.Lake), plan, merged, runs)
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

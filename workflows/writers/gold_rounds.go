package writers

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/workflows"
)

// batch are the requests that come next, the first ones that wait, as many as one commit shows. One that shows more by
// itself is a batch, too.
func (w *goldWriter) batch(ctx workflow.Context) []activities.GoldRequest {
	w.inOrder = workflow.GetVersion(ctx, "gold in the order of hours", workflow.DefaultVersion, 1) == 1
	if w.inOrder {
		slices.SortStableFunc(w.waiting,
			func(a, b activities.GoldRequest) int { return cmp.Compare(dayOf(a), dayOf(b)) })
	}
	runs := 0
	for i, request := range w.waiting {
		runs += len(request.Shown())
		alone := request.Ends != nil || w.waiting[0].Ends != nil // it is divided by itself
		if i > 0 && (alone || runs > goldBatch || w.inOrder && dayOf(request) != dayOf(w.waiting[0])) {
			return w.waiting[:i]
		}
	}
	return w.waiting
}

// dayOf is the day at whose end gold commits what was asked for, in days since 1970: that of its last hour. Users who
// are made anew come before all days.
func dayOf(request activities.GoldRequest) int64 {
	if request.Again != nil {
		return math.MinInt64
	}
	last := request.Run.Hour
	for _, run := range request.Runs {
		last = max(last, run.Hour)
	}
	return last.Start().Unix() / (24 * 60 * 60)
}

// commit plans, merges and commits once.
func (w *goldWriter) commit(ctx workflow.Context,
	batch []activities.GoldRequest) (plan gold.Plan, commit gold.Committed, err error) {
	w.progress.Rounds++
	var runs []lake.Run
	var plans activities.PlanInput
	for _, request := range batch {
		runs = append(runs, request.Shown()...)
		if again := request.Again; again != nil {
			plans.Again.All = plans.Again.All || again.All
			plans.Again.Hours = append(plans.Again.Hours, again.Hours...)
		}
	}
	plans.Again.All = plans.Again.All || w.anew
	if w.inOrder && batch[0].Again == nil && !w.anew {
		plans.UpTo = runs
	}
	w.status(ctx, "planning")
	planning := planUsers.With(ctx, "find the users who changed, for "+hoursOf(batch))
	if err := workflow.ExecuteActivity(planning, w.steps.PlanUsers, plans).Get(ctx, &plan); err != nil {
		return plan, commit, err
	}
	merged, err := w.merge(ctx, plan)
	if err != nil {
		return plan, commit, err
	}
	commit, err = w.commitPlan(ctx, activities.CommitUsersInput{Plan: plan, Merged: merged, Runs: runs}, hoursOf(batch))
	return plan, commit, err
}

func (w *goldWriter) commitPlan(ctx workflow.Context, input activities.CommitUsersInput,
	hours string) (commit gold.Committed, err error) {
	w.status(ctx, "committing")
	committing := commitUsers.With(ctx, "commit and tag "+hours)
	err = workflow.ExecuteActivity(committing, w.steps.CommitUsers, input).Get(ctx, &commit)
	return commit, err
}

// showParts shows the parts of a request, as many of them as come in one round: small ones in one step.
func (w *goldWriter) showParts(ctx workflow.Context, request *activities.GoldRequest) error {
	parts := request.Parts()
	w.progress.Rounds++
	hours := hoursOf([]activities.GoldRequest{*request})
	w.status(ctx, "finding and showing the users who changed")
	showing := planUsers.With(ctx, "show the users who changed, for "+hours)
	var shown activities.ShownUsers
	err := workflow.ExecuteActivity(showing, w.steps.ShowUsers, activities.ShowInput{Parts: parts}).Get(ctx, &shown)
	if err == nil && shown.Next != nil {
		err = w.showNext(ctx, &shown, parts[len(shown.Parts)], hours)
	}
	if workflows.IsType(err, activities.ErrorConflict) {
		err = nil // what was shown before it counts; the others are planned again on what is there now
	}
	if err != nil || len(shown.Parts) == 0 {
		return cmp.Or(err, ctx.Err())
	}
	last := shown.Parts[len(shown.Parts)-1]
	w.progress.Users, w.progress.Last = last.Users, last.SnapshotID
	request.Runs = slices.Concat(append([][]lake.Run{last.Waiting}, parts[len(shown.Parts):]...)...)
	if len(request.Runs) == 0 {
		done := *request
		w.waiting = slices.DeleteFunc(w.waiting, func(r activities.GoldRequest) bool {
			return r.Run == done.Run && r.WorkflowID == done.WorkflowID
		})
		answer := GoldAnswer{Run: done.Run, SnapshotID: last.SnapshotID, Tags: tagsFor(done.Run, last.Tags),
			Users: last.Users}
		w.keep(answer)
		w.tell(ctx, []activities.GoldRequest{done}, []GoldAnswer{answer})
	}
	w.askDaily(ctx)
	return w.holdUp(ctx, last.Waiting, shown.HalfCommitted)
}

// showNext merges and commits a part that is for several workers.
func (w *goldWriter) showNext(ctx workflow.Context, shown *activities.ShownUsers, runs []lake.Run, hours string) error {
	plan := *shown.Next
	merged, err := w.merge(ctx, plan)
	if err == nil {
		var commit gold.Committed
		commit, err = w.commitPlan(ctx, activities.CommitUsersInput{Plan: plan, Merged: merged, Runs: runs}, hours)
		if err == nil {
			shown.Parts = append(shown.Parts, commit)
		}
	}
	if dropped := w.drop(ctx, plan); err == nil {
		err = dropped
	}
	return err
}

// merge brings the buckets of the plan up to date, and then the users whose past changed.
func (w *goldWriter) merge(ctx workflow.Context, plan gold.Plan) ([]gold.Merged, error) {
	groups := len(plan.Groups)
	done := 0
	w.status(ctx, fmt.Sprintf("merging %d groups of buckets", groups))
	mergeGroup := func(ctx workflow.Context, i int) (result gold.Merged, err error) {
		ctx = mergeUsers.With(ctx, fmt.Sprintf("merge users, group %d of %d", i+1, groups))
		input := activities.MergeInput{Plan: plan, Buckets: plan.Groups[i]}
		if err := workflow.ExecuteActivity(ctx, w.steps.MergeUsers, input).Get(ctx, &result); err != nil {
			return result, err
		}
		done++
		w.status(ctx, fmt.Sprintf("merged %d of %d groups of buckets", done, groups))
		return result, nil
	}
	merged, err := workflows.FanOut(ctx, groups, goldParallel, mergeGroup)
	if err != nil {
		return nil, err
	}
	late := int64(0)
	for _, each := range merged {
		late += each.Late
	}
	if late == 0 {
		return merged, nil
	}
	w.status(ctx, fmt.Sprintf("rebuilding %d users", late))
	var rebuilt gold.Merged
	ctx = rebuildUsers.With(ctx, fmt.Sprintf("rebuild %d users whose past changed", late))
	input := activities.RebuildInput{Plan: plan, Merged: merged}
	if err := workflow.ExecuteActivity(ctx, w.steps.RebuildUsers, input).Get(ctx, &rebuilt); err != nil {
		return nil, err
	}
	return append(merged, rebuilt), nil
}

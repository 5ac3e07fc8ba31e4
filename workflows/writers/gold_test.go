package writers_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/workflowstest"
	"github.com/versionlake/versionlake/workflows/writers"
)

const someHour = workflowstest.SomeHour

var (
	goldSteps  = workflowstest.GoldSteps
	dailySteps = workflowstest.DailySteps
	run        = workflowstest.Run
)

func request(hour telemetry.Hour) activities.GoldRequest {
	return activities.GoldRequest{Run: run(hour), WorkflowID: "hour-" + hour.String()}
}

// listen records what the gold writer answers. Whether it asks for the daily aggregates is not of interest.
func listen(env *testsuite.TestWorkflowEnvironment) *[]writers.GoldAnswer {
	var answers []writers.GoldAnswer
	env.OnActivity(dailySteps.RequestDaily, mock.Anything).Return(nil).Maybe()
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, "", "gold", mock.Anything).Return(
		func(_, _, _, _ string, argument any) error {
			answers = append(answers, argument.(writers.GoldAnswer))
			return nil
		}).Maybe()
	return &answers
}

func TestGoldPlansAgainAfterAConflict(t *testing.T) {
	env := workflowstest.Environment(t)
	answers := listen(env)
	env.OnActivity(goldSteps.PlanUsers, mock.Anything,
		mock.Anything).Return(gold.Plan{Ref: "plan", Groups: [][]int{{0, 1}, {2}}}, nil).Twice()
	env.OnActivity(goldSteps.MergeUsers, mock.Anything, mock.Anything).Return(gold.Merged{Ref: "merged", Late: 1},
		nil).Times(4)
	env.OnActivity(goldSteps.RebuildUsers, mock.Anything, mock.Anything).Return(gold.Merged{Ref: "rebuilt"},
		nil).Twice()
	env.OnActivity(goldSteps.CommitUsers, mock.Anything, mock.Anything).Return(gold.Committed{},
		temporal.NewNonRetryableApplicationError("gold moved", activities.ErrorConflict, nil)).Once()
	env.OnActivity(goldSteps.CommitUsers, mock.Anything, mock.MatchedBy(func(input activities.CommitUsersInput) bool {
		return len(input.Merged) == 3 && len(input.Runs) == 1
	})).Return(gold.Committed{SnapshotID: 9, Tags: []string{"hour-" + someHour.String() + ".2", "hour-1970-01-01T00"}},
		nil).Once()
	env.OnActivity(goldSteps.DropRound, mock.Anything, mock.Anything).Return(nil).Twice()
	env.ExecuteWorkflow(writers.GoldWriter, writers.GoldInput{Waiting: []activities.GoldRequest{request(someHour)}})
	require.NoError(t, env.GetWorkflowError(), "it goes home when nobody asks")
	require.Equal(t, []writers.GoldAnswer{
		{Run: run(someHour), SnapshotID: 9, Tags: []string{"hour-" + someHour.String() + ".2"}}}, *answers)
}

func TestGoldKeepsHoursThatCannotBeShownYet(t *testing.T) {
	env := workflowstest.Environment(t)
	answers := listen(env)
	env.OnActivity(goldSteps.PlanUsers, mock.Anything, mock.Anything).Return(gold.Plan{}, nil)
	env.OnActivity(goldSteps.CommitUsers, mock.Anything,
		mock.Anything).Return(gold.Committed{SnapshotID: 1, Waiting: []lake.Run{run(someHour)}}, nil).Twice()
	env.OnActivity(goldSteps.CommitUsers, mock.Anything, mock.MatchedBy(func(input activities.CommitUsersInput) bool {
		return len(input.Runs) == 1
	})).Return(gold.Committed{SnapshotID: 2}, nil).Once()
	env.OnActivity(goldSteps.DropRound, mock.Anything, mock.Anything).Return(nil)
	// The same hour asks twice, and once more after it was answered.
	for _, after := range []time.Duration{0, time.Millisecond, time.Hour} {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.GoldSignal, request(someHour)) }, after)
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.GoldSignal, request(someHour+1)) }, 0)
	ended := 0
	env.SetOnTimerCanceledListener(func(string) { ended++ })
	env.ExecuteWorkflow(writers.GoldWriter, writers.GoldInput{})
	require.NoError(t, env.GetWorkflowError())
	require.Positive(t, ended, "a timer ends once somebody asks")
	require.Len(t, *answers, 3)
	require.Equal(t, run(someHour+1), (*answers)[0].Run)
	require.Equal(t, int64(1), (*answers)[0].SnapshotID)
	require.Equal(t, int64(2), (*answers)[1].SnapshotID)
	require.Equal(t, (*answers)[1], (*answers)[2], "who asks again gets the same answer")
}

func TestGoldContinuesAsNewWithoutLosingRequests(t *testing.T) {
	env := workflowstest.Environment(t)
	listen(env)
	rounds := 0
	env.OnActivity(goldSteps.PlanUsers, mock.Anything, mock.Anything).Return(gold.Plan{}, nil)
	env.OnActivity(goldSteps.CommitUsers, mock.Anything,
		mock.Anything).Return(func(_ context.Context, input activities.CommitUsersInput) (gold.Committed, error) {
		rounds++
		// There is always another hour that asks meanwhile.
		env.SignalWorkflow(activities.GoldSignal, request(someHour+telemetry.Hour(rounds)))
		return gold.Committed{SnapshotID: int64(rounds)}, nil
	})
	env.OnActivity(goldSteps.DropRound, mock.Anything, mock.Anything).Return(nil)
	env.ExecuteWorkflow(writers.GoldWriter, writers.GoldInput{Waiting: []activities.GoldRequest{request(someHour)}})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	require.Equal(t, 24, rounds)
	var next writers.GoldInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, []activities.GoldRequest{request(someHour + 24)}, next.Waiting)
}

// TestGoldShowsPartsInOrder: small parts in one step, a large one in the steps of a round, and what can't be shown yet
// is asked for again.
func TestGoldShowsPartsInOrder(t *testing.T) {
	env := workflowstest.Environment(t)
	answers := listen(env)
	parts := activities.GoldRequest{Run: lake.Run{Hour: someHour, ID: "range.1"}, WorkflowID: "range",
		Runs: []lake.Run{run(someHour), run(someHour + 30), run(someHour + 1), run(someHour + 60)},
		Ends: []telemetry.Hour{someHour + 24, someHour + 48, someHour + 72}}
	shows := func(parts ...[]lake.Run) any {
		return mock.MatchedBy(func(input activities.ShowInput) bool { return reflect.DeepEqual(input.Parts, parts) })
	}
	first, second := []lake.Run{run(someHour), run(someHour + 1)}, []lake.Run{run(someHour + 30)}
	third := []lake.Run{run(someHour + 60)}
	env.OnActivity(goldSteps.ShowUsers, mock.Anything, shows(first, second, third)).Return(activities.ShownUsers{
		Parts: []gold.Committed{{SnapshotID: 1}}, Next: &gold.Plan{Ref: "plan", Groups: [][]int{{0}, {1}}}}, nil).Once()
	env.OnActivity(goldSteps.MergeUsers, mock.Anything, mock.Anything).Return(gold.Merged{Ref: "merged"}, nil).Twice()
	env.OnActivity(goldSteps.CommitUsers, mock.Anything, mock.MatchedBy(func(input activities.CommitUsersInput) bool {
		return reflect.DeepEqual(input.Runs, second)
	})).Return(gold.Committed{SnapshotID: 2}, nil).Once()
	env.OnActivity(goldSteps.DropRound, mock.Anything, mock.Anything).Return(nil).Once()
	env.OnActivity(goldSteps.ShowUsers, mock.Anything, shows(third)).Return(activities.ShownUsers{
		Parts: []gold.Committed{{SnapshotID: 3, Waiting: third}}, HalfCommitted: []string{"an hour"}}, nil).Once()
	env.OnActivity(goldSteps.ShowUsers, mock.Anything, shows(third)).Return(activities.ShownUsers{},
		temporal.NewNonRetryableApplicationError("gold moved", activities.ErrorConflict, nil)).Once()
	env.OnActivity(goldSteps.ShowUsers, mock.Anything, shows(third)).Return(activities.ShownUsers{
		Parts: []gold.Committed{{SnapshotID: 4, Users: 5}}}, nil).Once()
	env.ExecuteWorkflow(writers.GoldWriter, writers.GoldInput{Waiting: []activities.GoldRequest{parts}})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []writers.GoldAnswer{{Run: parts.Run, SnapshotID: 4, Tags: []string{}, Users: 5}}, *answers)
}

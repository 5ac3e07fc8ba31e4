package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

// The faults here are those that real servers don't have on demand; the rest is tested with them, in package worker.

var (
	ingestSteps *activities.Ingest
	goldSteps   *activities.Gold
	dailySteps  *activities.Daily
)

func environment(t *testing.T) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	// of a second otherwise: too short on a busy machine
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivity(ingestSteps)
	env.RegisterActivity(goldSteps)
	env.RegisterActivity(dailySteps)
	env.OnActivity(dailySteps.RequestDaily, mock.Anything).Return(nil).Maybe()
	env.RegisterWorkflow(workflows.IngestHour)
	env.RegisterWorkflow(workflows.IngestHours)
	env.RegisterWorkflow(workflows.AwaitHour)
	t.Cleanup(func() { env.AssertExpectations(t) })
	return env
}

func run(hour telemetry.Hour) lake.Run { return lake.Run{Hour: hour, ID: fmt.Sprintf("run-%d", hour)} }

const someHour = telemetry.Hour(459_221) // 2022-05-22T05

func listing(hour telemetry.Hour, chunks int) activities.Listing {
	return activities.Listing{Run: run(hour), Plan: hours.Plan{Ref: "plan", Files: 1, Bytes: 100, Chunks: chunks}}
}

func sourceChanged() error {
	return temporal.NewNonRetryableApplicationError("the file changed", activities.ErrorSourceChanged, nil)
}

// answerGold lets the gold writer answer each request.
func answerGold(env *testsuite.TestWorkflowEnvironment, times int) {
	env.OnActivity(goldSteps.RequestGold, mock.Anything, mock.Anything).Return(nil).Times(times)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow("gold", workflows.GoldAnswer{Run: lake.Run{Hour: 1, ID: "another"}, SnapshotID: 6})
		env.SignalWorkflow("gold", workflows.GoldAnswer{Run: run(someHour), SnapshotID: 7})
	}, time.Duration(times)*10*time.Minute-time.Minute)
}

func TestHourIsListedAgainWhenItsFilesChange(t *testing.T) {
	env := environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything,
		activities.ListInput{Hour: someHour, Listing: 1}).Return(listing(someHour, 3), nil).Once()
	env.OnActivity(ingestSteps.ParseChunk, mock.Anything, mock.Anything).Return(hours.StagedChunk{},
		sourceChanged()).Once()
	env.OnActivity(ingestSteps.ListHour, mock.Anything,
		activities.ListInput{Hour: someHour, Listing: 2}).Return(activities.Listing{}, sourceChanged()).Once()
	env.OnActivity(ingestSteps.ListHour, mock.Anything,
		activities.ListInput{Hour: someHour, Listing: 3}).Return(listing(someHour, 1), nil).Once()
	env.OnActivity(ingestSteps.ParseChunk, mock.Anything,
		mock.Anything).Return(hours.StagedChunk{Ref: "chunk", SectionBytes: []int64{1}}, nil)
	env.OnActivity(ingestSteps.BuildSilver, mock.Anything, mock.Anything).Return(hours.StagedSilver{Ref: "silver"},
		nil).Once()
	env.OnActivity(ingestSteps.CommitHour, mock.Anything, mock.MatchedBy(func(input activities.CommitInput) bool {
		return len(input.Chunks) == 1 && input.Chunks[0].SectionBytes == nil && len(input.Silver) == 1
	})).Return(ledger.Hour{Hour: someHour, State: ledger.HourComplete}, nil).Once()
	env.OnActivity(ingestSteps.DropStaging, mock.Anything, run(someHour)).Return(nil).Twice()
	answerGold(env, 1)
	env.ExecuteWorkflow(workflows.IngestHour, workflows.IngestInput{Hour: someHour.String()})
	require.NoError(t, env.GetWorkflowError())
	var result workflows.IngestResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, int64(7), result.Gold.SnapshotID, "the answer for another run does not count")
}

func TestHourThatNeverStandsStillFails(t *testing.T) {
	env := environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(activities.Listing{},
		sourceChanged()).Times(10)
	env.ExecuteWorkflow(workflows.IngestHour, workflows.IngestInput{Hour: someHour.String()})
	require.ErrorContains(t, env.GetWorkflowError(), "ingest the hour again once its writer is done")
}

func TestHourAsksGoldAgain(t *testing.T) {
	env := environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(listing(someHour, 0), nil)
	env.OnActivity(ingestSteps.CommitHour, mock.Anything,
		mock.Anything).Return(ledger.Hour{State: ledger.HourEmpty}, nil)
	env.OnActivity(ingestSteps.DropStaging, mock.Anything,
		mock.Anything).Return(errors.New("the disk is gone")).Times(3)
	answerGold(env, 3)
	env.ExecuteWorkflow(workflows.IngestHour, workflows.IngestInput{Hour: someHour.String()})
	require.NoError(t, env.GetWorkflowError(), "what can't be removed does not fail the hour")
}

// TestCancelledHourFinishesItsCommit: gold must not wait for half an hour.
func TestCancelledHourFinishesItsCommit(t *testing.T) {
	env := environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(listing(someHour, 0), nil)
	env.OnActivity(ingestSteps.CommitHour, mock.Anything, mock.Anything).Return(ledger.Hour{State: ledger.HourEmpty},
		nil).After(time.Minute).Once()
	env.OnActivity(goldSteps.RequestGold, mock.Anything, mock.Anything).Return(nil).Once()
	env.OnActivity(ingestSteps.DropStaging, mock.Anything, mock.Anything).Return(nil).Once()
	env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Second)
	env.ExecuteWorkflow(workflows.IngestHour, workflows.IngestInput{Hour: someHour.String()})
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
}

func request(hour telemetry.Hour) activities.GoldRequest {
	return activities.GoldRequest{Run: run(hour), WorkflowID: "hour-" + hour.String()}
}

// listen records what the gold writer answers.
func listen(env *testsuite.TestWorkflowEnvironment) *[]workflows.GoldAnswer {
	var answers []workflows.GoldAnswer
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, "", "gold", mock.Anything).Return(
		func(_, _, _, _ string, argument any) error {
			answers = append(answers, argument.(workflows.GoldAnswer))
			return nil
		}).Maybe()
	return &answers
}

func TestGoldPlansAgainAfterAConflict(t *testing.T) {
	env := environment(t)
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
	env.ExecuteWorkflow(workflows.GoldWriter, workflows.GoldInput{Waiting: []activities.GoldRequest{request(someHour)}})
	require.NoError(t, env.GetWorkflowError(), "it goes home when nobody asks")
	require.Equal(t, []workflows.GoldAnswer{
		{Run: run(someHour), SnapshotID: 9, Tags: []string{"hour-" + someHour.String() + ".2"}}}, *answers)
}

func TestGoldKeepsHoursThatCannotBeShownYet(t *testing.T) {
	env := environment(t)
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
	env.ExecuteWorkflow(workflows.GoldWriter, workflows.GoldInput{})
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, *answers, 3)
	require.Equal(t, run(someHour+1), (*answers)[0].Run)
	require.Equal(t, int64(1), (*answers)[0].SnapshotID)
	require.Equal(t, int64(2), (*answers)[1].SnapshotID)
	require.Equal(t, (*answers)[1], (*answers)[2], "who asks again gets the same answer")
}

func TestGoldContinuesAsNewWithoutLosingRequests(t *testing.T) {
	env := environment(t)
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
	env.ExecuteWorkflow(workflows.GoldWriter, workflows.GoldInput{Waiting: []activities.GoldRequest{request(someHour)}})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	require.Equal(t, 100, rounds)
	var next workflows.GoldInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, []activities.GoldRequest{request(someHour + 100)}, next.Waiting)
}

// surveyAll finds files in every hour, and lets gold answer each request at once.
func surveyAll(env *testsuite.TestWorkflowEnvironment) {
	env.OnActivity(ingestSteps.SurveyHours, mock.Anything,
		mock.Anything).Return(func(_ context.Context, input activities.SurveyInput) (activities.Survey, error) {
		survey := activities.Survey{Until: min(input.To, input.From+telemetry.Hour(input.Limit))}
		for hour := input.From; hour < survey.Until; hour++ {
			survey.Hours = append(survey.Hours, hour)
		}
		return survey, nil
	})
	env.OnActivity(goldSteps.RequestGold, mock.Anything,
		mock.Anything).Return(func(_ context.Context, request activities.GoldRequest) error {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow("gold", workflows.GoldAnswer{Run: request.Run, SnapshotID: 7})
		}, time.Second)
		return nil
	})
}

// leaveAll leaves all hours to be ingested one by one.
func leaveAll(env *testsuite.TestWorkflowEnvironment) {
	env.OnWorkflow(workflows.IngestHours, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input workflows.HoursInput) (result activities.CommittedHours,
		err error) {
		for _, text := range input.Hours {
			hour, err := telemetry.ParseHour(text)
			if err != nil {
				return result, err
			}
			result.Left = append(result.Left, activities.LeftHour{Hour: hour, Why: "too large"})
		}
		return result, nil
	}).Maybe()
}

func hourDone(input workflows.IngestInput, state string) workflows.IngestResult {
	hour, _ := telemetry.ParseHour(input.Hour)
	return workflows.IngestResult{Hour: ledger.Hour{Hour: hour, RunID: "run-" + input.Hour, State: state}}
}

func TestRangeGoesOnAfterFailuresAndNamesThem(t *testing.T) {
	env := environment(t)
	surveyAll(env)
	leaveAll(env)
	env.OnWorkflow(workflows.IngestHour, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input workflows.IngestInput) (workflows.IngestResult, error) {
		if input.Hour == (someHour + 2).String() {
			return workflows.IngestResult{}, temporal.NewNonRetryableApplicationError("the settings are wrong",
				activities.ErrorSettings, nil)
		}
		return hourDone(input, ledger.HourComplete), nil
	}).Times(5)
	env.ExecuteWorkflow(workflows.ReprocessRange,
		workflows.ReprocessInput{From: someHour.String(), To: (someHour + 5).String(), Parallel: 2})
	require.ErrorContains(t, env.GetWorkflowError(), "1 of 5 hours failed")
	require.ErrorContains(t, env.GetWorkflowError(), (someHour+2).String()+": the settings are wrong")
}

// TestRangeAsksGoldForManyHoursTogether: those that were done before, too, since nobody may have asked for them.
func TestRangeAsksGoldForManyHoursTogether(t *testing.T) {
	env := environment(t)
	env.OnActivity(ingestSteps.SurveyHours, mock.Anything, mock.Anything).Return(activities.Survey{
		Until: someHour + 9, Empty: 6, Hours: []telemetry.Hour{someHour, someHour + 3},
		Done: []lake.Run{run(someHour + 1)},
	}, nil).Once()
	env.OnWorkflow(workflows.IngestHour, mock.Anything,
		mock.MatchedBy(func(input workflows.IngestInput) bool { return input.LeaveGold })).
		Return(func(_ workflow.Context, input workflows.IngestInput) (workflows.IngestResult, error) {
			return hourDone(input, ledger.HourComplete), nil
		}).Twice()
	var asked []activities.GoldRequest
	env.OnActivity(goldSteps.RequestGold, mock.Anything,
		mock.Anything).Return(func(_ context.Context, request activities.GoldRequest) error {
		asked = append(asked, request)
		if len(asked) == 2 { // the first answer gets lost
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow("gold", workflows.GoldAnswer{Run: request.Run, SnapshotID: 7})
			}, time.Second)
		}
		return nil
	}).Twice()
	since := time.Date(2022, 6, 1, 0, 0, 0, 0, time.UTC)
	env.ExecuteWorkflow(workflows.ReprocessRange,
		workflows.ReprocessInput{From: someHour.String(), To: (someHour + 9).String(), Since: since})
	require.NoError(t, env.GetWorkflowError())
	var result workflows.HoursProgress
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, workflows.HoursProgress{Hours: 9, Done: 9, Ran: 2, Empty: 6, Before: 1}, result)
	require.Len(t, asked[0].Shown(), 3)
	require.Equal(t, asked[0], asked[1])
}

func TestRangeContinuesAsNew(t *testing.T) {
	env := environment(t)
	surveyAll(env)
	leaveAll(env)
	running, most := 0, 0
	env.OnWorkflow(workflows.IngestHour, mock.Anything,
		mock.Anything).Return(func(ctx workflow.Context, input workflows.IngestInput) (workflows.IngestResult, error) {
		running++
		most = max(most, running)
		err := workflow.Sleep(ctx, time.Minute)
		running--
		return hourDone(input, ledger.HourComplete), err
	})
	input := workflows.ReprocessInput{From: someHour.String(), To: (someHour + 500).String(), Parallel: 7}
	env.ExecuteWorkflow(workflows.ReprocessRange, input)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	var next workflows.ReprocessInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, (someHour + 200).String(), next.Next)
	require.Equal(t, 200, next.Progress.Done)
	require.Zero(t, next.Progress.Gold)
	require.Equal(t, input.To, next.To)
	require.Equal(t, 7, most)
	require.Zero(t, running)
}

func TestScheduledHourIsTheOneOfItsNominalTime(t *testing.T) {
	scheduled := temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")
	base := time.Date(2022, 5, 27, 5, 30, 0, 0, time.UTC)
	for _, test := range []struct {
		name         string
		nominal, now time.Time
		delay        string
		ingested     string // at once
		awaited      string // by another workflow
	}{
		{"on time", base, base, "", "", "2022-05-27T05"},
		{"backfill", base, base.AddDate(1, 0, 0), "", "2022-05-27T05", ""},
		{"just due", base, base.Add(40 * time.Minute), "", "2022-05-27T05", ""},
		{"just not due", base, base.Add(40*time.Minute - time.Second), "", "", "2022-05-27T05"},
		{"long delay", base, base.Add(3 * time.Hour), "4h", "", "2022-05-27T05"},
		{"by hand, before the delay", base.Add(34 * time.Minute), base.Add(34 * time.Minute), "", "2022-05-27T04", ""},
		{"by hand, after it", base.Add(45 * time.Minute), base.Add(45 * time.Minute), "", "2022-05-27T05", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := environment(t)
			env.SetStartTime(test.now)
			require.NoError(t,
				env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduled.ValueSet(test.nominal))))
			if test.ingested != "" {
				env.OnWorkflow(workflows.IngestHour, mock.Anything,
					workflows.IngestInput{Hour: test.ingested}).Return(workflows.IngestResult{}, nil).Once()
			}
			if test.awaited != "" {
				env.OnWorkflow(workflows.AwaitHour, mock.Anything,
					mock.MatchedBy(func(input workflows.AwaitInput) bool {
						return input.Hour == test.awaited
					})).Return(workflows.IngestResult{}, nil).Once()
			}
			env.ExecuteWorkflow(workflows.ScheduledHour, workflows.ScheduledInput{Delay: test.delay})
			require.NoError(t, env.GetWorkflowError())
		})
	}
}

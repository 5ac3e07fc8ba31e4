package ranges_test

import (
	"context"
	"slices"
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
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
	"github.com/versionlake/versionlake/workflows/workflowstest"
	"github.com/versionlake/versionlake/workflows/writers"
)

const someHour = workflowstest.SomeHour

var (
	ingestSteps = workflowstest.IngestSteps
	goldSteps   = workflowstest.GoldSteps
	run         = workflowstest.Run
)

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
			env.SignalWorkflow("gold", writers.GoldAnswer{Run: request.Run, SnapshotID: 7})
		}, time.Second)
		return nil
	})
}

// leaveAll leaves all hours to be ingested one by one.
func leaveAll(env *testsuite.TestWorkflowEnvironment) {
	env.OnWorkflow(ingest.IngestHours, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input ingest.HoursInput) (result activities.CommittedHours,
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

func hourDone(input ingest.HourInput, state string) ingest.HourResult {
	hour, _ := telemetry.ParseHour(input.Hour)
	return ingest.HourResult{Hour: ledger.Hour{Hour: hour, RunID: "run-" + input.Hour, State: state}}
}

func TestRangeGoesOnAfterFailuresAndNamesThem(t *testing.T) {
	env := workflowstest.Environment(t)
	surveyAll(env)
	leaveAll(env)
	env.OnWorkflow(ingest.IngestHour, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		if input.Hour == (someHour + 2).String() {
			return ingest.HourResult{}, temporal.NewNonRetryableApplicationError("the settings are wrong",
				activities.ErrorSettings, nil)
		}
		return hourDone(input, ledger.HourComplete), nil
	}).Times(5)
	env.ExecuteWorkflow(ranges.ReprocessRange,
		ranges.ReprocessInput{From: someHour.String(), To: (someHour + 5).String(), Parallel: 2})
	require.ErrorContains(t, env.GetWorkflowError(), "1 of 5 hours failed")
	require.ErrorContains(t, env.GetWorkflowError(), (someHour+2).String()+": the settings are wrong")
}

// TestRangeAsksGoldForManyHoursTogether: those that were done before, too, since nobody may have asked for them.
func TestRangeAsksGoldForManyHoursTogether(t *testing.T) {
	env := workflowstest.Environment(t)
	env.OnActivity(ingestSteps.SurveyHours, mock.Anything, mock.Anything).Return(activities.Survey{
		Until: someHour + 9, Empty: 6, Hours: []telemetry.Hour{someHour, someHour + 3},
		Done: []lake.Run{run(someHour + 1)},
	}, nil).Once()
	env.OnWorkflow(ingest.IngestHour, mock.Anything,
		mock.MatchedBy(func(input ingest.HourInput) bool { return input.LeaveGold })).
		Return(func(_ workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
			return hourDone(input, ledger.HourComplete), nil
		}).Twice()
	var asked []activities.GoldRequest
	env.OnActivity(goldSteps.RequestGold, mock.Anything,
		mock.Anything).Return(func(_ context.Context, request activities.GoldRequest) error {
		asked = append(asked, request)
		if len(asked) == 2 { // the first answer gets lost
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow("gold", writers.GoldAnswer{Run: request.Run, SnapshotID: 7})
			}, time.Second)
		}
		return nil
	}).Twice()
	since := time.Date(2022, 6, 1, 0, 0, 0, 0, time.UTC)
	env.ExecuteWorkflow(ranges.ReprocessRange,
		ranges.ReprocessInput{From: someHour.String(), To: (someHour + 9).String(), Since: since})
	require.NoError(t, env.GetWorkflowError())
	var result ranges.Progress
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, ranges.Progress{Hours: 9, Done: 9, Ran: 2, Empty: 6, Before: 1}, result)
	require.Len(t, asked[0].Shown(), 3)
	require.Equal(t, asked[0], asked[1])
}

func TestRangeContinuesAsNew(t *testing.T) {
	env := workflowstest.Environment(t)
	surveyAll(env)
	leaveAll(env)
	running, most := 0, 0
	env.OnWorkflow(ingest.IngestHour, mock.Anything,
		mock.Anything).Return(func(ctx workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		running++
		most = max(most, running)
		err := workflow.Sleep(ctx, time.Minute)
		running--
		return hourDone(input, ledger.HourComplete), err
	})
	input := ranges.ReprocessInput{From: someHour.String(), To: (someHour + 500).String(), Parallel: 7}
	env.ExecuteWorkflow(ranges.ReprocessRange, input)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	var next ranges.ReprocessInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, (someHour + 200).String(), next.Next)
	require.Equal(t, 200, next.Progress.Done)
	require.Zero(t, next.Progress.Gold)
	require.Equal(t, input.To, next.To)
	require.Equal(t, 7, most)
	require.Zero(t, running)
}

// TestRangeDividesItsHours: each hour runs once, together with others or, where that fails or leaves it out, alone.
func TestRangeDividesItsHours(t *testing.T) {
	env := workflowstest.Environment(t)
	surveyAll(env)
	var shares []int
	var alone []string
	env.OnWorkflow(ingest.IngestHours, mock.Anything,
		mock.MatchedBy(func(input ingest.HoursInput) bool { return input.LeaveGold })).
		Return(func(_ workflow.Context, input ingest.HoursInput) (result activities.CommittedHours, err error) {
			if shares = append(shares, len(input.Hours)); slices.Contains(input.Hours, someHour.String()) {
				return result, temporal.NewNonRetryableApplicationError("for some reason", "Any", nil)
			}
			result.RunID = input.Hours[0]
			for i, text := range input.Hours {
				hour, err := telemetry.ParseHour(text)
				if err != nil {
					return result, err
				}
				if i == 1 {
					result.Left = append(result.Left, activities.LeftHour{Hour: hour})
				} else {
					result.Hours = append(result.Hours, hour)
				}
			}
			result.Lines, result.Degraded = 10, 1
			return result, nil
		})
	env.OnWorkflow(ingest.IngestHour, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		alone = append(alone, input.Hour)
		return hourDone(input, ledger.HourComplete), nil
	})
	env.ExecuteWorkflow(ranges.ReprocessRange,
		ranges.ReprocessInput{From: someHour.String(), To: (someHour + 130).String(), Parallel: 2})
	require.NoError(t, env.GetWorkflowError())
	var result ranges.Progress
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, ranges.Progress{Hours: 130, Done: 130, Ran: 130, Degraded: 2, Lines: 20}, result)
	require.ElementsMatch(t, []int{44, 44, 42}, shares)
	require.Len(t, alone, 44+2)
}

package ranges_test

import (
	"context"
	"errors"
	"slices"
	"sync"
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

// surveyAll finds files in every hour, and lets gold answer each request at once. It gives what gold is asked for.
func surveyAll(env *testsuite.TestWorkflowEnvironment) *[][]lake.Run {
	var asked [][]lake.Run
	var mutex sync.Mutex // local activities run at the same time
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
		mutex.Lock()
		asked = append(asked, request.Parts()...)
		mutex.Unlock()
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow("gold", writers.GoldAnswer{Run: request.Run, SnapshotID: 7})
		}, time.Second)
		return nil
	})
	return &asked
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

// together is what becomes of hours that are run together: some are left, and those of the parts after them not
// touched.
func together(input ingest.HoursInput,
	leaves func(i int, hour telemetry.Hour) bool) (result activities.CommittedHours) {
	result.RunID = input.Hours[0]
	ends := append(slices.Clone(input.Ends), someHour+1e6)
	leftOf := len(ends) // the part of the first hour that is left
	for i, text := range input.Hours {
		hour, _ := telemetry.ParseHour(text)
		part := slices.IndexFunc(ends, func(end telemetry.Hour) bool { return hour < end })
		switch {
		case part > leftOf:
			result.Rest = append(result.Rest, hour)
		case leaves(i, hour):
			leftOf = part
			result.Left = append(result.Left, activities.LeftHour{Hour: hour})
		default:
			result.Hours = append(result.Hours, hour)
		}
	}
	return result
}

// play lets a workflow run in the place of the one of the name. The environment runs one workflow at a time, as a
// server does, where it calls mocks of several at the same time, and tells that they have started when they end.
func play(env *testsuite.TestWorkflowEnvironment, name string, story any) {
	env.RegisterWorkflowWithOptions(story,
		workflow.RegisterOptions{Name: name, DisableAlreadyRegisteredCheck: true})
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
	leaveAll(env)
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
	running, most := 0, 0
	play(env, "IngestHour", func(ctx workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		running++
		most = max(most, running)
		err := workflow.Sleep(ctx, time.Minute)
		running--
		return hourDone(input, ledger.HourComplete), err
	})
	leaveAll(env)
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
	play(env, "IngestHours",
		func(ctx workflow.Context, input ingest.HoursInput) (result activities.CommittedHours, err error) {
			require.True(t, input.LeaveGold)
			takeTurn(ctx, input.AwaitTurn)
			if shares = append(shares, len(input.Hours)); slices.Contains(input.Hours, someHour.String()) {
				return result, temporal.NewNonRetryableApplicationError("for some reason", "Any", nil)
			}
			result = together(input, func(i int, _ telemetry.Hour) bool { return i == 1 })
			result.Lines, result.Degraded = 10, 1
			return result, nil
		})
	play(env, "IngestHour", func(ctx workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		takeTurn(ctx, input.AwaitTurn)
		alone = append(alone, input.Hour)
		return hourDone(input, ledger.HourComplete), nil
	})
	env.ExecuteWorkflow(ranges.ReprocessRange,
		ranges.ReprocessInput{From: someHour.String(), To: (someHour + 130).String(), Parallel: 2})
	require.NoError(t, env.GetWorkflowError())
	var result ranges.Progress
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, ranges.Progress{Hours: 130, Done: 130, Ran: 130, Degraded: 2, Lines: 20}, result)
	require.Equal(t, []int{19 + 24 + 24 + 24, 24 + 15, 15}, shares, "those of days, and the last day again")
	require.Len(t, alone, 19+24+24+24+2)
}

func takeTurn(ctx workflow.Context, await bool) {
	if await {
		workflow.GetSignalChannel(ctx, "turn").Receive(ctx, nil)
	}
}

// TestRangeGoesInOrder: whatever is read at the same time, no hour is committed before one of an earlier part, and
// gold is asked for each part by itself: the days of the last 35, and what months have before them, or each hour.
func TestRangeGoesInOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		hours    telemetry.Hour
		hourTags bool
		parts    []int // hours
	}{
		{"days", 19 + 24 + 24 + 3, false, []int{19, 24, 24, 3}},
		{"hours", 5, true, []int{1, 1, 1, 1, 1}},
		// From the 22nd of May to before the 7th of July: the last 35 days begin with the 2nd of June.
		{"a month and days", 19 + 45*24, false, slices.Concat([]int{19 + 9*24, 24}, slices.Repeat([]int{24}, 35))},
	} {
		t.Run(c.name, func(t *testing.T) {
			var committed []telemetry.Hour
			var asked [][]lake.Run
			from, end := someHour, someHour+c.hours
			input := ranges.ReprocessInput{From: from.String(), To: end.String(), Parallel: 4, HourTags: c.hourTags}
			for { // until it does not continue as new
				env := workflowstest.Environment(t)
				gold := surveyAll(env)
				play(env, "IngestHours",
					func(ctx workflow.Context, input ingest.HoursInput) (result activities.CommittedHours, err error) {
						// The later ones are ready first.
						if err := workflow.Sleep(ctx, time.Hour/time.Duration(len(committed)+1)); err != nil {
							return result, err
						}
						takeTurn(ctx, input.AwaitTurn)
						result = together(input, func(_ int, hour telemetry.Hour) bool { return hour%40 == 3 })
						committed = append(committed, result.Hours...)
						return result, nil
					})
				play(env, "IngestHour", func(ctx workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
					takeTurn(ctx, input.AwaitTurn)
					hour, _ := telemetry.ParseHour(input.Hour)
					committed = append(committed, hour)
					return hourDone(input, ledger.HourComplete), nil
				})
				env.ExecuteWorkflow(ranges.ReprocessRange, input)
				asked = append(asked, *gold...)
				var again *workflow.ContinueAsNewError
				if !errors.As(env.GetWorkflowError(), &again) {
					require.NoError(t, env.GetWorkflowError())
					break
				}
				input = ranges.ReprocessInput{}
				require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &input))
			}
			require.Len(t, committed, int(c.hours))
			slices.SortFunc(asked, func(a, b []lake.Run) int { return int(a[0].Hour - b[0].Hour) })
			first := from
			for _, part := range c.parts {
				last := first + telemetry.Hour(part)
				inPart := func(hour telemetry.Hour) bool { return first <= hour && hour < last }
				for _, hour := range committed[:part] {
					require.True(t, inPart(hour), "%s is committed among those from %s to %s", hour, first, last)
				}
				// Where the range continues as new, it asks in the middle of a part.
				for shown := 0; shown < part; asked = asked[1:] {
					require.NotEmpty(t, asked)
					for _, run := range asked[0] {
						require.True(t, inPart(run.Hour), "%s is asked for among those from %s to %s", run.Hour,
							first, last)
					}
					shown += len(asked[0])
				}
				committed, first = committed[part:], last
			}
			require.Empty(t, asked)
		})
	}
}

// TestLargeHoursOverlap: what waits for its turn takes no room from hours of the day whose turn it is.
func TestLargeHoursOverlap(t *testing.T) {
	env := workflowstest.Environment(t)
	surveyAll(env)
	waited := false
	play(env, "IngestHours", func(ctx workflow.Context, input ingest.HoursInput) (activities.CommittedHours, error) {
		if input.AwaitTurn {
			waited = true
		}
		takeTurn(ctx, input.AwaitTurn)
		return together(input, func(_ int, hour telemetry.Hour) bool { return hour < someHour+6 }), nil
	})
	running, most := 0, 0
	play(env, "IngestHour", func(ctx workflow.Context, input ingest.HourInput) (ingest.HourResult, error) {
		takeTurn(ctx, input.AwaitTurn)
		running++
		most = max(most, running)
		err := workflow.Sleep(ctx, time.Minute)
		running--
		return hourDone(input, ledger.HourComplete), err
	})
	env.ExecuteWorkflow(ranges.ReprocessRange,
		ranges.ReprocessInput{From: someHour.String(), To: (someHour + 180).String(), Parallel: 2})
	require.NoError(t, env.GetWorkflowError())
	require.True(t, waited, "hours of later days are read meanwhile")
	require.Equal(t, 2, most)
}

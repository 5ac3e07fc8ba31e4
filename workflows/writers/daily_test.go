package writers_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/workflows/workflowstest"
	"github.com/versionlake/versionlake/workflows/writers"
)

// plans records when refreshes begin, in seconds since the start.
func plans(env *testsuite.TestWorkflowEnvironment) *[]int {
	var began []int
	start := env.Now()
	env.OnActivity(dailySteps.FollowEvents, mock.Anything).Return(events.Followed{}, nil)
	env.OnActivity(dailySteps.PlanDaily, mock.Anything).Return(func(context.Context) (daily.Plan, error) {
		began = append(began, int(env.Now().Sub(start).Seconds()))
		return daily.Plan{Ref: "plan", Groups: [][]int32{{628}, {629}}, Dates: 2, First: "2022-05-31",
			Last: "2022-06-01"}, nil
	})
	env.OnActivity(dailySteps.CountDates, mock.Anything, mock.Anything).Return(daily.CountedDates{Ref: "counted"}, nil)
	env.OnActivity(workflowstest.ChecksSteps.RequestChecks, mock.Anything).Return(nil)
	env.OnActivity(dailySteps.DropDaily, mock.Anything, mock.Anything).Return(nil)
	return &began
}

func ask(env *testsuite.TestWorkflowEnvironment, after time.Duration, request activities.DailyRequest) {
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.DailySignal, request) }, after)
}

func TestDailyWaitsForMoreHoursUnlessToldNotTo(t *testing.T) {
	for _, test := range []struct {
		name  string
		asked map[time.Duration]activities.DailyRequest
		began []int
	}{
		{"started by hand", nil, []int{0}},
		{"hours share a refresh", map[time.Duration]activities.DailyRequest{0: {}, 10 * time.Second: {},
			29 * time.Second: {}}, []int{30}},
		{"now", map[time.Duration]activities.DailyRequest{0: {}, 10 * time.Second: {Now: true}}, []int{10}},
		{"asked while it counts", map[time.Duration]activities.DailyRequest{0: {}, 40 * time.Second: {},
			50 * time.Second: {}}, []int{30, 120}},
		{"asked not to wait while it counts",
			map[time.Duration]activities.DailyRequest{0: {}, 40 * time.Second: {Now: true}}, []int{30, 90}},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := workflowstest.Environment(t)
			began := plans(env)
			env.OnActivity(dailySteps.CommitDaily, mock.Anything,
				mock.MatchedBy(func(input activities.CommitDailyInput) bool {
					return len(input.Counted) == 2
				})).Return(daily.Committed{Dates: 2, Versions: 7}, nil).After(time.Minute)
			for after, request := range test.asked {
				ask(env, after, request)
			}
			env.ExecuteWorkflow(writers.DailyWriter, writers.DailyInput{})
			require.NoError(t, env.GetWorkflowError())
			var commit daily.Committed
			require.NoError(t, env.GetWorkflowResult(&commit))
			require.Equal(t, int64(7), commit.Versions)
			require.Equal(t, test.began, *began)
		})
	}
}

func TestDailyPlansAgainAfterAConflict(t *testing.T) {
	env := workflowstest.Environment(t)
	began := plans(env)
	env.OnActivity(dailySteps.CommitDaily, mock.Anything, mock.Anything).Return(daily.Committed{},
		temporal.NewNonRetryableApplicationError("another refresh was first", activities.ErrorConflict, nil)).Once()
	env.OnActivity(dailySteps.CommitDaily, mock.Anything, mock.Anything).Return(daily.Committed{}, nil).Once()
	env.ExecuteWorkflow(writers.DailyWriter, writers.DailyInput{})
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, *began, 2)
}

package workflows_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

// TestHoursAreReadAgainWhenAUserIsForgotten, with all that the first reading found.
func TestHoursAreReadAgainWhenAUserIsForgotten(t *testing.T) {
	env := environment(t)
	staged := func(id string, left ...activities.LeftHour) activities.StagedHours {
		return activities.StagedHours{RunID: id, Hours: []hours.StagedHour{{Run: lake.Run{Hour: someHour, ID: id}}},
			Left: left}
	}
	reading := func(listing int) any {
		return mock.MatchedBy(func(input activities.HoursInput) bool {
			return input.Listing == listing &&
				len(input.Hours) == 2
		})
	}
	env.OnActivity(ingestSteps.StageHours, mock.Anything, reading(1)).Return(staged("first"), nil).Once()
	env.OnActivity(ingestSteps.CommitHours, mock.Anything, mock.Anything).Return(activities.CommittedHours{},
		temporal.NewNonRetryableApplicationError("somebody", activities.ErrorForgotten, nil)).Once()
	env.OnActivity(ingestSteps.StageHours, mock.Anything,
		reading(2)).Return(staged("second", activities.LeftHour{Hour: someHour + 1, Why: "too large"}), nil).Once()
	env.OnActivity(ingestSteps.CommitHours, mock.Anything,
		mock.Anything).Return(activities.CommittedHours{RunID: "second", Hours: []telemetry.Hour{someHour}}, nil).Once()
	env.OnActivity(ingestSteps.DropStagedHours, mock.Anything,
		mock.MatchedBy(func(runs []lake.Run) bool { return len(runs) == 4 })).Return(nil).Once()
	input := workflows.HoursInput{Hours: []string{someHour.String(), (someHour + 1).String()}, LeaveGold: true}
	env.ExecuteWorkflow(workflows.IngestHours, input)
	require.NoError(t, env.GetWorkflowError())
	var result activities.CommittedHours
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, activities.CommittedHours{RunID: "second", Hours: []telemetry.Hour{someHour},
		Left: []activities.LeftHour{{Hour: someHour + 1, Why: "too large"}}}, result)
}

func TestHoursSayWhatIsWrongWithTheirInput(t *testing.T) {
	for text, hours := range map[string][]string{
		"0 hours": {}, "51 hours": make([]string, 51), "yesterday": {"yesterday"},
		someHour.String(): {(someHour + 1).String(), someHour.String()},
	} {
		env := environment(t)
		env.ExecuteWorkflow(workflows.IngestHours, workflows.HoursInput{Hours: hours})
		require.ErrorContains(t, env.GetWorkflowError(), text)
	}
}

// TestRangeDividesItsHours: each hour runs once, together with others or, where that fails or leaves it out, alone.
func TestRangeDividesItsHours(t *testing.T) {
	env := environment(t)
	surveyAll(env)
	var shares []int
	var alone []string
	env.OnWorkflow(workflows.IngestHours, mock.Anything,
		mock.MatchedBy(func(input workflows.HoursInput) bool { return input.LeaveGold })).
		Return(func(_ workflow.Context, input workflows.HoursInput) (result activities.CommittedHours, err error) {
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
	env.OnWorkflow(workflows.IngestHour, mock.Anything,
		mock.Anything).Return(func(_ workflow.Context, input workflows.IngestInput) (workflows.IngestResult, error) {
		alone = append(alone, input.Hour)
		return hourDone(input, ledger.HourComplete), nil
	})
	env.ExecuteWorkflow(workflows.ReprocessRange,
		workflows.ReprocessInput{From: someHour.String(), To: (someHour + 130).String(), Parallel: 2})
	require.NoError(t, env.GetWorkflowError())
	var result workflows.HoursProgress
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, workflows.HoursProgress{Hours: 130, Done: 130, Ran: 130, Degraded: 2, Lines: 20}, result)
	require.ElementsMatch(t, []int{44, 44, 42}, shares)
	require.Len(t, alone, 44+2)
}

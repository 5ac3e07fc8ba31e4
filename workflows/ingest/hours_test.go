package ingest_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/workflowstest"
)

// TestHoursAreReadAgainWhenAUserIsForgotten, with all that the first reading found.
func TestHoursAreReadAgainWhenAUserIsForgotten(t *testing.T) {
	env := workflowstest.Environment(t)
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
	input := ingest.HoursInput{Hours: []string{someHour.String(), (someHour + 1).String()}, LeaveGold: true}
	env.ExecuteWorkflow(ingest.IngestHours, input)
	require.NoError(t, env.GetWorkflowError())
	var result activities.CommittedHours
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, activities.CommittedHours{RunID: "second", Hours: []telemetry.Hour{someHour},
		Left: []activities.LeftHour{{Hour: someHour + 1, Why: "too large"}}}, result)
}

func TestHoursSayWhatIsWrongWithTheirInput(t *testing.T) {
	for text, hours := range map[string][]string{
		"0 hours": {}, "101 hours": make([]string, 101), "yesterday": {"yesterday"},
		someHour.String(): {(someHour + 1).String(), someHour.String()},
	} {
		env := workflowstest.Environment(t)
		env.ExecuteWorkflow(ingest.IngestHours, ingest.HoursInput{Hours: hours})
		require.ErrorContains(t, env.GetWorkflowError(), text)
	}
}

package ingest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/workflowstest"
	"github.com/versionlake/versionlake/workflows/writers"
)

const someHour = workflowstest.SomeHour

var (
	ingestSteps = workflowstest.IngestSteps
	goldSteps   = workflowstest.GoldSteps
	run         = workflowstest.Run
)

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
		env.SignalWorkflow("gold", writers.GoldAnswer{Run: lake.Run{Hour: 1, ID: "another"}, SnapshotID: 6})
		env.SignalWorkflow("gold", writers.GoldAnswer{Run: run(someHour), SnapshotID: 7})
	}, time.Duration(times)*10*time.Minute-time.Minute)
}

func TestHourIsListedAgainWhenItsFilesChange(t *testing.T) {
	env := workflowstest.Environment(t)
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
	env.ExecuteWorkflow(ingest.IngestHour, ingest.HourInput{Hour: someHour.String()})
	require.NoError(t, env.GetWorkflowError())
	var result ingest.HourResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, int64(7), result.Gold.SnapshotID, "the answer for another run does not count")
}

func TestHourThatNeverStandsStillFails(t *testing.T) {
	env := workflowstest.Environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(activities.Listing{},
		sourceChanged()).Times(10)
	env.ExecuteWorkflow(ingest.IngestHour, ingest.HourInput{Hour: someHour.String()})
	require.ErrorContains(t, env.GetWorkflowError(), "ingest the hour again once its writer is done")
}

func TestHourAsksGoldAgain(t *testing.T) {
	env := workflowstest.Environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(listing(someHour, 0), nil)
	env.OnActivity(ingestSteps.CommitHour, mock.Anything,
		mock.Anything).Return(ledger.Hour{State: ledger.HourEmpty}, nil)
	env.OnActivity(ingestSteps.DropStaging, mock.Anything,
		mock.Anything).Return(errors.New("the disk is gone")).Times(3)
	answerGold(env, 3)
	env.ExecuteWorkflow(ingest.IngestHour, ingest.HourInput{Hour: someHour.String()})
	require.NoError(t, env.GetWorkflowError(), "what can't be removed does not fail the hour")
}

// TestCancelledHourFinishesItsCommit: gold must not wait for half an hour.
func TestCancelledHourFinishesItsCommit(t *testing.T) {
	env := workflowstest.Environment(t)
	env.OnActivity(ingestSteps.ListHour, mock.Anything, mock.Anything).Return(listing(someHour, 0), nil)
	env.OnActivity(ingestSteps.CommitHour, mock.Anything, mock.Anything).Return(ledger.Hour{State: ledger.HourEmpty},
		nil).After(time.Minute).Once()
	env.OnActivity(goldSteps.RequestGold, mock.Anything, mock.Anything).Return(nil).Once()
	env.OnActivity(ingestSteps.DropStaging, mock.Anything, mock.Anything).Return(nil).Once()
	env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Second)
	env.ExecuteWorkflow(ingest.IngestHour, ingest.HourInput{Hour: someHour.String()})
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
}

// Package workflowstest is what tests of the workflows share. The faults that these tests make are those that real
// servers don't have on demand; all else is tested with servers, in package worker.
package workflowstest

import (
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// The steps, by whose methods tests name activities.
var (
	IngestSteps *activities.Ingest
	GoldSteps   *activities.Gold
	DailySteps  *activities.Daily
	ChecksSteps *activities.Checks
)

// SomeHour is 2022-05-22T05.
const SomeHour = telemetry.Hour(459_221)

// Environment runs a workflow without a server, and checks at the end that all that it was told to expect came.
func Environment(t *testing.T) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	// of a second otherwise: too short on a busy machine
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivity(IngestSteps)
	env.RegisterActivity(GoldSteps)
	env.RegisterActivity(DailySteps)
	env.RegisterActivity(ChecksSteps)
	env.RegisterWorkflow(ingest.IngestHour)
	env.RegisterWorkflow(ingest.IngestHours)
	env.RegisterWorkflow(ingest.AwaitHour)
	t.Cleanup(func() { env.AssertExpectations(t) })
	return env
}

// Run is a run of the hour.
func Run(hour telemetry.Hour) lake.Run { return lake.Run{Hour: hour, ID: fmt.Sprintf("run-%d", hour)} }

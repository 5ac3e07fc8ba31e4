package ingest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/workflowstest"
)

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
			env := workflowstest.Environment(t)
			env.SetStartTime(test.now)
			require.NoError(t,
				env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduled.ValueSet(test.nominal))))
			if test.ingested != "" {
				env.OnWorkflow(ingest.IngestHour, mock.Anything,
					ingest.HourInput{Hour: test.ingested}).Return(ingest.HourResult{}, nil).Once()
			}
			if test.awaited != "" {
				env.OnWorkflow(ingest.AwaitHour, mock.Anything,
					mock.MatchedBy(func(input ingest.AwaitInput) bool {
						return input.Hour == test.awaited
					})).Return(ingest.HourResult{}, nil).Once()
			}
			env.ExecuteWorkflow(ingest.ScheduledHour, ingest.ScheduledInput{Delay: test.delay})
			require.NoError(t, env.GetWorkflowError())
		})
	}
}

package activities_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/telemetry"
)

// do runs a step as the first attempt of the first activity of a workflow, again and again the same one.
func do[In, Out any](t *testing.T, step func(context.Context, In) (Out, error), input In) (output Out) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(5 * time.Minute)
	env.RegisterActivity(step)
	value, err := env.ExecuteActivity(step, input)
	require.NoError(t, err)
	require.NoError(t, value.Get(&output))
	return output
}

// commits is how many snapshots a table has.
func commits(t *testing.T, l *lake.Lake, definition lake.TableDefinition) int {
	t.Helper()
	loaded, err := l.Load(t.Context(), definition)
	require.NoError(t, err)
	return len(loaded.Metadata().Snapshots())
}

// TestPartsAreCommittedInOrder: hours of two days that are read together leave one object while they wait, get a
// commit a day, and gold shows each day by itself, however often a step is done again. Where a day leaves an hour,
// the next day waits for it.
func TestPartsAreCommittedInOrder(t *testing.T) {
	in := laketest.NewWorld(t)
	ingest := &activities.Ingest{Lake: in.Lake, Source: in.Source}
	writer := &activities.Gold{Lake: in.Lake}
	in.Put("27T22/a.tsv", laketest.Login("27T22:09", "s1", "p1"), laketest.Sighting("27T22:10", "s1", "1.0"))
	in.Put("27T23/a.tsv", laketest.Login("27T23:09", "s1", "p1"), laketest.Sighting("27T23:10", "s1", "1.1"))
	in.Put("28T00/a.tsv", laketest.Login("28T00:09", "s1", "p1"), laketest.Sighting("28T00:10", "s1", "1.2"))
	in.Put("28T01/a.tsv", laketest.Login("28T01:09", "s1", "p1"), laketest.Sighting("28T01:10", "s1", "1.3"))
	first := laketest.HourAt(t, "2022-05-27T22")
	all := []telemetry.Hour{first, first + 1, first + 2, first + 3}
	stage := func(listing int) []hours.StagedHour {
		staged := do(t, ingest.StageHours, activities.HoursInput{Hours: all, Listing: listing, StartedAt: time.Now()})
		require.Empty(t, staged.Left)
		for i := range staged.Hours {
			staged.Hours[i].Part = i / 2
		}
		return staged.Hours
	}

	staged := stage(1)
	var objects []string
	require.NoError(t, in.Lake.Objects.Walk(t.Context(), in.Lake.StagingFolder(), func(object string, _ int64) error {
		objects = append(objects, object)
		return nil
	}))
	require.Len(t, objects, 1)
	require.True(t, strings.HasSuffix(objects[0], "/"+hours.TogetherName))
	_, planned, err := hours.ErasuresOf(in.Lake, filepath.Dir(objects[0]))
	require.NoError(t, err)
	require.True(t, planned, "an erasure finds what the hours began with")

	committed := do(t, ingest.CommitHours, staged)
	require.Equal(t, all, committed.Hours)
	require.Equal(t, committed, do(t, ingest.CommitHours, staged), "done again")
	require.Equal(t, 2, commits(t, in.Lake, lake.SilverSightings))
	require.Equal(t, 2, commits(t, in.Lake, lake.OpsHours))
	runs := activities.RunsOf(all, committed.RunID)
	require.NoError(t, ingest.DropStagedHours(t.Context(), runs))
	require.NoFileExists(t, in.Lake.Objects.LocalPath(objects[0]))

	parts := activities.ShowInput{Parts: activities.GoldRequest{Runs: runs, Ends: []telemetry.Hour{first + 2}}.Parts()}
	shown := do(t, writer.ShowUsers, parts)
	require.Len(t, shown.Parts, 2)
	require.Equal(t, []string{"hour-2022-05-27T23"}, shown.Parts[0].Tags)
	require.Equal(t, []string{"hour-2022-05-28T01"}, shown.Parts[1].Tags)
	require.Equal(t, shown, do(t, writer.ShowUsers, parts), "an attempt whose answer was lost")
	require.Equal(t, 2, commits(t, in.Lake, lake.GoldUsers))
	versions, err := gold.Versions(t.Context(), in.Lake)
	require.NoError(t, err)
	require.Len(t, versions, 2)

	// Another run of the first hour ends while they wait.
	for _, hour := range all {
		in.Put(hour.Start().Format("02T15")+"/b.tsv",
			laketest.Sighting(hour.Start().Format("02T15")+":30", "s1", "2.0"))
	}
	staged = stage(2)
	other := in.Stage(first)
	_, err = in.CommitHour(other)
	require.NoError(t, err)
	again := do(t, ingest.CommitHours, staged)
	require.Equal(t, []telemetry.Hour{first + 1}, again.Hours)
	require.Equal(t, first, again.Left[0].Hour)
	require.Equal(t, all[2:], again.Rest)
}

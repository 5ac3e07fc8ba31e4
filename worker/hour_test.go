package worker_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

func TestHourEndToEnd(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first, "a.tsv", sighting(first, 1, "p1", "1.22.03"), sighting(first, 2, "p2", "1.22.03"), "not a line", "")

	result := l.ingest(t.Context(), first)
	require.Equal(t, ledger.HourComplete, result.Hour.State)
	require.Equal(t, int64(4), result.Hour.Lines)
	require.Equal(t, int64(2), result.Hour.Events)
	require.Equal(t, int64(1), result.Hour.Rejects)
	require.Equal(t, int64(1), result.Hour.Blanks)
	require.Equal(t, []string{"hour-2022-05-27T05"}, result.Gold.Tags)
	require.Equal(t, int64(2), result.Gold.Users)

	empty := l.ingest(t.Context(), first+1)
	require.Equal(t, ledger.HourEmpty, empty.Hour.State)

	again := l.ingest(t.Context(), first)
	require.False(t, again.Hour.Changed)
	require.Equal(t, result.Gold.Tags, again.Gold.Tags, "a rerun that changes nothing is shown by the same tag")

	version, err := gold.FindVersion(t.Context(), l.lake, "")
	require.NoError(t, err)
	user, found, err := gold.User(t.Context(), l.lake, version, "p1")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "1.22.03", user.CurrentVersion)
}

// TestLateFile: a file that comes later changes the past, gold rebuilds the user, and a tag still tells what was known.
func TestLateFile(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first, "a.tsv", sighting(first, 10, "p1", "1.0"), sighting(first, 50, "p1", "1.2"))
	l.ingest(t.Context(), first)
	l.write(first, "late.tsv", sighting(first, 30, "p1", "1.1"))
	again := l.ingest(t.Context(), first)
	require.True(t, again.Hour.Changed)
	require.Equal(t, []string{"hour-2022-05-27T05.2"}, again.Gold.Tags)
	require.Equal(t, []string{"1.0", "1.1", "1.2"}, l.history(t.Context(), "p1"))

	then, err := gold.FindVersion(t.Context(), l.lake, "hour-2022-05-27T05")
	require.NoError(t, err)
	user, _, err := gold.User(t.Context(), l.lake, then, "p1")
	require.NoError(t, err)
	require.Len(t, user.History, 2)
}

// TestManyChunks: the same hour, cut into many chunks or into one, has the same rows, so that nothing changes.
func TestManyChunks(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	var lines []string
	for i := range 500 {
		lines = append(lines, sighting(first, i%60, "p"+strconv.Itoa(i%7), "1."+strconv.Itoa(i/100)))
	}
	l.write(first, "large.tsv", lines...)
	l.write(first, "small.tsv", sighting(first, 1, "p1", "9.9"))
	l.ingest(t.Context(), first)

	var result ingest.HourResult
	run := l.start(t.Context(), ingest.HourWorkflowID(first), ingest.IngestHour,
		ingest.HourInput{Hour: first.String(), ChunkBytes: 4096, Parallel: 3})
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, int64(501), result.Hour.Lines)
	value, err := l.client.QueryWorkflow(t.Context(), run.GetID(), "", workflows.ProgressQuery)
	require.NoError(t, err)
	var progress ingest.HourProgress
	require.NoError(t, value.Get(&progress))
	require.Greater(t, progress.Chunks, 10)
	require.Equal(t, progress.Chunks, progress.ChunksDone)
	version, err := gold.FindVersion(t.Context(), l.lake, "")
	require.NoError(t, err)
	require.Equal(t, result.Gold.SnapshotID, version.SnapshotID)
}

func TestBadInputSaysWhatToDo(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	run := l.start(t.Context(), "hour-wrong", ingest.IngestHour, ingest.HourInput{Hour: "27 May, 5 o'clock"})
	require.ErrorContains(t, run.Get(t.Context(), nil), "2022-05-27T05")
	run = l.start(t.Context(), "range-wrong", ranges.ReprocessRange,
		ranges.ReprocessInput{From: "2022-05-27T05", To: "2022-05-27T05"})
	require.ErrorContains(t, run.Get(t.Context(), nil), "exclusive")
}

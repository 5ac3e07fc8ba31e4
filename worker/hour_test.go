package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
)

func TestHourEndToEnd(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	first := hour(t, "2022-05-27T05")
	l.write(first, "a.tsv", sighting(first, 1, "p1", "1.22.03"), sighting(first, 2, "p2", "1.22.03"), "not a line", "")

	result := l.ingest(t.Context(), first)
	require.Equal(t, lake.HourComplete, result.Hour.State)
	require.Equal(t, int64(4), result.Hour.Lines)
	require.Equal(t, int64(2), result.Hour.Events)
	require.Equal(t, int64(1), result.Hour.Rejects)
	require.Equal(t, int64(1), result.Hour.Blanks)
	require.Equal(t, []string{"hour-2022-05-27T05"}, result.Gold.Tags)
	require.Equal(t, int64(2), result.Gold.Users)

	empty := l.ingest(t.Context(), first+1)
	require.Equal(t, lake.HourEmpty, empty.Hour.State)

	again := l.ingest(t.Context(), first)
	require.False(t, again.Hour.Changed)
	require.Equal(t, result.Gold.Tags, again.Gold.Tags, "a rerun that changes nothing is shown by the same tag")

	version, err := l.lake.Version(t.Context(), "")
	require.NoError(t, err)
	user, found, err := l.lake.User(t.Context(), version, "p1")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "1.22.03", user.CurrentVersion)
}

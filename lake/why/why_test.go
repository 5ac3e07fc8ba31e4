package why_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/why"
)

// TestWhy: an answer is told with its lines, the bindings that gave the user and the device, and what was said before
// they came; without texts once they were dropped; and nothing of who was forgotten.
func TestWhy(t *testing.T) {
	in := laketest.PlantedWorld(t)
	ask := func(user string, at string) (why.Answer, bool) {
		t.Helper()
		moment, err := time.Parse(time.RFC3339, at)
		in.Must(err)
		answer, found, err := why.Ask(t.Context(), in.Lake, user, moment, 2)
		in.Must(err)
		return answer, found
	}
	answer, found := ask("p1", "2022-05-27T05:30:00Z")
	require.True(t, found)
	require.Len(t, answer.Intervals, 1)
	interval := answer.Intervals[0]
	require.Equal(t, "1.1", interval.Version)
	require.Len(t, interval.Evidence, 1)
	e := interval.Evidence[0]
	require.Equal(t, "2022/05/27/05/a.tsv", e.Sighting.File)
	require.Equal(t, int64(2), e.Sighting.Line)
	require.Equal(t, "2022-05-27T05", e.Sighting.Hour)
	require.Contains(t, e.Sighting.Text, "{'Name': 'SoftwareVersion', 'Version': '1.1'}")
	require.NotEmpty(t, e.Sighting.Run)
	require.Equal(t, "user", e.User.Says)
	require.Equal(t, "p1", e.User.Of)
	require.Equal(t, int64(1), e.User.Line)
	require.Contains(t, e.User.Text, "'Login'")
	require.Equal(t, "E", e.Device.Of)
	require.Len(t, answer.Earlier, 2, "before the Login came, nobody knew the user")
	require.Equal(t, "hour-2022-05-27T05", answer.Earlier[1].Last)
	require.Empty(t, answer.Earlier[1].Versions)

	answer, _ = ask("p2", "2022-05-27T05:30:00Z")
	require.Nil(t, answer.Intervals[0].Evidence[0].User, "the line names its user itself")
	_, found = ask("nobody", "2022-05-27T05:30:00Z")
	require.False(t, found)
	countAll(t, in)

	_, err := maintain.DropBefore(t.Context(), in.Lake, "bronze", laketest.HourAt(t, "2022-05-27T06"), false)
	in.Must(err)
	answer, _ = ask("p1", "2022-05-27T05:30:00Z")
	e = answer.Intervals[0].Evidence[0]
	require.True(t, e.Sighting.Dropped)
	require.Empty(t, e.Sighting.Text)
	require.False(t, e.User.Dropped)
	require.NotEmpty(t, e.User.Text)

	upkeep.Daily(in)
	forgetting.Forget(in, "p1")
	_, found = ask("p1", "2022-05-27T05:30:00Z")
	require.False(t, found)
}

// countAll sees that each interval has as many lines behind it as sightings.
func countAll(t *testing.T, in *laketest.Ingester) {
	t.Helper()
	now, err := gold.FindVersion(t.Context(), in.Lake, "")
	in.Must(err)
	intervals := 0
	for user, err := range gold.Users(t.Context(), in.Lake, now) {
		in.Must(err)
		for _, interval := range user.History {
			answer, found, err := why.Ask(t.Context(), in.Lake, user.ID, time.UnixMicro(interval.ValidFrom), 2)
			in.Must(err)
			require.True(t, found)
			for _, i := range answer.Intervals {
				require.Equal(t, i.Sightings, int64(len(i.Evidence))+i.More, "%s %v", user.ID, i.Interval)
				require.Equal(t, i.ValidFrom, i.Evidence[0].Sighting.At.UnixMicro())
				require.Equal(t, i.LastSeenAt, i.Evidence[len(i.Evidence)-1].Sighting.At.UnixMicro())
				intervals++
			}
		}
	}
	require.Greater(t, intervals, 2)
}

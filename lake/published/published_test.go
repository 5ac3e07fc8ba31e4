package published_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/published"
)

// said is what was published, as a person would write it down.
func said(t *testing.T, l *lake.Lake) (lines []string) {
	t.Helper()
	rows, err := published.Rows(t.Context(), l)
	require.NoError(t, err)
	for _, row := range rows {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %d", row.Period, lake.FormatDate(row.Date)[8:],
			row.Version, row.Metric, row.Value)))
	}
	slices.Sort(lines)
	return lines
}

// numbers are those of a user's first sighting, with a version on a day.
func numbers(lines []string, period, day, version string, users int) []string {
	for _, metric := range []string{"active_users", "version_users", "service_users", "sessions", "new_installations"} {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %d", period, day, version, metric, users))
	}
	slices.Sort(lines)
	return lines
}

// day ingests the hours of a day of May 2022, all 24 but those that are left out.
func day(in *laketest.Ingester, date string, leaveOut ...int) {
	for n := range 24 {
		if !slices.Contains(leaveOut, n) {
			in.Ingest(laketest.HourAt(in.TB, fmt.Sprintf("2022-05-%sT%02d", date, n)))
		}
	}
}

// TestPublish: a day is published once, when it ended and all of it is counted; what comes later changes nothing of it.
func TestPublish(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("29T05/a.tsv", laketest.Sighting("29T05:10", "s1", "1.0", "UserId", "p1"))
	in.Put("30T05/a.tsv", laketest.Sighting("30T05:10", "s2", "1.0", "UserId", "p2"),
		laketest.Sighting("29T23:30", "s3", "1.0", "UserId", "p3")) // late
	in.Put("31T05/a.tsv", laketest.Sighting("31T05:10", "s4", "2.0", "UserId", "p4"))
	day(in, "29", 23)
	upkeep.Daily(in)
	require.Empty(t, said(t, in.Lake), "an hour of the day is missing")
	in.Ingest(laketest.HourAt(t, "2022-05-29T23"))
	upkeep.Daily(in)
	first := numbers(nil, "day", "29", "1.0", 1)
	require.Equal(t, first, said(t, in.Lake))

	day(in, "30", 7)
	// Silver has the hour that is missing, gold has not.
	in.Put("30T07/a.tsv", laketest.Sighting("30T07:10", "s5", "1.0", "UserId", "p5"))
	run, _ := in.Silver(laketest.HourAt(t, "2022-05-30T07"))
	upkeep.Daily(in)
	require.Equal(t, first, said(t, in.Lake), "an hour of the day waits for gold")
	in.Gold(run)
	upkeep.Daily(in)
	second := numbers(first, "day", "30", "1.0", 2)
	require.Equal(t, second, said(t, in.Lake), "the late one changes nothing of what was said")

	before, _ := laketest.Snapshots(t, in.Lake, lake.OpsPublished)
	upkeep.Daily(in)
	_, err := published.Publish(t.Context(), in.Lake, published.Options{Now: time.Now(), TagAge: time.Hour})
	require.NoError(t, err)
	again, _ := laketest.Snapshots(t, in.Lake, lake.OpsPublished)
	require.Equal(t, before, again)

	day(in, "31")
	upkeep.Daily(in)
	_, tags := laketest.Snapshots(t, in.Lake, lake.GoldUsers)
	third := numbers(numbers(numbers(second, "day", "31", "2.0", 1), "month", "01", "1.0", 4), "month", "01", "2.0", 1)
	require.Equal(t, third, said(t, in.Lake), "the month has the late one")
	require.Contains(t, tags, "month-2022-05")
	checks.Verify(t, in.Lake)
}

// TestPublishWithoutAnHour: a day of which an hour never comes is published as soon as one two days after it has.
func TestPublishWithoutAnHour(t *testing.T) {
	in := laketest.NewWorld(t)
	days := []string{"28", "29", "30"}
	for i, day := range days {
		in.Put(day+"T05/a.tsv", laketest.Sighting(day+"T05:10", "s"+day, "1.0", "UserId", "p"+day))
		in.Ingest(laketest.HourAt(t, "2022-05-"+day+"T05"))
		upkeep.Daily(in)
		if i < 2 {
			require.Empty(t, said(t, in.Lake))
		}
	}
	require.Equal(t, numbers(nil, "day", "28", "1.0", 1), said(t, in.Lake))
}

// TestPublishPassesOverEmptyDays: days whose hours never had files are told by statistics, and not read; once an
// hour of one has files, the day is published.
func TestPublishPassesOverEmptyDays(t *testing.T) {
	in := laketest.NewWorld(t)
	day(in, "20")
	day(in, "21")
	loaded, err := in.Lake.Load(t.Context(), lake.OpsHours)
	require.NoError(t, err)
	empty, err := lake.LiveFiles(t.Context(), loaded)
	require.NoError(t, err)
	require.NotEmpty(t, empty)
	kept := map[string][]byte{}
	for _, file := range empty { // who reads one fails
		path := in.Lake.Objects.LocalPath(file.FilePath())
		kept[path], err = os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
	}
	in.Put("28T05/a.tsv", laketest.Sighting("28T05:10", "s1", "1.0", "UserId", "p1"))
	day(in, "28")
	upkeep.Daily(in)
	want := numbers(nil, "day", "28", "1.0", 1)
	require.Equal(t, want, said(t, in.Lake))
	for path, text := range kept {
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	in.Put("21T05/late.tsv", laketest.Sighting("21T05:10", "s2", "1.0", "UserId", "p2"))
	in.Ingest(laketest.HourAt(t, "2022-05-21T05"))
	upkeep.Daily(in)
	published := said(t, in.Lake)
	require.Len(t, published, 2*len(want))
	require.Contains(t, published, "day 21 1.0 active_users 1")
}

// TestPublishedForgets: of a version that only a forgotten user ran, nothing is left in what was published.
func TestPublishedForgets(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("29T05/a.tsv", laketest.Sighting("29T05:10", "s1", "1.0", "UserId", "p1"),
		laketest.Sighting("29T05:10", "s2", "1.0-of-"+laketest.Gone, "UserId", laketest.Gone))
	day(in, "29")
	upkeep.Daily(in)
	require.Equal(t, 2*5, len(said(t, in.Lake)))
	forgetting.As(in, laketest.Gone)
	require.Equal(t, numbers(nil, "day", "29", "1.0", 1), said(t, in.Lake), "what others did stays as it was said")
	for _, object := range forgetting.Remains(in, laketest.Gone) {
		require.NotContains(t, object, "/ops/")
	}
	upkeep.Daily(in)
	checks.Verify(t, in.Lake)
}

package trino_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// What questions about a million users may take, in the median of warm runs on two cores.
const (
	oneUserLimit  = 500 * time.Millisecond
	allUsersLimit = 3 * time.Second
	timedRuns     = 15
)

// TestMillionUsers times questions about as many users as VERSIONLAKE_TRINO_USERS says, each with three intervals,
// such as 1000000. It takes minutes, and wants the machine for itself.
func TestMillionUsers(t *testing.T) {
	users, err := strconv.Atoi(os.Getenv("VERSIONLAKE_TRINO_USERS"))
	if err != nil {
		t.Skip("takes minutes: VERSIONLAKE_TRINO_USERS=1000000")
	}
	w := newWorld(t)
	first := telemetry.HourOf(time.Date(2022, 5, 27, 5, 0, 0, 0, time.UTC))
	const versions = 3
	for n := range versions {
		hour := first + telemetry.Hour(n)
		w.putUsers(t, hour, users, n)
		start := time.Now()
		require.NoError(t, w.ingest(t.Context(), hour))
		t.Logf("hour %s took %s", hour, time.Since(start).Round(time.Millisecond))
		require.NoError(t, os.RemoveAll(filepath.Join(w.folder, filepath.FromSlash(hour.Folder()))))
	}
	require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(trino.View) {}))
	t.Logf("gold.users: %v (files, bytes, rows)",
		w.rows(t, `SELECT count(*), sum(file_size_in_bytes), sum(record_count) FROM gold."users$files"`))
	require.Equal(t, [][]string{{fmt.Sprint(users), fmt.Sprint(versions * users)}},
		w.rows(t, "SELECT count(DISTINCT user_id), count(*) FROM version_intervals"))

	at := "TIMESTAMP '" + (first + 1).Start().Add(30*time.Minute).Format("2006-01-02 15:04:05") + " UTC'"
	one := func(n int) string {
		return fmt.Sprintf("SELECT service, device, version FROM version_intervals WHERE user_id = '%s' AND "+
			"valid_from <= %s AND %[2]s < valid_until",
			userName(n*7919%users), at)
	}
	all := func(int) string {
		return fmt.Sprintf("SELECT version, count(DISTINCT user_id) FROM version_intervals WHERE valid_from <= "+
			"%s AND %[1]s < valid_until GROUP BY version", at)
	}
	w.timed(t, "version of one user at T", oneUserLimit, one)
	w.timed(t, "distribution over all users at T", allUsersLimit, all)
	w.timed(t, "versions that run now", allUsersLimit,
		func(int) string { return "SELECT current_version, count(*) FROM users GROUP BY 1" })
	w.timed(t, "uptake", allUsersLimit, func(int) string { return "SELECT * FROM uptake" })
	w.timed(t, "releases", allUsersLimit, func(int) string { return "SELECT * FROM releases" })
	w.timed(t, "versions, in order", time.Hour, func(int) string { return "SELECT * FROM versions" })
}

// TestViewsInLittleMemory asks every view about 200,000 users in a fifth of the memory that a Trino of a gigabyte has
// for a query of a million, and 70 MB more for what does not grow with users, but with how busy the machine is: pages
// that are read and handed on. What is asked of one user is not asked here.
func TestViewsInLittleMemory(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	first := telemetry.HourOf(time.Date(2022, 5, 27, 5, 0, 0, 0, time.UTC))
	const users, versions = 200_000, 3
	var hours []telemetry.Hour
	for n := range versions {
		hours = append(hours, first+telemetry.Hour(n*24))
		w.putUsers(t, hours[n], users, n, otherBodies...)
	}
	start := time.Now()
	require.NoError(t, w.ingest(t.Context(), hours...))
	require.NoError(t, w.daily(t.Context()))
	views := w.createViews(t)
	t.Logf("lake and views took %s", time.Since(start).Round(time.Millisecond))
	little, err := w.trino.Conn(t.Context())
	require.NoError(t, err)
	defer little.Close()
	for _, view := range views {
		if view.Name == "why" {
			continue
		}
		start := time.Now()
		limit := "130MB"
		if view.Name == "stuck_users" {
			limit = "160MB" // a list of users, who have to be told apart for certain: a million take 252 MB
		}
		_, err = little.ExecContext(t.Context(), "SET SESSION query_max_memory_per_node = '"+limit+"'")
		require.NoError(t, err)
		var rows int
		cells := []any{&rows}
		for range view.Columns {
			cells = append(cells, new(any))
		}
		if err := little.QueryRowContext(t.Context(), "SELECT count(*), "+sums(view)+" FROM "+view.Name).
			Scan(cells...); err != nil {
			t.Errorf("%s: %v", view.Name, err)
		}
		t.Logf("%s has %d rows, and took %s", view.Name, rows, time.Since(start).Round(time.Millisecond))
	}
	require.Equal(t, [][]string{{"0", "200000", "200000"}, {"1", "200000", "200000"}, {"2", "200000", "200000"}},
		w.rows(t, "SELECT date_diff('day', DATE '2022-05-27', date_utc), sum(users), min(base_users) FROM uptake "+
			"WHERE version LIKE concat('1.', CAST(date_diff('day', DATE '2022-05-27', date_utc) AS varchar), '.%') "+
			"GROUP BY 1 ORDER BY 1"))
}

// otherBodies are events of which a user has one an hour, the next one in the hour after.
var otherBodies = []string{
	"'Name': 'Install', 'Source': 'store'",
	"'Name': 'Experiment', 'Experiment': 'dark', 'Variant': 'on'",
	"'Name': 'Issue', 'Code': 'E1', 'Severity': 'crash', 'Message': 'no'",
	"'Name': 'FeatureUsed', 'Feature': 'chat'",
	"'Name': 'Notification', 'Target': '1.2.1', 'Status': 'Dismissed'",
	"'Name': 'SessionEnd', 'Duration': 60",
}

func userName(n int) string { return fmt.Sprintf("%016x", uint64(n)*0x9E3779B97F4A7C15) }

// putUsers writes an hour in which every user is seen once, with another version than in the hour before, and has one
// of other events, if there are any.
func (w *world) putUsers(t *testing.T, hour telemetry.Hour, users, n int, others ...string) {
	t.Helper()
	folder := filepath.Join(w.folder, filepath.FromSlash(hour.Folder()))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	devices := []string{"PC", "Switch", "iPad", "Gameboy", "Steam Deck"}
	const files = 8
	work := new(errgroup.Group)
	for file := range files {
		work.Go(func() error {
			f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.tsv", file)))
			if err != nil {
				return err
			}
			defer f.Close()
			out := bufio.NewWriterSize(f, 1<<20)
			for user := file; user < users; user += files {
				at := hour.Start().Add(time.Duration(user%3600000) * time.Millisecond)
				fmt.Fprintf(out, "Telemetry\t%s\tApp\tS%d-%d\t1\t{'Name': 'SoftwareVersion', 'Version': "+
					"'1.%d.%d', 'Device': '%s', 'UserId': '%s'}\n",
					at.Format("2006-01-02T15:04:05.000Z"), hour, user, n, user%17, devices[user%len(devices)],
					userName(user))
				if len(others) > 0 {
					fmt.Fprintf(out, "Telemetry\t%s\tApp\tS%d-%d\t2\t{%s, 'Device': '%s', 'UserId': '%s'}\n",
						at.Format("2006-01-02T15:04:05.000Z"), hour, user, others[(user+n)%len(others)],
						devices[user%len(devices)], userName(user))
				}
			}
			return out.Flush()
		})
	}
	require.NoError(t, work.Wait())
}

// timed asks a few times to warm up, and then for the median.
func (w *world) timed(t *testing.T, what string, limit time.Duration, query func(n int) string) {
	t.Helper()
	var took []time.Duration
	for n := range timedRuns + 5 {
		start := time.Now()
		require.NotEmpty(t, w.rows(t, query(n)))
		if n >= 5 {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("%-34s median %s, fastest %s, slowest %s", what, median.Round(time.Millisecond),
		took[0].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if median > limit {
		t.Errorf("%s took %s in the median, more than %s", what, median, limit)
	}
}

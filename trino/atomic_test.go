package trino_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// sightingsPerHour are in every hour that TestNoHalfHour ingests, also when it is ingested again.
const sightingsPerHour = 500

// TestNoHalfHour ingests hours, new ones and once more with other lines, while Trino is asked all the time: every
// answer is that of whole hours. VERSIONLAKE_SOAK says how long, such as 2m.
func TestNoHalfHour(t *testing.T) {
	skipShort(t)
	duration := 5 * time.Second
	if text := os.Getenv("VERSIONLAKE_SOAK"); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	w := newWorld(t)
	first := telemetry.HourOf(time.Date(2022, 5, 27, 5, 0, 0, 0, time.UTC))
	w.putSightings(t, first, 0)
	require.NoError(t, w.ingest(t.Context(), first))
	require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(trino.View) {}))

	end, queries := time.Now().Add(duration), 0
	asking, stop := context.WithCancel(t.Context())
	defer stop()
	work := new(errgroup.Group)
	work.Go(func() error {
		for ; asking.Err() == nil; queries++ {
			if err := w.askForHalves(t.Context(), queries); err != nil {
				return err
			}
		}
		return nil
	})
	hours, again := 1, 0
	for ; time.Now().Before(end) || queries < 8 && asking.Err() == nil && hours < 1000; hours++ {
		if hours%3 == 2 { // the hour before, once more
			w.putSightings(t, first+telemetry.Hour(hours-1-again), hours)
			require.NoError(t, w.ingest(t.Context(), first+telemetry.Hour(hours-1-again)))
			again++
			continue
		}
		w.putSightings(t, first+telemetry.Hour(hours-again), hours)
		require.NoError(t, w.ingest(t.Context(), first+telemetry.Hour(hours-again)))
	}
	stop()
	require.NoError(t, work.Wait())
	require.GreaterOrEqual(t, queries, 8)
	require.Positive(t, again)
	require.Equal(t, fmt.Sprint((hours-again)*sightingsPerHour),
		w.rows(t, "SELECT sum(sightings) FROM version_intervals")[0][0])
	t.Logf("%d queries while hours were ingested %d times, %d of them again", queries, hours, again)
}

// putSightings writes an hour's file: different users, versions and times for each seed, in four pieces.
func (w *world) putSightings(t *testing.T, hour telemetry.Hour, seed int) {
	t.Helper()
	folder := filepath.Join(w.folder, filepath.FromSlash(hour.Folder()))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	const files = 4
	for file := range files {
		var text strings.Builder
		for n := file; n < sightingsPerHour; n += files {
			at := hour.Start().Add(time.Duration(n)*time.Second + time.Duration(seed)*time.Millisecond)
			fmt.Fprintf(&text, "Telemetry\t%s\tApp\tS%d-%d\t1\t{'Name': 'SoftwareVersion', 'Version': '1.%d', "+
				"'Device': 'PC', 'UserId': 'p%d'}\n",
				at.Format("2006-01-02T15:04:05.000Z"), hour, n, seed, (n+seed*37)%(2*sightingsPerHour))
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.tsv", file)), []byte(text.String()),
			0o644))
	}
}

// askForHalves asks one of several questions: whether the sightings that a table holds are those of whole hours.
func (w *world) askForHalves(ctx context.Context, n int) error {
	queries := []string{
		"SELECT sum(sightings) FROM version_intervals",
		"SELECT count(*) FROM silver.sightings",
		// one table, twice
		"SELECT sum(i.sightings) FROM version_intervals AS i JOIN users AS u ON u.user_id = i.user_id",
		"SELECT count(*) FROM bronze.events",
		"SELECT sum(lines) FROM ingest_hours",
	}
	query := queries[n%len(queries)]
	var rows int64
	if err := w.trino.QueryRowContext(ctx, query).Scan(&rows); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	if rows == 0 || rows%sightingsPerHour != 0 {
		return fmt.Errorf("%s: %d is not that of whole hours of %d", query, rows, sightingsPerHour)
	}
	return nil
}

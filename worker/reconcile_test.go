package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// changeable is a source whose files a test writes and removes.
type changeable struct {
	write  func(key, text string)
	remove func(key string)
}

func (l *local) changeableFolder(t *testing.T) changeable {
	path := func(key string) string { return filepath.Join(l.dir, filepath.FromSlash(key)) }
	return changeable{
		write: func(key, text string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(path(key)), 0o755))
			require.NoError(t, os.WriteFile(path(key), []byte(text), 0o644))
		},
		remove: func(key string) { require.NoError(t, os.Remove(path(key))) },
	}
}

func (l *local) changeableBucket(t *testing.T) changeable {
	server := testserver.S3(t)
	server.Setenv(t)
	bucket, client := server.NewBucket(t), server.Client()
	var err error
	l.source, err = source.Open(t.Context(), "s3://"+bucket+"/logs")
	require.NoError(t, err)
	return changeable{
		write: func(key, text string) {
			_, err := client.PutObject(t.Context(),
				&s3.PutObjectInput{Bucket: &bucket, Key: aws.String("logs/" + key), Body: strings.NewReader(text)})
			require.NoError(t, err)
		},
		remove: func(key string) {
			_, err := client.DeleteObject(t.Context(),
				&s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("logs/" + key)})
			require.NoError(t, err)
		},
	}
}

// TestReconcile changes the files of past hours in every way, on a disk and on S3: exactly those hours are ingested
// again.
func TestReconcile(t *testing.T) {
	for name, open := range map[string]func(*local, *testing.T) changeable{"folder": (*local).changeableFolder,
		"S3": (*local).changeableBucket} {
		t.Run(name, func(t *testing.T) {
			l := startLocal(t)
			files := open(l, t)
			l.work(t)
			l.testReconcile(t, files)
		})
	}
}

func (l *local) testReconcile(t *testing.T, files changeable) {
	first := hour(t, "2022-05-27T05")
	key := func(i int, name string) string { return (first + telemetry.Hour(i)).Folder() + "/" + name }
	line := func(i, minute int, version string) string {
		return sighting(first+telemetry.Hour(i), minute, "p1", version) + "\n"
	}
	for i := range 6 {
		files.write(key(i, "a.tsv"), line(i, 1, "1."+string(rune('0'+i))))
	}
	files.write(key(4, "torn.tsv.gz"), "\x1f\x8b\x08torn")
	files.write(key(5, "b.tsv"), line(5, 2, "1.6"))
	_, err := l.reprocess(t.Context(), "range", first, first+7)
	require.NoError(t, err)

	reconcile := func(degraded bool) (result ranges.ReconcileProgress) {
		t.Helper()
		run := l.start(t.Context(), "reconcile", ranges.Reconcile,
			ranges.ReconcileInput{From: first.String(), To: (first + 10).String(), Degraded: degraded})
		require.NoError(t, run.Get(t.Context(), &result))
		result.Progress = ranges.Progress{Hours: result.Hours, Done: result.Done, Ran: result.Ran,
			Empty: result.Empty, Degraded: result.Degraded}
		return result
	}
	require.Equal(t, ranges.ReconcileProgress{Progress: ranges.Progress{Hours: 10, Done: 10, Empty: 4}},
		reconcile(false),
		"nothing changed, and three hours without files stay unknown")
	require.Len(t, l.ledger(t.Context()), 7)
	require.Equal(t, 1, reconcile(true).Ran, "a degraded hour may be better now")

	files.write(key(0, "late.tsv"), line(0, 30, "0.5"))                               // added
	files.write(key(1, "a.tsv"), strings.Replace(line(1, 1, "1.1"), "1.1", "2.1", 1)) // changed, of the same size
	files.write(key(2, "a.tsv"), line(2, 1, "1.2")+line(2, 2, "1.25"))                // changed
	files.remove(key(3, "a.tsv"))                                                     // all of the hour
	files.remove(key(5, "b.tsv"))                                                     // one of two
	files.write(key(8, "a.tsv"), line(8, 1, "1.8"))                                   // to an hour that had none
	got := reconcile(false)
	require.Equal(t, ranges.ReconcileProgress{
		Progress: ranges.Progress{Hours: 10, Done: 10, Ran: 6, Empty: 3}, Differ: 6, Added: 2, Changed: 2,
		Gone: 2, GoneHours: 2,
	}, got)
	require.Equal(t, []string{"1.0", "0.5", "2.1", "1.2", "1.25", "1.3", "1.4", "1.5", "1.6", "1.8"},
		l.history(t.Context(), "p1"))
	require.Zero(t, reconcile(false).Ran, "now they are the same, and what is gone is known")
	_, err = maintain.DropBefore(t.Context(), l.lake, ledger.LayerBronze, first+2, false)
	require.NoError(t, err)
	files.write(key(0, "later.tsv"), line(0, 40, "0.6"))
	require.Equal(t, ranges.ReconcileProgress{Progress: ranges.Progress{Hours: 10, Done: 10, Empty: 3},
		Dropped: 2}, reconcile(false),
		"hours that were dropped can't come back")

	findings, err := ledger.Findings(t.Context(), l.lake)
	require.NoError(t, err)
	told := map[string]ledger.Finding{}
	for _, f := range findings {
		told[f.Hour.String()] = ledger.Finding{State: f.State, Added: f.Added, Changed: f.Changed, Removed: f.Removed,
			Gone: f.Gone}
	}
	require.Equal(t, map[string]ledger.Finding{
		"2022-05-27T05": {State: ledger.HourComplete, Added: 1},
		"2022-05-27T06": {State: ledger.HourComplete, Changed: 1},
		"2022-05-27T07": {State: ledger.HourComplete, Changed: 1},
		"2022-05-27T08": {State: ledger.HourComplete, Gone: 1},
		"2022-05-27T10": {State: ledger.HourComplete, Gone: 1}, "2022-05-27T13": {State: ledger.HourUnknown, Added: 1},
	}, told)
	status, err := status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	require.Len(t, status.Findings, 6)
}

// TestReconcileSchedules: they are made, run when triggered, and are removed when switched off.
func TestReconcileSchedules(t *testing.T) {
	l := startLocal(t)
	l.work(t)
	due := telemetry.HourOf(time.Now().Add(-ingest.DefaultDelay)) - 2
	l.write(due, "a.tsv", sighting(due, 1, "p1", "1.0"))
	options := worker.ScheduleOptions{ReconcileHourly: 6 * time.Hour, ReconcileDaily: 35 * 24 * time.Hour}
	require.NoError(t, worker.EnsureReconcile(t.Context(), l.client, options))
	options.ReconcileDaily = 0
	require.NoError(t, worker.EnsureReconcile(t.Context(), l.client, options), "once more, one of them switched off")
	_, err := l.client.ScheduleClient().GetHandle(t.Context(), worker.ReconcileDailyID).Describe(t.Context())
	require.ErrorContains(t, err, "not found")

	require.NoError(t, l.client.ScheduleClient().GetHandle(t.Context(), worker.ReconcileHourlyID).Trigger(t.Context(),
		client.ScheduleTriggerOptions{}))
	l.awaitClosed(t, 1, "WorkflowType = 'Reconcile' AND ExecutionStatus = 'Completed'")
	require.Equal(t, map[string]string{due.String(): ledger.HourComplete}, l.ledger(t.Context()),
		"an hour that was missed is ingested, and hours without files stay unknown")
}

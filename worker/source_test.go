package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// shut is a source of which folders can't be listed.
type shut struct {
	source.Source
	folders []source.RefusedFolder
}

func (s shut) Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	hours, err := s.Source.Hours(ctx, from, to)
	if err != nil {
		return nil, err
	}
	refused := &source.RefusedError{}
	for _, folder := range s.folders {
		if folder.From < to && folder.To > from {
			folder.From, folder.To = max(folder.From, from), min(folder.To, to)
			refused.Folders = append(refused.Folders, folder)
		}
	}
	if len(refused.Folders) > 0 {
		return hours, refused
	}
	return hours, nil
}

// TestBadFilesAndFolders: bad files degrade their hours, folders that can't be listed fail theirs, and all else of
// a range and of both ways to reconcile is done. Nothing waits.
func TestBadFilesAndFolders(t *testing.T) {
	l := startLocal(t)
	first := hour(t, "2022-05-27T05")
	for i := range telemetry.Hour(6) {
		l.write(first+i, "a.tsv", sighting(first+i, 1, "p1", "1."+string(rune('0'+i))))
	}
	bad := filepath.Join(l.dir, filepath.FromSlash((first + 1).Folder()))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(bad, "x.tsv")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(bad, "y.tsv")))
	require.NoError(t, os.Mkdir(filepath.Join(bad, "d.tsv"), 0o755))
	plain := l.source
	l.source = shut{plain,
		[]source.RefusedFolder{{Folder: "2022/05/27/08", From: first + 3, To: first + 4, Why: "permission denied"},
			{Folder: "2022/05/28", From: first + 19, To: first + 43, Why: "permission denied"}}}
	l.work(t)

	_, err := l.reprocess(t.Context(), "range", first, first+24)
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "HoursFailed", failure.Type())
	require.Contains(t, failure.Message(), "6 of 24 hours failed")
	require.Contains(t, failure.Message(), "2022-05-27T08: the folder 2022/05/27/08 can't be listed: permission denied")
	require.Contains(t, failure.Message(),
		"2022-05-28T00: and the 4 hours after it: the folder 2022/05/28 can't be listed")
	var progress ranges.Progress
	require.NoError(t, failure.Details(&progress))
	require.Len(t, progress.LeftOut, 3)
	require.Equal(t, 1, progress.Degraded)
	states := l.ledger(t.Context())
	require.Len(t, states, 18, "of hours that nobody can see nothing is recorded")
	require.Equal(t, ledger.HourDegraded, states["2022-05-27T06"])
	require.Equal(t, []string{"1.0", "1.1", "1.2", "1.4", "1.5"}, l.history(t.Context(), "p1"))
	left, err := ledger.LeftOutFiles(t.Context(), l.lake, first, first+24)
	require.NoError(t, err)
	require.Len(t, left, 3)

	for _, degraded := range []bool{false, true} {
		run := l.start(t.Context(), "reconcile", ranges.Reconcile,
			ranges.ReconcileInput{From: first.String(), To: (first + 24).String(), Degraded: degraded})
		require.ErrorContains(t, run.Get(t.Context(), nil), "2022/05/27/08 can't be listed")
		findings, err := ledger.Findings(t.Context(), l.lake)
		require.NoError(t, err)
		require.Empty(t, findings, "bad files are as they were")
	}
	_, err = verify.Run(t.Context(), l.lake, verify.Options{},
		func(d verify.Difference) error { t.Error(d.Text); return nil })
	require.NoError(t, err)
}

// TestNoHours: from a source without one folder of an hour nothing is concluded.
func TestNoHours(t *testing.T) {
	l := startLocal(t)
	at := hour(t, "2022-05-27T05")
	l.write(at, "a.tsv", sighting(at, 1, "p1", "1.0"))
	l.work(t)
	_, err := l.reprocess(t.Context(), "range", at, at+2)
	require.NoError(t, err)
	before := l.ledger(t.Context())
	require.NoError(t, os.MkdirAll(filepath.Join(l.dir, "year=2022/month=05/day=27"), 0o755))
	require.NoError(t, os.Rename(filepath.Join(l.dir, "2022/05/27/05"),
		filepath.Join(l.dir, "year=2022/month=05/day=27/hour=05")))
	require.NoError(t, os.RemoveAll(filepath.Join(l.dir, "2022")))
	noHours := func(what string, err error) {
		t.Helper()
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure, what)
		require.Contains(t, err.Error(), "--layout 'year={YYYY}/month={MM}/day={DD}/hour={HH}'", what)
		require.Contains(t, err.Error(), activities.ErrorNoHours, what)
	}
	_, err = l.reprocess(t.Context(), "range", at, at+5)
	noHours("range", err)
	run := l.start(t.Context(), ingest.HourWorkflowID(at), ingest.IngestHour,
		ingest.HourInput{Hour: at.String()})
	noHours("hour", run.Get(t.Context(), nil))
	run = l.start(t.Context(), "reconcile", ranges.Reconcile,
		ranges.ReconcileInput{From: at.String(), To: (at + 5).String()})
	noHours("reconcile", run.Get(t.Context(), nil))
	require.Equal(t, before, l.ledger(t.Context()))
	require.Equal(t, []string{"1.0"}, l.history(t.Context(), "p1"))
}

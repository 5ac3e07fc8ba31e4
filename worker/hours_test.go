package worker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// unsteady is a source of which a file changes as soon as it is read, once.
type unsteady struct {
	source.Source
	key    string
	change func()
	once   *sync.Once
}

func (s unsteady) Open(ctx context.Context, file source.File, offset, length int64) (io.ReadCloser, error) {
	if file.Key == s.key {
		s.once.Do(s.change)
	}
	return s.Source.Open(ctx, file, offset, length)
}

// TestHoursTogether: small hours of a range share their commits; one that is large, one whose file changes and one
// with a damaged file don't spoil that for the others.
func TestHoursTogether(t *testing.T) {
	l := startLocal(t)
	const hours = 40
	first, large, changed, torn := hour(t, "2022-05-27T05"), hour(t, "2022-05-27T10"), hour(t, "2022-05-27T20"), hour(t,
		"2022-05-28T01")
	for i := range telemetry.Hour(hours) {
		l.write(first+i, "a.tsv", sighting(first+i, 1, "p1", "1.0"), sighting(first+i, 2, "p2", "1.1"), "not a line")
	}
	l.write(large, "b.tsv", strings.Repeat(sighting(large, 3, "p3", "2.0")+"\n", 40_000))
	l.write(torn, "b.tsv.gz", "\x1f\x8b\x08torn")
	key := changed.Folder() + "/a.tsv"
	l.source = unsteady{Source: l.source, key: key, once: new(sync.Once), change: func() {
		l.write(changed, "a.tsv", sighting(changed, 1, "p1", "3.0"), sighting(changed, 2, "p4", "4.0"))
	}}
	l.work(t)
	var result ranges.Progress
	input := ranges.ReprocessInput{From: first.String(), To: (first + hours + 2).String(), Parallel: 2}
	run := l.start(t.Context(), "range", ranges.ReprocessRange, input)
	require.NoError(t, run.Get(t.Context(), &result))
	require.Len(t, result.LeftOut, 1)
	require.Contains(t, result.LeftOut[0], torn.Folder()+"/b.tsv.gz: corrupt")
	result.LeftOut = nil
	require.Equal(t, ranges.Progress{
		Hours: hours + 2, Done: hours + 2, Ran: hours, Empty: 2, Degraded: 1, Lines: 3*hours - 1 + 40_001,
		Rejects: hours - 1,
	}, result)
	l.awaitClosed(t, 2, "WorkflowType = 'IngestHours' AND ExecutionStatus = 'Completed'")
	l.awaitClosed(t, 2, "WorkflowType = 'IngestHour' AND ExecutionStatus = 'Completed'")
	require.Equal(t, []string{"1.0", "3.0", "1.0"}, l.history(t.Context(), "p1"))
	require.Equal(t, []string{"2.0"}, l.history(t.Context(), "p3"))
	require.Equal(t, []string{"4.0"}, l.history(t.Context(), "p4"))
	count, err := l.client.CountWorkflow(t.Context(), countRequest("WorkflowType = 'IngestHour'"))
	require.NoError(t, err)
	require.EqualValues(t, 2, count.Count, "only the large hour and the one that changed run alone")
	status, err := status.Read(t.Context(), l.lake)
	require.NoError(t, err)
	for _, table := range status.Tables {
		if table.Name == "silver.sightings" {
			require.LessOrEqual(t, table.Snapshots, 4)
		}
	}
	_, err = verify.Run(t.Context(), l.lake, verify.Options{},
		func(d verify.Difference) error { return errors.New(d.Text) })
	require.NoError(t, err)

	// Silver from bronze, likewise.
	input.Layer, input.To = "silver", (first + hours).String()
	run = l.start(t.Context(), "range-silver", ranges.ReprocessRange, input)
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, hours, result.Done)
	l.awaitClosed(t, 4, "WorkflowType = 'IngestHours' AND ExecutionStatus = 'Completed'")
	_, err = verify.Run(t.Context(), l.lake, verify.Options{},
		func(d verify.Difference) error { return errors.New(d.Text) })
	require.NoError(t, err)
}

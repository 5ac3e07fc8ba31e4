package worker_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/workflows/erasure"
)

// mentions are the files below a folder that hold a text as it is.
func mentions(t *testing.T, folder, text string) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// TestForgetEndToEnd: neither the lake nor Temporal keeps who was forgotten; a new session of the user takes its
// earlier hours along.
func TestForgetEndToEnd(t *testing.T) {
	const gone = "player-7f3a91c0"
	l := startLocal(t)
	l.work(t)
	ctx := t.Context()
	first := hour(t, "2022-05-27T05")
	unnamed := strings.NewReplacer(", 'UserId': '"+gone+"'", "", "session-"+gone, "session-of-tomorrow")
	l.write(first, "a.tsv", sighting(first, 1, gone, "1.0"), sighting(first, 2, "p2", "1.0"),
		unnamed.Replace(sighting(first, 3, gone, "1.0")))
	l.ingest(ctx, first)
	root := filepath.Dir(l.dir)

	hash, err := forget.BeginForget(ctx, l.lake, gone)
	require.NoError(t, err)
	var result erasure.Result
	run := l.start(ctx, forgotten.ForgetName(hash), erasure.ForgetUser, erasure.Input{Erasure: hash})
	require.NoError(t, run.Get(ctx, &result))
	require.Equal(t, forgotten.ErasureDone, result.Erasure.State)
	require.Equal(t, int64(1), result.Erasure.Sessions)

	again := l.ingest(ctx, first)
	require.Equal(t, int64(1), again.Hour.Erased)
	require.Equal(t, int64(2), again.Hour.Events)
	require.False(t, l.has(t, gone))
	require.True(t, l.has(t, "session:session-of-tomorrow"))

	// The session that nobody was known to own turns out to be the user's.
	l.write(first+1, "a.tsv", strings.ReplaceAll(sighting(first+1, 1, gone, "1.1"), "session-"+gone,
		"session-of-tomorrow"), sighting(first+1, 2, "p2", "1.1"))
	later := l.ingest(ctx, first+1)
	require.Equal(t, int64(1), later.Hour.Erased)
	l.awaitClosed(t, 2, "WorkflowType = 'ForgetUser' AND ExecutionStatus = 'Completed'")
	require.False(t, l.has(t, "session:session-of-tomorrow"))
	require.Equal(t, []string{"1.0", "1.1"}, l.history(ctx, "p2"))
	erasures, err := forgotten.Erasures(ctx, l.lake)
	require.NoError(t, err)
	require.Len(t, erasures, 1)
	require.Equal(t, forgotten.ErasureDone, erasures[0].State)
	require.Equal(t, int64(2), erasures[0].Sessions)

	require.Eventually(t, func() bool {
		return len(mentions(t, filepath.Join(root, "warehouse"), gone))+
			len(mentions(t, filepath.Join(root, "warehouse"), "session-of-tomorrow")) == 0
	}, time.Minute, 100*time.Millisecond)
	for _, path := range append(mentions(t, root, gone), mentions(t, root, "session-of-tomorrow")...) {
		require.True(t, strings.HasPrefix(path, l.dir), "%s names who was forgotten", path)
	}
}

// has tells whether gold has a row of a user.
func (l *local) has(t *testing.T, user string) bool {
	t.Helper()
	version, err := gold.FindVersion(t.Context(), l.lake, "")
	require.NoError(t, err)
	_, found, err := gold.User(t.Context(), l.lake, version, user)
	require.NoError(t, err)
	return found
}

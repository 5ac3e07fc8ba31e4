package settings

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
)

// asked are the settings of a command line on a folder, as they are when the command runs, and what it says on stderr.
func asked(t *testing.T, dir string, args ...string) (*Settings, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	s := New(terminal.NewOutput(&stderr), terminal.NewOutput(&stderr))
	root := &cobra.Command{Use: "versionlake"}
	s.AddFlags(root)
	root.RunE = func(cmd *cobra.Command, _ []string) error { return s.Read(cmd) }
	root.SetArgs(append(args, "--dir", dir))
	require.NoError(t, root.Execute())
	return s, &stderr
}

// TestKeptSettings: what decides the meaning of hours is of the lake from its first write on. A command that says
// nothing follows it; one that says otherwise is told, and what hours that were read before need.
func TestKeptSettings(t *testing.T) {
	dir := t.TempDir()
	events := filepath.Join(dir, "events.json")
	require.NoError(t, os.WriteFile(events, []byte("{\n  \"absent\": [\"nobody\"]\n}\n"), 0o644))
	first, _ := asked(t, dir)
	l, err := first.OpenLake(t.Context())
	require.NoError(t, err)
	defer l.Close()
	keep := func(args ...string) (*Settings, string) {
		s, stderr := asked(t, dir, args...)
		require.NoError(t, s.Keep(t.Context(), l))
		return s, stderr.String()
	}

	_, says := keep("--events", events, "--max-past", "48h", "--layout", "dt={YYYY}{MM}{DD}/{HH}",
		"--sessions-by-service")
	require.Empty(t, says, "the first write keeps, and has nothing to say")

	s, says := keep()
	require.Empty(t, says)
	require.Equal(t, 48*time.Hour, s.maxPast)
	require.Equal(t, telemetry.DefaultMaxFuture, s.maxFuture)
	require.Equal(t, []string{"dt={YYYY}{MM}{DD}/{HH}"}, s.layouts)
	require.True(t, s.byService)
	catalogue, err := s.catalogue()
	require.NoError(t, err)
	require.Equal(t, []string{"nobody"}, catalogue.Absent)

	_, says = keep("--max-past", "72h")
	require.Contains(t, says,
		"--max-past is 72h0m0s here, and this lake was written with 48h0m0s: it counts from now on")
	require.Contains(t, says, "reprocess --all")
	s, says = keep()
	require.Empty(t, says)
	require.Equal(t, 72*time.Hour, s.maxPast)

	t.Setenv("VERSIONLAKE_LAYOUT", "{YYYY}/{MM}/{DD}/{HH}")
	_, says = keep("--sessions-by-service=false")
	require.Contains(t, says, "--layout is {YYYY}/{MM}/{DD}/{HH} here")
	require.Contains(t, says, "--sessions-by-service is false here")

	reader, stderr := asked(t, dir, "--max-past", "96h")
	differences, err := reader.takeKept(t.Context(), l)
	require.NoError(t, err)
	require.Len(t, differences, 1)
	require.Equal(t, 96*time.Hour, reader.maxPast, "a command that reads may look with other eyes")
	require.Empty(t, stderr.String())
	require.ErrorContains(t, reader.RefuseOthers(t.Context(), "a worker"), "start its worker with --max-past")
	s, _ = keep()
	require.Equal(t, 72*time.Hour, s.maxPast, "a command that reads keeps nothing")
}

package upkeep_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
)

// TestRepairCommand: what verify can't read has an exit code of its own, and repair mends it with a server of its own.
func TestRepairCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Temporal servers")
	}
	groups := programtest.Groups{intake.Commands, ask.Commands, upkeep.Commands}
	dir, source := filepath.Join(t.TempDir(), "lake"), t.TempDir()
	hour := filepath.Join(source, "2022", "05", "27", "05")
	require.NoError(t, os.MkdirAll(hour, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(hour, "a.tsv"),
		[]byte("Telemetry\t2022-05-27T05:10:00Z\tApp\ts1\t1\t"+
			"{'Name': 'SoftwareVersion', 'Version': '1.0', 'UserId': 'p1'}\n"), 0o600))
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := groups.Run(t, append(args, "--dir", dir)...)
		require.Equal(t, want, code, stdout+stderr)
		return stdout, stderr
	}
	run(program.ExitOK, "ingest", "2022-05-27T05", "--source", source)
	answer, _ := run(program.ExitOK, "history", "p1")
	for _, damaged := range []string{"bronze/events/data/*/*/*.parquet", "silver/sightings/data/*/*.parquet",
		"gold/users/data/*/*.parquet", "gold/users/metadata/0000*.metadata.json"} {
		files, err := filepath.Glob(filepath.Join(dir, "warehouse", filepath.FromSlash(damaged)))
		require.NoError(t, err)
		require.NotEmpty(t, files, damaged)
		if filepath.Ext(damaged) == ".json" {
			files = files[len(files)-1:] // the present one; of data files, superseded ones go, too
		}
		for _, file := range files {
			require.NoError(t, os.Remove(file))
		}
		stdout, stderr := run(program.ExitUnreadable, "verify")
		require.Contains(t, stdout, " is missing")
		require.Contains(t, stderr, "versionlake repair")
		run(program.ExitOK, "repair", "--source", source)
		run(program.ExitOK, "verify")
		again, _ := run(program.ExitOK, "history", "p1")
		require.Equal(t, answer, again)
	}
}

package intake_test

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

// TestRemoveGone: files that left the source stay in the lake until somebody says that their rows shall go, and has
// seen what that is.
//
//nolint:funlen // the story of one lake, in which each step counts on those before it
func TestRemoveGone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	run := programtest.Groups{ask.Commands, intake.Commands, upkeep.Commands}.Run
	root := t.TempDir()
	source, dir := filepath.Join(root, "source"), filepath.Join(root, "lake")
	folder := func(hour string) string { return filepath.Join(source, "2022", "05", "27", hour) }
	for hour, version := range map[string]string{"05": "1.05", "06": "1.06", "07": "1.07"} {
		require.NoError(t, os.MkdirAll(folder(hour), 0o755))
		line := "Telemetry\t2022-05-27T" + hour + ":10:00Z\tApp\tS" +
			hour + "\t1\t{'Name': 'SoftwareVersion', 'Version': '" + version + "', 'UserId': 'kim'}\n"
		if hour == "06" {
			line += "Telemetry\t2022-05-27T06:20:00Z\tApp\tS\t1\t{'Name': 'SoftwareVersion', 'Version': '2.00'}\n" +
				"Telemetry\t2022-05-27T06:30:00Z\tApp\tS\t1\t{'Name': 'Login', 'UserId': 'lee'}\nbroken\n"
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder(hour), "a.tsv"), []byte(line), 0o644))
	}
	day := []string{"--date", "2022-05-27", "--source", source, "--dir", dir}
	ok := func(args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := run(t, args...)
		require.Equal(t, program.ExitOK, code, stderr)
		return stdout, stderr
	}
	refused := func(says string, args ...string) {
		t.Helper()
		code, _, stderr := run(t, args...)
		require.NotEqual(t, program.ExitOK, code)
		require.Contains(t, stderr, says)
	}
	history := func() string { stdout, _ := ok("history", "--all", "--output", "json", "--dir", dir); return stdout }
	ok(append([]string{"reprocess"}, day...)...)
	whole := history()
	require.NoError(t, os.RemoveAll(folder("05")))
	require.NoError(t, os.RemoveAll(folder("06")))

	_, stderr := ok(append([]string{"reconcile"}, day...)...)
	require.Contains(t, stderr, "2 files of 2 hours have left the source: their rows stay")
	stdout, _ := ok("status", "--dir", dir)
	require.Contains(t, stdout, "2 files of 2 hours have left the source, and their 5 rows stay:")
	require.Contains(t, stdout, "2022/05/27/06/a.tsv: 4 rows")
	stdout, _ = ok("status", "--gone", "--dir", dir)
	require.Contains(t, stdout, "2022/05/27/05/a.tsv")
	_, stderr = ok(append([]string{"reprocess"}, day...)...)
	require.Contains(t, stderr, "2 files of these hours have left the source")
	require.Equal(t, whole, history())

	for _, command := range []string{"reconcile", "reprocess"} {
		refused("--yes takes the rows out", append([]string{command, "--remove-gone"}, day...)...)
		stdout, stderr = ok(append([]string{command, "--remove-gone", "--dry-run"}, day...)...)
		require.Contains(t, stderr, "--remove-gone takes out 5 rows of 2 files in 2 hours, with sightings of 2 users")
		require.Empty(t, stdout)
		refused("--yes and --dry-run exclude each other",
			append([]string{command, "--remove-gone", "--dry-run", "--yes"}, day...)...)
		refused("go with --remove-gone", append([]string{command, "--yes"}, day...)...)
	}
	refused("--layer bronze", append([]string{"reprocess", "--remove-gone", "--layer", "silver"}, day...)...)
	stdout, _ = ok(append([]string{"reprocess", "--remove-gone", "--dry-run", "--output", "json"}, day...)...)
	require.Contains(t, stdout, `"hours":2,"files":2,"events":4,"rejects":1,"users":2`)
	require.Equal(t, whole, history())

	_, stderr = ok("ingest", "2022-05-27T05", "--remove-gone", "--yes", "--source", source, "--dir", dir)
	require.Contains(t, stderr, "takes out 1 row of 1 file in 1 hour, with sightings of 1 user")
	require.NotContains(t, history(), "1.05")
	require.Contains(t, history(), "1.06")
	ok(append([]string{"reconcile", "--remove-gone", "--yes"}, day...)...)
	require.NotContains(t, history(), "lee")
	require.Contains(t, history(), "1.07")
	stdout, _ = ok("status", "--dir", dir)
	require.NotContains(t, stdout, "have left the source")
	require.Contains(t, stdout, "24 hours")
	ok("verify", "--dir", dir)

	// A disk that is not mounted, a folder above it: nothing changes, whatever is asked for.
	hours := func() string { stdout, _ := ok("status", "--hours", "--output", "json", "--dir", dir); return stdout }
	before, ledger := history(), hours()
	commands := [][]string{{"reprocess", "--date", "2022-05-27"}, {"ingest", "2022-05-27T07"}, {"reprocess", "--all"},
		{"reconcile", "--date", "2022-05-27"}}
	for n, wrong := range []string{t.TempDir(), root, folder("07")} {
		for _, args := range commands[:max(1, len(commands)>>(2*n))] {
			refused("the source has no folder of an hour", append(args, "--source", wrong, "--dir", dir)...)
			refused("the source has no folder of an hour",
				append(args, "--remove-gone", "--yes", "--source", wrong, "--dir", dir)...)
		}
	}
	require.Equal(t, before, history())
	require.Equal(t, ledger, hours())
}

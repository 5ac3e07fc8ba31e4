package doctor_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/doctor"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/lake/laketest"
)

// diskUsed is the share that is used of the disks that doctor sees here.
var diskUsed = 0.5

// states runs doctor, and gives the state and the text of each check.
func states(t *testing.T, want int, args ...string) (state, said map[string]string) {
	t.Helper()
	code, stdout, stderr := programtest.Groups{doctor.OnDisk(&diskUsed)}.Run(t, append([]string{"doctor", "-o", "json"},
		args...)...)
	require.Equal(t, want, code, stdout+stderr)
	state, said = map[string]string{}, map[string]string{}
	for line := range strings.Lines(stdout) {
		var found struct{ Check, State, Found, Do, Why string }
		require.NoError(t, json.Unmarshal([]byte(line), &found))
		state[found.Check], said[found.Check] = found.State, found.Found+": "+found.Do+found.Why
	}
	return state, said
}

// TestDoctor breaks one thing after the other, and looks which line says so.
func TestDoctor(t *testing.T) {
	laketest.InCheckout(t, "lake") // where the program of Temporal is found
	server := filepath.Join(t.TempDir(), "temporal")
	require.NoError(t, os.WriteFile(server, []byte("#!/bin/sh\necho temporal version 0\n"), 0o700))
	t.Setenv("VERSIONLAKE_TEMPORAL_CLI", server)
	t.Setenv("PGPASSFILE", "")
	dir := filepath.Join(t.TempDir(), "none")
	state, _ := states(t, program.ExitOK, "--dir", dir)
	require.Equal(t, map[string]string{"settings": "ok", "source": "note", "catalog": "note", "warehouse": "note",
		"temporal": "ok", "trino": "note", "clocks": "note", "rights": "ok", "disk": "ok"}, state)
	require.NoDirExists(t, dir)

	dir = filepath.Join(laketest.UnpackLake(t, "94ca12a"), "lake")
	require.NoError(t, os.Chmod(dir, 0o700))
	source := t.TempDir()
	hour := filepath.Join(source, "2022", "05", "27", "05")
	require.NoError(t, os.MkdirAll(hour, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(hour, "a.tsv"), []byte("x\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "versionlake.yaml"), []byte("source: "+source), 0o600))
	state, said := states(t, program.ExitOK, "--dir", dir)
	for _, check := range []string{"settings", "source", "layout", "warehouse", "clocks", "rights"} {
		require.Equal(t, "ok", state[check], said[check])
	}
	require.Equal(t, "warning", state["catalog"], "an earlier version wrote it")
	require.Contains(t, said["catalog"], "versionlake upgrade")
	require.Contains(t, said["source"], "2022/05/27/05/a.tsv")
	require.Contains(t, said["lines"], "of the first 1 line of 2022/05/27/05/a.tsv, 1 can't be read, by the reasons "+
		"[fields]")
	line := "Telemetry\t2022-05-27T05:10:00Z\tApp\ts1\t1\t{'Name': 'AppStarted', 'Version': 1.0}\n"
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(hour, "a.tsv"), []byte(text), 0o600))
	}
	write(line)
	state, said = states(t, program.ExitOK, "--dir", dir)
	require.Equal(t, "warning", state["lines"])
	require.Contains(t, said["lines"], "none tells a version; their events are AppStarted: if one of these does, "+
		"name it with --events")
	write(strings.Repeat(strings.Replace(line, "AppStarted", "SoftwareVersion", 1), 900) + "x\n")
	state, said = states(t, program.ExitOK, "--dir", dir)
	require.Equal(t, "ok", state["lines"], said["lines"])
	require.Contains(t, said["lines"], "of the first 901 lines of 2022/05/27/05/a.tsv, 900 are read, and 900 tell a")
	write(strings.Repeat(strings.Replace(line, "AppStarted", "SoftwareVersion", 1), 9000))
	_, said = states(t, program.ExitOK, "--dir", dir)
	require.Contains(t, said["lines"], "of the first 1000 lines of 2022/05/27/05/a.tsv, 1000 are read")
	left, err := filepath.Glob(filepath.Join(dir, "warehouse", "_staging", "checks", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "it takes its object away")

	require.NoError(t, os.Rename(filepath.Join(source, "2022"), filepath.Join(source, "y2022")))
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Setenv("VERSIONLAKE_TRINO_URL", "localhost:8080")
	t.Setenv("VERSIONLAKE_TEMPORAL_CLI", filepath.Join(dir, "missing"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "warehouse", "gold", "users", "metadata")))
	state, said = states(t, program.ExitError, "--dir", dir)
	for check, want := range map[string]string{"source": "ok", "layout": "wrong", "catalog": "wrong",
		"temporal": "wrong", "trino": "wrong", "rights": "warning"} {
		require.Equal(t, want, state[check], said[check])
	}
	require.Contains(t, said["layout"], "--layout")
	require.Contains(t, said["temporal"], "VERSIONLAKE_TEMPORAL_CLI")
	require.Contains(t, said["rights"], "chmod")
	require.Contains(t, said["catalog"], "versionlake repair")
}

func TestFullDisk(t *testing.T) {
	laketest.InCheckout(t, "lake")
	t.Cleanup(func() { diskUsed = 0.5 })
	dir := t.TempDir()
	for used, want := range map[float64]string{0.89: "ok", 0.9: "warning", 0.97: "wrong"} {
		diskUsed = used
		exit := program.ExitOK
		if want == "wrong" {
			exit = program.ExitError
		}
		t.Setenv("VERSIONLAKE_TEMPORAL_CLI", "/bin/true")
		t.Setenv("PGPASSFILE", "")
		state, said := states(t, exit, "--dir", dir)
		require.Equal(t, want, state["disk"], said["disk"])
	}
}

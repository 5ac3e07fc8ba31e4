package session_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
)

// TestOwnServer: on a fresh machine, one command brings an hour in, and others answer.
//
//nolint:funlen // one lake goes through all of it: each server of its own takes seconds to start
func TestOwnServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	run := programtest.Groups{ask.Commands, intake.Commands, upkeep.Commands}.Run
	root := t.TempDir()
	source, dir := filepath.Join(root, "a source"), filepath.Join(root, "a lake")
	folder := filepath.Join(source, "2021", "12", "24", "11")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	line := "Info\t2021-12-24T11:31:19.459+0000\tClientApp\t28E9\t2\t{'Name': 'SoftwareVersion', 'Device': " +
		"'Gameboy', 'Version': 1.22.03}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.tsv"), []byte(line), 0o644))

	code, stdout, stderr := run(t, "ingest", "2021-12-24T11", "--source", source, "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stdout, "complete")
	require.NoFileExists(t, filepath.Join(dir, "dev.json"), "nothing is left running")

	code, stdout, stderr = run(t, "history", "--all", "--dir", dir, "--output", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t,
		`{"user_id":"session:28E9","user_kind":"session","history":[{"service":"ClientApp","device":"Gameboy",`+
			`"version":"1.22.03","valid_from":"2021-12-24T11:31:19.459Z","valid_to":null,`+
			`"last_seen_at":"2021-12-24T11:31:19.459Z","sightings":1,"is_downgrade":false}]}`+"\n", stdout)

	code, stdout, stderr = run(t, "at", "session:28E9", "2021-12-24T11:31:19.459Z", "--dir", dir, "--as-of",
		"hour-2021-12-24T11")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stdout, "1.22.03")

	code, _, stderr = run(t, "at", "session:28E9", "2021-12-24T12:00:00Z", "--dir", dir,
		"--as-of", "hour-1999-01-01T00")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "versionlake status")

	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "perhaps")
	code, _, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, program.ExitUsage, code, stderr)
	require.Contains(t, stderr, "VERSIONLAKE_SESSIONS_BY_SERVICE is not a value")
	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "true")
	code, stdout, _ = run(t, "verify", "--dir", dir)
	require.Equal(t, program.ExitError, code, "sessions are told apart otherwise than the hour was read")
	require.Contains(t, stdout, "silver.sightings")
	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "false")

	code, stdout, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stdout, "checked 1 hour: 1 version of files; 1 event and 0 rejects in bronze")
	require.Contains(t, stdout, "\n0 differences\n")

	// With other names for events, the very same lines make other rows.
	events := filepath.Join(root, "events.json")
	require.NoError(t, os.WriteFile(events, []byte(`{"events": {"SoftwareVersion": []}}`), 0o644))
	code, stdout, stderr = run(t, "verify", "--dir", dir, "--events", events, "--output", "json")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stdout,
		`{"rule":1,"table":"silver.sightings","hour":"2021-12-24T11","file":"2021/12/24/11/a.tsv:1",`+
			`"text":"silver has a row too many`)
	require.Contains(t, stdout, `"differences":2,`)
	require.Contains(t, stderr, "2 differences found")

	noon := filepath.Join(source, "2021", "12", "24", "12")
	require.NoError(t, os.MkdirAll(noon, 0o755))
	lines := strings.ReplaceAll(line, "T11", "T12") + strings.ReplaceAll(line, "T11", "T12") +
		"Info\t2021-12-24T12:32:00.000+0000\tClientApp\t77AA\t2\t{'Name': 'Login', 'UserId': 'p1'}\n"
	lines = strings.Replace(lines, "28E9", "77AA", 1)
	require.NoError(t, os.WriteFile(filepath.Join(noon, "a.tsv"), []byte(lines), 0o644))
	code, _, stderr = run(t, "ingest", "2021-12-24T12", "--source", source, "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)

	// What reads no source works when it is gone, too.
	require.NoError(t, os.RemoveAll(source))
	for _, command := range [][]string{
		{"reprocess", "--all", "--layer", "silver"}, {"reprocess", "--all", "--layer", "gold"}, {"maintain"}, {"daily",
			"--refresh"}, {"history", "p1"}, {"forget", "p1", "--yes"},
	} {
		code, stdout, stderr = run(t, append(command, "--dir", dir)...)
		require.Equal(t, program.ExitOK, code, "%s: %s%s", command, stdout, stderr)
	}
	code, stdout, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.NotContains(t, stdout, "lag behind", "the daily aggregates know of the erasure")
	require.Contains(t, stdout, "checked gold: 1 user;")
	code, _, stderr = run(t, "reprocess", "--all", "--dir", dir)
	require.Equal(t, program.ExitUsage, code)
	require.Contains(t, stderr, "the source is missing")

	code, _, stderr = run(t, "history", "nobody", "--dir", dir)
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, `no user "nobody"`)
}

// onWords calls a function once when words are written.
type onWords struct {
	words string
	do    func() error
	seen  bytes.Buffer
}

func (w *onWords) Write(text []byte) (int, error) {
	w.seen.Write(text)
	if w.do != nil && strings.Contains(w.seen.String(), w.words) {
		if err := w.do(); err != nil {
			return 0, err
		}
		w.do = nil
	}
	return len(text), nil
}

// TestWaitForTheFolder: a command waits while another process has --dir and does not answer, and goes on once it is
// gone, whatever that one left.
func TestWaitForTheFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	source, dir := t.TempDir(), t.TempDir()
	folder := filepath.Join(source, "2021", "12", "24", "11")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.tsv"), []byte("no line\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dev.json"), []byte(`{"address": "127.0.0.1:1"}`), 0o600))
	unlock, err := session.Lock(&settings.Settings{Dir: dir})
	require.NoError(t, err)
	var out bytes.Buffer
	stderr := onWords{words: "waiting for it to answer, or to end", do: unlock}
	code := program.Execute(t.Context(), []string{"ingest", "2021-12-24T11", "--source", source, "--dir", dir},
		&out, &stderr, intake.Commands)
	require.Equal(t, program.ExitOK, code, stderr.seen.String())
	require.Nil(t, stderr.do, "it waited")
	require.Contains(t, out.String(), "2021-12-24T11")
}

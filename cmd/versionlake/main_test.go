package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/terminal"
)

// run executes a command line as a user would, without the settings of whoever runs the tests.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for _, variable := range []string{"VERSIONLAKE_DIR", "VERSIONLAKE_SOURCE", "VERSIONLAKE_WAREHOUSE",
		"VERSIONLAKE_CATALOG", "VERSIONLAKE_EVENTS", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"} {
		t.Setenv(variable, "")
	}
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	var out, errors bytes.Buffer
	code = execute(t.Context(), args, &out, &errors)
	return code, out.String(), errors.String()
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	events := filepath.Join(dir, "events.json")
	require.NoError(t, os.WriteFile(events, []byte(`{"events": {"Softwareversion": ["Version"]}}`), 0o600))
	absent := filepath.Join(dir, "absent.json")
	require.NoError(t, os.WriteFile(absent, []byte(`{"absent": ["null "]}`), fileRights))
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"forget-me-not"}, `no command "forget-me-not"`},
		{[]string{"ingest"}, "accepts 1 arg"},
		{[]string{"ingest", "yesterday"}, "2022-05-27T05"},
		{[]string{"ingest", "2022-05-27T05"}, "--source"},
		{[]string{"ingest", "2022-05-27T05", "--source", dir, "--detach"}, "versionlake dev"},
		{[]string{"reprocess", "--from", "2022-05-27T05"}, "--from and --to"},
		{[]string{"reprocess", "--from", "2022-05-27T05", "--to", "2022-05-27T05"}, "exclusive"},
		{[]string{"reprocess", "--all", "--layer", "copper"}, "bronze, silver, gold"},
		{[]string{"reprocess", "--all", "--date", "2022-05-27"}, "--all"},
		{[]string{"reprocess", "--date", "May"}, "2022-05-27"},
		{[]string{"reprocess", "--date", "2022-05-27", "--from", "2022-05-27"}, "date"},
		{[]string{"history"}, "a user, or --all"},
		{[]string{"history", "p1", "--all"}, "a user, or --all"},
		{[]string{"at", "p1", "noon"}, "RFC 3339"},
		{[]string{"status", "--hours", "--from", "x"}, "--from"},
		{[]string{"reconcile"}, "--from and --to"},
		{[]string{"status", "--hours", "--versions"}, "hours versions"},
		{[]string{"verify", "--from", "2022-05-27T05"}, "--from and --to"},
		{[]string{"verify", "--from", "2022-05-27T05", "--to", "2022-05-27T05"}, "exclusive"},
		{[]string{"forget"}, "a user, or --list"},
		{[]string{"forget", "p1", "--list"}, "a user, or --list"},
		{[]string{"forget", "--list", "--yes"}, "alone"},
		{[]string{"status", "--output", "xml"}, "neither table nor json"},
		{[]string{"status", "--colour"}, "unknown flag"},
		{[]string{"trino"}, "up, down, status or views"},
		{[]string{"trino", "sideways"}, `unknown command "sideways"`},
		{[]string{"trino", "up", "now"}, "unknown command"},
		{[]string{"sql", " ; "}, "empty"},
		{[]string{"dev", "--source", dir, "--log-level", "loud"}, "debug, info"},
		{[]string{"generate", dir, "--from", "x"}, "--from"},
		{[]string{"dev", "--source", dir, "--events", filepath.Join(dir, "none.json")}, "none.json"},
		{[]string{"dev", "--source", dir, "--events", events}, "Softwareversion"},
		{[]string{"dev", "--source", dir, "--events", absent}, `"null " is no placeholder`},
		{[]string{"dev", "--source", dir, "--max-past", "0s"}, "above 0"},
		{[]string{"dev", "--source", dir, "--max-past", "five"}, "invalid"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			code, stdout, stderr := run(t, append(test.args, "--dir", filepath.Join(dir, "lake"))...)
			require.Equal(t, exitUsage, code, stderr)
			require.Contains(t, stderr, test.says)
			require.Empty(t, stdout)
		})
	}
}

// TestRanges: days stand for their hours.
func TestRanges(t *testing.T) {
	for _, test := range []struct {
		from, to, date string
		first, end     string
	}{
		{"2022-05-27T05", "2022-05-27T07", "", "2022-05-27T05", "2022-05-27T07"},
		{"2022-05-27", "2022-06-01T03", "", "2022-05-27T00", "2022-06-01T03"},
		{"", "", "2024-02-29", "2024-02-29T00", "2024-03-01T00"},
	} {
		first, end, err := (&window{from: test.from, to: test.to, date: test.date}).parse()
		require.NoError(t, err)
		require.Equal(t, test.first, first.String())
		require.Equal(t, test.end, end.String())
	}
}

func TestNoLakeYet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	for _, args := range [][]string{{"status"}, {"verify"}, {"forget", "p1"}, {"forget", "--list"}, {"history", "p1"},
		{"at", "p1", "2021-12-24T12:00:00Z"}} {
		code, _, stderr := run(t, append(args, "--dir", dir)...)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "ingest an hour first")
		require.NoDirExists(t, dir, "a read leaves nothing behind")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := execute(ctx, []string{"generate", t.TempDir()}, &stdout, &stderr)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr.String(), "cancelled")
}

func TestEveryCommandHasExamples(t *testing.T) {
	for _, command := range newRootCommand(terminal.NewOutput(os.Stdout), terminal.NewOutput(os.Stderr)).Commands() {
		require.Contains(t, command.Example, "versionlake "+command.Name())
		require.NotEmpty(t, command.Short)
	}
}

// TestHistoryFormat: other programs read this, byte for byte.
func TestHistoryFormat(t *testing.T) {
	at := func(text string) int64 {
		moment, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return moment.UnixMicro()
	}
	user := history.Build("p<1>&", history.KindUser, []history.Sighting{
		{Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.03",
			Time: at("2021-12-24T11:31:19.459Z")},
		{Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.02",
			Time: at("2021-12-25T00:00:00Z")},
		{Service: "Other", Version: "7", Time: at("2021-12-25T00:00:00.000001Z")},
		{Service: "Other", Version: "unknown", Time: at("2021-12-26T00:00:00Z")},
	})
	var stdout bytes.Buffer
	s := &settings{output: outputJSON, stdout: terminal.NewOutput(&stdout)}
	require.NoError(t, addHistory(s.newPrinter(), &user, true))
	require.Equal(t, `{"user_id":"p<1>&","user_kind":"user","history":[`+
		`{"service":"ClientApp","device":"Gameboy","version":"1.22.03","valid_from":"2021-12-24T11:31:19.459Z","valid_to":"2021-12-25T00:00:00Z","last_seen_at":"2021-12-24T11:31:19.459Z","sightings":1,"is_downgrade":false},`+
		`{"service":"ClientApp","device":"Gameboy","version":"1.22.02","valid_from":"2021-12-25T00:00:00Z","valid_to":null,"last_seen_at":"2021-12-25T00:00:00Z","sightings":1,"is_downgrade":true},`+
		`{"service":"Other","device":null,"version":"7","valid_from":"2021-12-25T00:00:00.000001Z","valid_to":"2021-12-26T00:00:00Z","last_seen_at":"2021-12-25T00:00:00.000001Z","sightings":1,"is_downgrade":false},`+
		`{"service":"Other","device":null,"version":"unknown","valid_from":"2021-12-26T00:00:00Z","valid_to":null,"last_seen_at":"2021-12-26T00:00:00Z","sightings":1,"is_downgrade":null}]}`+"\n",
		stdout.String())
}

// TestOwnServer: on a fresh machine, one command brings an hour in, and others answer.
func TestOwnServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	root := t.TempDir()
	source, dir := filepath.Join(root, "a source"), filepath.Join(root, "a lake")
	folder := filepath.Join(source, "2021", "12", "24", "11")
	require.NoError(t, os.MkdirAll(folder, dirRights))
	line := "Info\t2021-12-24T11:31:19.459+0000\tClientApp\t28E9\t2\t{'Name': 'SoftwareVersion', 'Device': " +
		"'Gameboy', 'Version': 1.22.03}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.tsv"), []byte(line), fileRights))

	code, stdout, stderr := run(t, "ingest", "2021-12-24T11", "--source", source, "--dir", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "complete")
	require.NoFileExists(t, filepath.Join(dir, "dev.json"), "nothing is left running")

	code, stdout, stderr = run(t, "history", "--all", "--dir", dir, "--output", "json")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t,
		`{"user_id":"session:28E9","user_kind":"session","history":[{"service":"ClientApp","device":"Gameboy","version":"1.22.03",`+
			`"valid_from":"2021-12-24T11:31:19.459Z","valid_to":null,"last_seen_at":"2021-12-24T11:31:19.459Z","sightings":1,"is_downgrade":false}]}`+"\n", stdout)

	code, stdout, stderr = run(t, "at", "session:28E9", "2021-12-24T11:31:19.459Z", "--dir", dir, "--as-of",
		"hour-2021-12-24T11")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "1.22.03")

	code, _, stderr = run(t, "at", "session:28E9", "2021-12-24T12:00:00Z", "--dir", dir,
		"--as-of", "hour-1999-01-01T00")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "versionlake status")

	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "perhaps")
	code, _, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, exitUsage, code, stderr)
	require.Contains(t, stderr, "VERSIONLAKE_SESSIONS_BY_SERVICE is not a value")
	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "true")
	code, stdout, _ = run(t, "verify", "--dir", dir)
	require.Equal(t, exitError, code, "sessions are told apart otherwise than the hour was read")
	require.Contains(t, stdout, "silver.sightings")
	t.Setenv("VERSIONLAKE_SESSIONS_BY_SERVICE", "false")

	code, stdout, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "checked 1 hour: 1 version of files; 1 event and 0 rejects in bronze")
	require.Contains(t, stdout, "\n0 differences\n")

	// With other names for events, the very same lines make other rows.
	events := filepath.Join(root, "events.json")
	require.NoError(t, os.WriteFile(events, []byte(`{"events": {"SoftwareVersion": []}}`), fileRights))
	code, stdout, stderr = run(t, "verify", "--dir", dir, "--events", events, "--output", "json")
	require.Equal(t, exitError, code)
	require.Contains(t, stdout,
		`{"rule":1,"table":"silver.sightings","hour":"2021-12-24T11","file":"2021/12/24/11/a.tsv:1","text":"silver has a row too many`)
	require.Contains(t, stdout, `"differences":2,`)
	require.Contains(t, stderr, "2 differences found")

	noon := filepath.Join(source, "2021", "12", "24", "12")
	require.NoError(t, os.MkdirAll(noon, dirRights))
	lines := strings.ReplaceAll(line, "T11", "T12") + strings.ReplaceAll(line, "T11", "T12") +
		"Info\t2021-12-24T12:32:00.000+0000\tClientApp\t77AA\t2\t{'Name': 'Login', 'UserId': 'p1'}\n"
	lines = strings.Replace(lines, "28E9", "77AA", 1)
	require.NoError(t, os.WriteFile(filepath.Join(noon, "a.tsv"), []byte(lines), fileRights))
	code, _, stderr = run(t, "ingest", "2021-12-24T12", "--source", source, "--dir", dir)
	require.Equal(t, exitOK, code, stderr)

	// What reads no source works when it is gone, too.
	require.NoError(t, os.RemoveAll(source))
	for _, command := range [][]string{
		{"reprocess", "--all", "--layer", "silver"}, {"reprocess", "--all", "--layer", "gold"}, {"maintain"}, {"daily",
			"--refresh"}, {"history", "p1"}, {"forget", "p1", "--yes"},
	} {
		code, stdout, stderr = run(t, append(command, "--dir", dir)...)
		require.Equal(t, exitOK, code, "%s: %s%s", command, stdout, stderr)
	}
	code, stdout, stderr = run(t, "verify", "--dir", dir)
	require.Equal(t, exitOK, code, stderr)
	require.NotContains(t, stdout, "lag behind", "the daily aggregates know of the erasure")
	require.Contains(t, stdout, "checked gold: 1 user;")
	code, _, stderr = run(t, "reprocess", "--all", "--dir", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "the source is missing")

	code, _, stderr = run(t, "history", "nobody", "--dir", dir)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, `no user "nobody"`)
}

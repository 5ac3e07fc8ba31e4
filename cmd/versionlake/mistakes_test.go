package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
)

// TestReadsMakeNothing: a reading command with a wrong catalog, or none, makes no folder and no file.
func TestReadsMakeNothing(t *testing.T) {
	for _, command := range [][]string{{"status"}, {"verify"}, {"history", "p1"}, {"at", "p1", "2022-05-27T05:00:00Z"},
		{"daily"}, {"forget", "--list"}, {"forget", "p1"}, {"repair"}} {
		parent := t.TempDir()
		wrong := filepath.Join(parent, "wrong", "catalog.db")
		code, _, stderr := execute(t,
			append(command, "--dir", filepath.Join(parent, "dir"), "--catalog", "sqlite://"+wrong,
				"--warehouse", "file://"+filepath.Join(parent, "warehouse"))...)
		require.Equal(t, program.ExitError, code, command)
		require.Contains(t, stderr, wrong, command)
		made, err := os.ReadDir(parent)
		require.NoError(t, err)
		require.Empty(t, made, command)
	}
}

// TestPasswordInCatalog: it is refused, with the way that works, and not repeated.
func TestPasswordInCatalog(t *testing.T) {
	for _, catalog := range []string{"postgres://me:s3cret@db/catalog", "postgres://me@db/catalog?password=s3cret"} {
		code, stdout, stderr := execute(t, "status", "--dir", t.TempDir(), "--catalog", catalog)
		require.Equal(t, program.ExitUsage, code)
		require.Contains(t, stderr, "PGPASSFILE")
		require.NotContains(t, stdout+stderr, "s3cret")
	}
}

// small is a source of one hour, and a folder for a lake.
func small(t *testing.T) (dir, source string) {
	dir, source = filepath.Join(t.TempDir(), "lake"), t.TempDir()
	hour := filepath.Join(source, "2022", "05", "27", "05")
	require.NoError(t, os.MkdirAll(hour, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(hour, "a.tsv"),
		[]byte("Telemetry\t2022-05-27T05:10:00Z\tApp\ts1\t1\t"+
			"{'Name': 'SoftwareVersion', 'Version': '1.0', 'UserId': 'p1'}\n"), 0o600))
	return dir, source
}

// TestMistakes: what people do by mistake has no effect, and says what was meant.
func TestMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Temporal servers")
	}
	defer ownerOnlyFor()()
	dir, source := small(t)
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := execute(t, append(args, "--dir", dir)...)
		require.Equal(t, want, code, stdout+stderr)
		return stdout, stderr
	}
	run(program.ExitOK, "ingest", "2022-05-27T05", "--source", source)
	before, _ := run(program.ExitOK, "status", "--hours", "--output", "json")
	versions, _ := run(program.ExitOK, "status", "--versions", "--output", "json")

	_, stderr := run(program.ExitError, "ingest", "2130-01-01T00", "--source", source)
	require.Contains(t, stderr, "versionlake: hour 2130-01-01T00 has not begun", "the hour is named once")
	_, stderr = run(program.ExitError, "ingest", "2022-05-27T05", "--source", t.TempDir())
	require.Contains(t, stderr, "the source has no folder of an hour")
	require.NotContains(t, stderr, "running one in", "no server is started for it")
	_, stderr = run(program.ExitError, "reprocess", "--date", "2130-01-01", "--source", source)
	require.Contains(t, stderr, "has begun")
	after, _ := run(program.ExitOK, "status", "--hours", "--output", "json")
	require.Equal(t, before, after)
	after, _ = run(program.ExitOK, "status", "--versions", "--output", "json")
	require.Equal(t, versions, after)

	for _, args := range [][]string{{"forget", "P1"}, {"forget", "P1", "--yes"}} {
		_, stderr = run(program.ExitError, args...)
		require.Contains(t, stderr, `"p1"`)
		require.Contains(t, stderr, "--unknown")
	}
	listed, _ := run(program.ExitOK, "forget", "--list", "--output", "json")
	require.Empty(t, listed)

	run(program.ExitOK, "forget", "p1", "--yes")
	run(program.ExitOK, "ingest", "2022-05-27T05", "--source", source)
	_, stderr = run(program.ExitError, "history", "p1")
	require.Contains(t, stderr, "p1")
	run(program.ExitOK, "forget", "p1", "--lift")
	_, _ = run(program.ExitError, "history", "p1") // nothing comes back by itself
	run(program.ExitOK, "ingest", "2022-05-27T05", "--source", source)
	history, _ := run(program.ExitOK, "history", "p1")
	require.Contains(t, history, "1.0")
	listed, _ = run(program.ExitOK, "forget", "--list")
	require.Contains(t, listed, "lifted")
	run(program.ExitOK, "verify")

	ownersAlone(t, dir)
}

// ownersAlone: nothing in a folder is for others than its owner.
func ownersAlone(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is for others, too: %s", path, info.Mode())
		return nil
	}))
}

// TestOfNoVersion: a lake whose events tell no version says so in the place of answers, and which event would tell one.
func TestOfNoVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	dir, source := small(t)
	file := filepath.Join(source, "2022", "05", "27", "05", "a.tsv")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = append(bytes.Replace(text, []byte("'SoftwareVersion'"), []byte("'AppStarted'"), 1), "no event\xff\n"...)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	says := `tells a version\. An event named SoftwareVersion .* --events`
	code, stdout, stderr := execute(t, "ingest", "2022-05-27T05", "--source", source, "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Regexp(t, `(?m)^1 of 2 lines rejected: versionlake status --rejects says why$`, stdout)
	require.Regexp(t, says, stdout)
	_, stdout, _ = execute(t, "status", "--dir", dir)
	require.Regexp(t, says, stdout)
	require.NotContains(t, stdout, "has yet to follow")
	_, stdout, _ = execute(t, "status", "--rejects", "--dir", dir)
	require.Regexp(t, `(?m)^ utf8 +1  2022-05-27T05 +2022/05/27/05/a\.tsv +2  no event\\xff$`, stdout)
	for _, args := range [][]string{{"users"}, {"versions"}, {"history", "p1"}, {"at", "p1", "2022-05-27"}} {
		code, _, stderr = execute(t, append(args, "--dir", dir)...)
		require.Equal(t, program.ExitError, code, args)
		require.Regexp(t, says, stderr, args)
	}
	// The default written out is no other layout.
	code, _, stderr = execute(t, "ingest", "2022-05-27T05", "--source", source, "--dir", dir, "--layout",
		"{YYYY}/{MM}/{DD}/{HH}")
	require.Equal(t, program.ExitOK, code, stderr)
	require.NotContains(t, stderr, "this lake was written with")
}

// TestSecondDev: a second dev on a folder says who runs there, and ends; other commands there work for its lake.
func TestSecondDev(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	defer ownerOnlyFor()()
	dir, source := small(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan string)
	go func() {
		var out bytes.Buffer
		program.Execute(ctx, []string{"dev", "--dir", dir, "--source", source, "--name", "eu"}, &out, &out, groups...)
		ended <- out.String()
	}()
	var state struct {
		PID            int
		Address, Since string
	}
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
		return err == nil && json.Unmarshal(text, &state) == nil
	}, time.Minute, 100*time.Millisecond)
	ownersAlone(t, dir)
	code, _, stderr := execute(t, "dev", "--dir", dir, "--source", source)
	require.Equal(t, program.ExitError, code)
	for _, part := range []string{state.Address, state.Since, "process "} {
		require.Contains(t, stderr, part)
	}
	_, stdout, _ := execute(t, "doctor", "--dir", dir)
	require.Regexp(t, `(?m)^ok +temporal .*1 worker; the hourly schedule runs$`, stdout)
	require.Regexp(t, `(?m)^ok +clocks .*Temporal`, stdout)
	code, _, stderr = execute(t, "ingest", "2022-05-27T05", "--detach", "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stderr, "eu/hour-2022-05-27T05")
	code, _, stderr = execute(t, "ingest", "2022-05-27T05", "--dir", dir, "--name", "us")
	require.Equal(t, program.ExitUsage, code)
	require.Contains(t, stderr, `with the name "eu"; stop it to use "us"`)
	stop()
	out := <-ended
	require.False(t, strings.Contains(out, "empty"), out)
	// Its reconciliation looked at the last days, of which the source has nothing.
	code, hours, _ := execute(t, "status", "--hours", "--dir", dir, "--output", "json")
	require.LessOrEqual(t, strings.Count(hours, `"empty"`), 1, "%d %s", code, hours)
}

package upkeep_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
	"github.com/versionlake/versionlake/testserver"
)

var backupGroups = programtest.Groups{intake.Commands, ask.Commands, upkeep.Commands}

const asProgram = "VERSIONLAKE_TEST_AS_PROGRAM"

// TestMain lets the test's own binary be the program that the page's commands call.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program.Execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr, backupGroups...))
	}
	os.Exit(m.Run())
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestBackupPage follows docs/BACKUP.md: the catalog is lost and made again, a copy stands alone, the forgotten
// stay out.
func TestBackupPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Temporal servers")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "BACKUP.md"))
	require.NoError(t, err)
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 4)
	root := t.TempDir()
	dir, source, bin := filepath.Join(root, "lake"), filepath.Join(root, "telemetry"), filepath.Join(root, "bin")
	hour := filepath.Join(source, "2022", "05", "27", "05")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	writeBackupHour(t, hour)
	sh := shell(t, bin, "HOME="+root,
		"DIR="+dir, "BACKUP="+filepath.Join(root, "backup"), "SAFE="+root, "VERSIONLAKE_DIR="+dir,
		"VERSIONLAKE_SOURCE="+source, "VERSIONLAKE_WAREHOUSE=", "VERSIONLAKE_CATALOG=")
	sh("versionlake ingest 2022-05-27T05")
	sh(blocks[0][1]) // the key
	sh("versionlake forget patricia-1 --yes")
	answers := sh("versionlake history --all --output json")
	require.Contains(t, answers, "quentin-2")
	require.NotContains(t, answers, "patricia-1")

	sh("mkdir -p \"$BACKUP\"\n" + blocks[1][1])                          // a backup
	require.Contains(t, sh(blocks[2][1]), "who was forgotten stays out") // the catalog is lost
	require.Equal(t, answers, sh("versionlake history --all --output json"))
	sh(blocks[3][1]) // a copy
	for _, each := range []string{dir, filepath.Join(root, "backup")} {
		sh("echo >> " + filepath.Join(hour, "a.tsv") + "; versionlake ingest 2022-05-27T05 --dir " + each)
		require.Equal(t, strings.Count(answers, "\n"),
			strings.Count(sh("versionlake history --all --output json --dir "+
				each), "\n"), "who was forgotten stays out")
	}
}

// writeBackupHour writes lines of two users.
func writeBackupHour(t *testing.T, hour string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(hour, 0o755))
	lines := ""
	for _, user := range []string{"patricia-1", "quentin-2"} {
		lines += fmt.Sprintf(
			"Telemetry\t2022-05-27T05:10:00Z\tApp\ts-%s\t1\t{'Name': 'SoftwareVersion', 'Version': '1.0', "+
				"'UserId': '%s'}\n", user, user)
	}
	require.NoError(t, os.WriteFile(filepath.Join(hour, "a.tsv"), []byte(lines), 0o600))
}

// shell runs scripts in which versionlake is the test's own binary, in a folder bin.
func shell(t *testing.T, bin string, environment ...string) func(script string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "versionlake"),
		[]byte("#!/bin/sh\n"+asProgram+"=1 exec '"+self+"' \"$@\"\n"), 0o755))
	return func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
		cmd.Env = append(append(os.Environ(), "PATH="+bin+":"+testserver.Tools(t)+":"+os.Getenv("PATH")),
			environment...)
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", script, said)
		return string(said)
	}
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/worker"
)

var readmeBlock = regexp.MustCompile("(?s)```\n(.*?)```")

// TestReadme types the commands by which README lets one look around, and compares with the answers that it shows
// first.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server, twice")
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown, typed := map[string]string{}, ""
	for _, block := range readmeBlock.FindAllStringSubmatch(string(readme), -1) {
		if strings.HasPrefix(block[1], "$ ") {
			for answer := range strings.SplitSeq(block[1][2:], "\n$ ") {
				command, text, _ := strings.Cut(answer, "\n")
				shown[command] = strings.TrimSpace(text)
			}
		}
		if strings.Contains(block[1], " --demo\n") {
			typed = block[1]
		}
	}
	require.Len(t, shown, 2)

	// It is found from here only, where it is not on PATH.
	if os.Getenv(worker.DevProgramVariable) == "" {
		server, err := filepath.Abs("../../.tools/bin/temporal")
		require.NoError(t, err)
		t.Setenv(worker.DevProgramVariable, server)
	}
	t.Chdir(t.TempDir())
	for command := range strings.Lines(typed) {
		command = strings.TrimSpace(command)
		args, ours := strings.CutPrefix(command, "versionlake ")
		if !ours || strings.HasPrefix(args, "dev ") {
			continue
		}
		code, stdout, stderr := execute(t, strings.Fields(args)...)
		require.Equal(t, program.ExitOK, code, "%s: %s", command, stderr)
		if answer, ok := shown[command]; ok {
			require.Equal(t, answer, strings.TrimSpace(stdout), command)
			delete(shown, command)
		}
	}
	require.Empty(t, shown, "README shows answers that its commands don't ask for")
}

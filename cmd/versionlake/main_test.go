package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/terminal"
)

// execute runs a command line as a user would, without the settings of whoever runs the tests.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return programtest.Groups(groups).Run(t, args...)
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	events := filepath.Join(dir, "events.json")
	require.NoError(t, os.WriteFile(events, []byte(`{"events": {"Softwareversion": ["Version"]}}`), 0o600))
	absent := filepath.Join(dir, "absent.json")
	require.NoError(t, os.WriteFile(absent, []byte(`{"absent": ["null "]}`), 0o644))
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"forget-me-not"}, `there is no command "forget-me-not"`},
		{[]string{"ingest"}, "HOUR is missing"},
		{[]string{"ingest", "yesterday"}, "is a day"},
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
		{[]string{"at", "p1", "noon"}, "2022-05-27 05:00"},
		{[]string{"status", "--hours", "--from", "x"}, "--from"},
		{[]string{"reconcile"}, "--from and --to"},
		{[]string{"status", "--hours", "--versions"}, "--hours and --versions"},
		{[]string{"verify", "--from", "2022-05-27T05"}, "--from and --to"},
		{[]string{"verify", "--from", "2022-05-27T05", "--to", "2022-05-27T05"}, "exclusive"},
		{[]string{"forget"}, "a user, or --list"},
		{[]string{"forget", "p1", "--list"}, "a user, or --list"},
		{[]string{"forget", "--list", "--yes"}, "alone"},
		{[]string{"status", "--output", "xml"}, "none of table, json and csv"},
		{[]string{"status", "--colour"}, "no flag --colour"},
		{[]string{"trino"}, "up, down, status, views or load"},
		{[]string{"trino", "sideways"}, `no command "trino sideways"`},
		{[]string{"trino", "up", "now"}, "takes no argument"},
		{[]string{"sql", " ; "}, "empty"},
		{[]string{"dev", "--source", dir, "--log-level", "loud"}, "debug, info"},
		{[]string{"generate", dir, "--from", "x"}, "--from"},
		{[]string{"dev", "--source", dir, "--events", filepath.Join(dir, "none.json")}, "none.json"},
		{[]string{"dev", "--source", dir, "--events", events}, "Softwareversion"},
		{[]string{"dev", "--source", dir, "--events", absent}, `"null " is no placeholder`},
		{[]string{"dev", "--source", dir, "--max-past", "0s"}, "above 0"},
		{[]string{"dev", "--source", dir, "--max-past", "five"}, "not a time"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			code, stdout, stderr := execute(t, append(test.args, "--dir", filepath.Join(dir, "lake"))...)
			require.Equal(t, program.ExitUsage, code, stderr)
			require.Contains(t, stderr, test.says)
			require.Empty(t, stdout)
		})
	}
}

func TestNoLakeYet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	for _, args := range [][]string{{"status"}, {"verify"}, {"forget", "p1"}, {"forget", "--list"}, {"history", "p1"},
		{"at", "p1", "2021-12-24T12:00:00Z"}} {
		code, _, stderr := execute(t, append(args, "--dir", dir)...)
		require.Equal(t, program.ExitError, code)
		require.Contains(t, stderr, "ingest an hour first")
		require.NoDirExists(t, dir, "a read leaves nothing behind")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := program.Execute(ctx, []string{"generate", t.TempDir()}, &stdout, &stderr, groups...)
	require.Equal(t, program.ExitUsage, code)
	require.Contains(t, stderr.String(), "cancelled")
}

// newRoot is the tree of commands; what they write goes nowhere.
func newRoot() *cobra.Command {
	return program.NewRoot(terminal.NewOutput(io.Discard), terminal.NewOutput(io.Discard), groups...)
}

func TestEveryCommandHasExamples(t *testing.T) {
	for _, command := range newRoot().Commands() {
		require.Contains(t, command.Example, "versionlake "+command.Name())
		require.NotEmpty(t, command.Short)
	}
}

package demo_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/demo"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/testserver"
)

// TestDemo runs what a newcomer runs first.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server, and a Trino")
	}
	testserver.TrinoInstall(t)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("VERSIONLAKE_SOURCE", "/there/is/nothing/here")
	var stdout, stderr bytes.Buffer
	code := program.Execute(t.Context(), []string{"demo", "--trino"}, &stdout, &stderr, demo.Commands)
	require.Equal(t, program.ExitOK, code, "%s", stderr.String())
	answers := strings.Split(stdout.String(), "$ versionlake at ")
	require.Len(t, answers, 3)
	facts := generate.DemoFacts()
	require.Contains(t, answers[1], facts.After)
	require.Contains(t, answers[2], facts.Before)
	require.Contains(t, answers[2], "1 of them empty")
	story, _, _ := strings.Cut(stdout.String()+stderr.String(), "$ versionlake trino")
	require.Less(t, strings.Count(story, "\n"), 50, "the story fits on a screen")
	require.Contains(t, stderr.String(), "http://localhost:")
	require.Regexp(t, `\([1-9][0-9]+ rows, as .versionlake history --all. says\)`, stdout.String())
	require.Regexp(t, `\([1-9][0-9]+ rows, as .versionlake daily. says\)`, stdout.String())
	require.Contains(t, stdout.String(), "(49 rows, as `versionlake status --hours` says)")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left, "the demo leaves nothing behind")
}

package completion_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/lake/laketest"
)

// TestCompletions: a shell gets what the lake knows, and nothing where it can't be asked.
func TestCompletions(t *testing.T) {
	dir := filepath.Join(laketest.UnpackLake(t, "94ca12a"), "lake")
	complete := func(args ...string) []string {
		code, stdout, _ := programtest.Groups{ask.Commands, intake.Commands}.Run(t,
			append([]string{"__complete", "--dir", dir}, args...)...)
		require.Zero(t, code)
		var words []string
		for line := range strings.Lines(stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
		}
		require.Regexp(t, `^:\d+$`, words[len(words)-1])
		return words[:len(words)-1]
	}
	require.Equal(t, []string{"p1007"}, complete("at", "p100"))
	require.Empty(t, complete("at", "p1007", ""))
	tags := complete("history", "p1007", "--as-of", "hour-2022-05-27")
	require.Contains(t, tags, "hour-2022-05-27T01")
	require.NotContains(t, tags, "hour-2022-05-26T22")
	require.Equal(t, []string{"2022-05-28T03", "2022-05-27T03", "2022-05-27T02", "2022-05-27T01", "2022-05-27T00"},
		complete("ingest", "2022")[:5])
	require.Equal(t, []string{"2022-05-28", "2022-05-27", "2022-05-26"}, complete("reprocess", "--date", ""))
	require.Equal(t, []string{"Launcher"}, complete("users", "--service", "L"))
	require.Contains(t, complete("users", "--version", "1.22"), "1.22.03")
	require.Equal(t, []string{"SELECT * FROM active_versions"}, complete("sql", "SELECT * FROM active_v"))
	require.Contains(t, complete("sql", "SELECT * FROM gold."), "SELECT * FROM gold.users")
	require.Contains(t, complete("views", "active_"), "active_versions")
	require.Empty(t, complete("at", "--dir", t.TempDir(), "p"))
}

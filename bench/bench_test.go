// Package bench_test runs the comparison with other programs, and a week of hours, once and on very little.
package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/testserver"
)

// TestTiny: every program runs, and all end in the same histories, else there is no page.
func TestTiny(t *testing.T) {
	if testing.Short() {
		t.Skip("whole programs take a minute to start")
	}
	page := bench(t, "bench.py", "--tiny", "--tools", filepath.Dir(testserver.Engines(t)))
	for _, want := range []string{"| versionlake, hour by hour |", "| versionlake, a range, all tables |", "| polars |",
		"| duckdb |", "| spark |", "through that of"} {
		require.Contains(t, page, want)
	}
}

// TestTinyWeek: the days of a range are told, and what its steps took.
func TestTinyWeek(t *testing.T) {
	if testing.Short() {
		t.Skip("whole programs take a minute to start")
	}
	page := bench(t, "week.py", "--hours", "26", "--lines", "2000", "--users", "200")
	require.Regexp(t, `(?s)\| parse \| \d+\.\d \|.*\| commits \| \d+\.\d \|.*\| 2021-12-24 \|.*\| 2021-12-25 \|`, page)
}

// bench runs a script with a program that it builds, and returns what was printed.
func bench(t *testing.T, script string, arguments ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "versionlake")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/versionlake").CombinedOutput()
	require.NoError(t, err, string(out))
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{script, "--program", program}, arguments...)...)
	cmd.Stderr = os.Stderr
	page, err := cmd.Output()
	require.NoError(t, err)
	return string(page)
}

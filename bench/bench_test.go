// Package bench_test runs the comparison with other programs once, on very little.
package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/testserver"
)

// TestTiny: every program runs, and all end in the same histories, else there is no page.
func TestTiny(t *testing.T) {
	if testing.Short() {
		t.Skip("PySpark and the others take a minute to start")
	}
	engines := testserver.Engines(t)
	program := filepath.Join(t.TempDir(), "versionlake")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program,
		"../cmd/versionlake").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "bench.py", "--tiny", "--program", program,
		"--tools", filepath.Dir(engines))
	cmd.Stderr = os.Stderr
	page, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| versionlake, hour by hour |", "| versionlake, a range, all tables |", "| polars |",
		"| duckdb |", "| spark |", "through that of"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

package testserver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/versionlake/versionlake/process"
)

// supersetPatience is how long Superset may take to end.
const supersetPatience = 30 * time.Second

// Superset is the folder of the programs with which Superset runs: python, superset, gunicorn.
func Superset(tb testing.TB) string {
	tb.Helper()
	const variable = "VERSIONLAKE_TEST_SUPERSET"
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(toolsDir(tb), "superset", "bin")
	}
	if _, err := os.Stat(filepath.Join(dir, "gunicorn")); err != nil {
		missing(tb, "superset", variable)
	}
	return dir
}

// StartSuperset starts a Superset that runs until the test ends, by a script with these settings more, and returns its
// address.
func StartSuperset(tb testing.TB, script string, env ...string) (url string) {
	tb.Helper()
	programs, home := Superset(tb), tb.TempDir()
	port, err := process.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	url = "http://" + process.Loopback(port)
	cmd := exec.Command("bash", script)
	cmd.Env = append(os.Environ(), append(env, "SUPERSET_HOME="+home, "SUPERSET_BIND="+process.Loopback(port),
		"PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"))...)
	server, err := start(cmd, "", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s/health: %s", url, answer.Status)
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("start Superset: %v", err)
	}
	tb.Cleanup(func() {
		server.guard.dismiss()
		server.Stop(supersetPatience)
	})
	return url
}

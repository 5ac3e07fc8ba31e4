package testserver

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/versionlake/versionlake/process"
)

// VictoriaLogs starts a log server that takes OTLP and what Elasticsearch takes, until the test ends, and returns its
// URL.
func VictoriaLogs(tb testing.TB) (url string) {
	tb.Helper()
	program := tool(tb, "victoria-logs", "VERSIONLAKE_TEST_VICTORIA_LOGS")
	dir := tb.TempDir()
	retry(tb, "victoria-logs", func() error {
		port, err := process.FreePort()
		if err != nil {
			return err
		}
		url = "http://" + process.Loopback(port)
		cmd := exec.Command(program, "-httpListenAddr="+process.Loopback(port), "-storageDataPath="+dir,
			"-loggerLevel=ERROR")
		p, err := start(cmd, "", func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s", response.Status)
			}
			return nil
		})
		if err == nil {
			tb.Cleanup(p.kill)
		}
		return err
	})
	return url
}

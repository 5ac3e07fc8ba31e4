package watch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
	"github.com/versionlake/versionlake/cmd/versionlake/watch"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
)

var groups = programtest.Groups{watch.Commands, upkeep.Commands}

// newLake is a folder with a lake whose hours are up to date.
func newLake(t *testing.T) (dir string, in *laketest.Ingester) {
	t.Helper()
	dir = t.TempDir()
	l, err := lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse"})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	in = laketest.NewIngester(t, l, t.TempDir())
	for hour := telemetry.HourOf(time.Now()) - 3; hour < telemetry.HourOf(time.Now()); hour++ {
		path := filepath.Join(strings.TrimPrefix(in.Source.String(), "file://"), filepath.FromSlash(hour.Folder()),
			"a.tsv")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		line := "Info\t" + hour.Start().Format("2006-01-02T15:04:05Z") + "\tApp\ts1\t1\t{'Name': 'SoftwareVersion', " +
			"'Version': '1.0', 'UserId': 'secret-user'}\n"
		require.NoError(t, os.WriteFile(path, []byte(line), 0o644))
		in.Ingest(hour)
	}
	return dir, in
}

func found(t *testing.T, stdout string) map[string]string {
	t.Helper()
	states := map[string]string{}
	for line := range strings.Lines(stdout) {
		var r checks.Result
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		states[r.Check] = r.State
	}
	return states
}

// TestChecksCommand: it looks without Temporal, knows the last verify, and its exit code says whether a check fails.
func TestChecksCommand(t *testing.T) {
	dir, in := newLake(t)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("checks: {disk: {off: true}}\n"), 0o600))
	code, stdout, stderr := groups.Run(t, "checks", "--dir", dir, "--rules", rules, "-o", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	states := found(t, stdout)
	require.Equal(t, checks.OK, states[checks.CheckFreshness], stdout)
	require.NotContains(t, states, checks.CheckWorkers, "there is no Temporal to ask")
	require.NotContains(t, states, checks.CheckDisk)

	code, _, stderr = groups.Run(t, "verify", "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	_, stdout, _ = groups.Run(t, "checks", "--dir", dir)
	require.Contains(t, stdout, "0 differences in 3 hours, at 20")
	require.NotContains(t, stdout, "secret-user")
	require.NoError(t, checks.Remember(t.Context(), in.Lake, checks.CheckVerify,
		checks.Outcome{At: time.Now(), Count: 2, Text: "2 differences"}))
	code, _, stderr = groups.Run(t, "checks", "--dir", dir, "--rules", rules)
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "1 check failing")
	require.NoError(t, os.Rename(filepath.Join(dir, "warehouse", "ops"), filepath.Join(dir, "ops")))
	code, stdout, _ = groups.Run(t, "checks", "--dir", dir, "--rules", rules, "-o", "json")
	require.Equal(t, program.ExitError, code)
	require.Equal(t, checks.Fail, found(t, stdout)[checks.CheckLake])
}

// TestCalledFromOutside: where no workflow can say so, since Temporal or every worker is gone, the command calls people
// itself, once, and says once that it is over. So do metrics: a worker's, or that there is none to scrape.
//
//nolint:funlen // one story, in which one thing after the other is gone
func TestCalledFromOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	dir, in := newLake(t)
	slack, letters := testserver.WebHook(t, "outside-path"), testserver.SMTP(t, "", "")
	t.Setenv("TEST_SLACK_URL", slack.URL)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(rules, fmt.Appendf(nil, `
receivers:
  team: {slack: {url: {env: TEST_SLACK_URL}}}
  people: {email: {host: %s, port: %d, tls: none, from: lake@example.com, to: [ops@example.com]}}
rules: [{name: outside, checks: [workers, freshness], to: [team, people]}]
`, letters.Host, letters.Port), 0o600))
	server := testserver.Temporal(t)
	state := filepath.Join(t.TempDir(), "kept", "checks.json")
	look := func() (code int, stderr string) {
		t.Helper()
		for _, setting := range server.Env() {
			name, value, _ := strings.Cut(setting, "=")
			t.Setenv(name, value)
		}
		var out, errors bytes.Buffer
		code = program.Execute(t.Context(),
			[]string{"checks", "--dir", dir, "--rules", rules, "--notify", "--state", state},
			&out, &errors, groups...)
		return code, errors.String()
	}
	told := func(times int, headline string) {
		t.Helper()
		posts := slack.Posts()
		require.Len(t, posts, times)
		require.Len(t, letters.Letters(), times)
		require.Contains(t, posts[times-1].Body, headline)
		require.Contains(t, letters.Letters()[times-1], "Subject: versionlake: "+headline)
	}

	observer, c, w := observedWorker(t, server, in)
	require.NoError(t, w.Start())
	asked := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			pollers, err := worker.Pollers(t.Context(), c)
			return err == nil && len(pollers) > 0
		}, time.Minute, 20*time.Millisecond)
	}
	asked()
	look()
	require.Empty(t, slack.Posts(), "all is well")

	server.Kill()
	slack.Answer(503)
	code, stderr := look()
	require.Equal(t, program.ExitError, code, "a receiver did not take it")
	require.NotContains(t, stderr, "outside-path")
	require.Len(t, letters.Letters(), 1)
	slack.Answer(200)
	look()
	told(1, "FAIL workers")
	require.Contains(t, slack.Posts()[0].Body, "Temporal does not answer")
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	for _, secret := range []string{"outside-path", "secret-user", slack.URL} {
		require.NotContains(t, string(text)+slack.Posts()[0].Body+letters.Letters()[0], secret)
	}
	unreached := regexp.MustCompile(`(?m)^versionlake_observe_failures_total\{what="temporal"\} [1-9]`)
	require.Eventually(t, func() bool { return unreached.MatchString(page(observer)) }, time.Minute,
		50*time.Millisecond, "a metric of the worker says that Temporal is gone")
	look()
	told(1, "FAIL workers")
	server.Start()
	asked()
	code, stderr = look()
	require.Equal(t, program.ExitOK, code, stderr)
	told(2, "OK workers")

	w.Stop()
	require.NoError(t, observer.Close())
	server.Kill()
	server.Start() // which knows no worker any more: else it would for a minute and a half
	look()
	told(3, "FAIL workers")
	require.Contains(t, slack.Posts()[2].Body, "no worker")
	require.Empty(t, page(observer), "nothing is scraped any more: up is 0")
	look()
	told(3, "FAIL workers")
	_, c, w = observedWorker(t, server, in)
	require.NoError(t, w.Start())
	defer w.Stop()
	asked()
	look()
	told(4, "OK workers")
	look()
	told(4, "OK workers")
}

// observedWorker is a worker that is not started yet, with its metrics.
func observedWorker(t *testing.T, server *testserver.TemporalServer, in *laketest.Ingester) (*observe.Observer,
	client.Client, sdkworker.Worker) {
	t.Helper()
	observer, err := observe.Start(t.Context(),
		observe.Options{Addr: "127.0.0.1:0", Every: 10 * time.Millisecond, Log: io.Discard})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	c, err := worker.ConnectTo(t.Context(), server.Address, observer)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	worker.Observe(observer, c, server.Namespace, in.Lake)
	return observer, c, worker.New(c, worker.Options{Source: in.Source, Lake: in.Lake, Observe: observer})
}

// page is what can be scraped; "" where nobody answers.
func page(observer *observe.Observer) string {
	answer, err := http.Get("http://" + observer.Addr() + "/metrics")
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// TestNotifyTest sends a test message to each receiver, and says which did not take it.
func TestNotifyTest(t *testing.T) {
	dir := t.TempDir()
	team, other := testserver.WebHook(t, "team-path"), testserver.WebHook(t, "other-path")
	t.Setenv("TEST_TEAM", team.URL)
	t.Setenv("TEST_OTHER", other.URL)
	t.Setenv("TEST_SECRET", "hmac")
	rules := filepath.Join(dir, "rules.yaml")
	require.NoError(t, os.WriteFile(rules, []byte(`
name: production
receivers:
  team: {slack: {url: {env: TEST_TEAM}}}
  other: {webhook: {url: {env: TEST_OTHER}, secret: {env: TEST_SECRET}}}
rules:
  - {name: all, to: [team, other]}
  - {name: bad, to: [team], at_least: fail}
`), 0o600))
	code, stdout, stderr := groups.Run(t, "notify", "test", "--rules", rules)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t, 3, strings.Count(stdout, "taken"))
	require.Len(t, team.Posts(), 2)
	require.Contains(t, team.Posts()[0].Body, "versionlake production: a test, nothing happened")
	require.Contains(t, other.Posts()[0].Body, `"test":true`)

	other.Answer(404)
	code, stdout, _ = groups.Run(t, "notify", "test", "all", "--rules", rules)
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stdout, "404")
	require.NotContains(t, stdout, "other-path")
	require.Len(t, team.Posts(), 3)
	code, _, stderr = groups.Run(t, "notify", "test", "none", "--rules", rules)
	require.Equal(t, program.ExitUsage, code)
	require.Contains(t, stderr, `no rule "none"`)
}

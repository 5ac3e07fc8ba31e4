package worker_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ops"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/maintenance"
)

const slackSecret = "T0SECRET/B0SECRET/webhook-path"

// watched is a lake on S3, behind faults, that is looked at every second, and whose rules call a Slack-shaped
// server and a mail server.
type watched struct {
	*local
	slack   *testserver.Hook
	mail    *testserver.Mail
	refused atomic.Bool // S3 takes no request
	rules   string      // the file
	disk    string      // a small disk, where one can be mounted
	metrics string      // address of the worker's
	first   telemetry.Hour
}

func startWatched(t *testing.T) *watched {
	w := &watched{local: startLocal(t), slack: testserver.WebHook(t, slackSecret), mail: testserver.SMTP(t, "", "")}
	t.Setenv("TEST_SLACK_URL", w.slack.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	server := testserver.S3(t)
	bucket := server.NewBucket(t)
	server.Behind(t, func(*http.Request) testserver.Fault {
		if w.refused.Load() {
			return testserver.Refused
		}
		return testserver.NoFault
	}).Setenv(t)
	var err error
	w.lake, err = lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + t.TempDir() + "/catalog.db",
		Warehouse: "s3://" + bucket + "/lake"})
	require.NoError(t, err)
	w.rules = filepath.Join(t.TempDir(), "rules.yaml")
	w.limits("")
	w.disk = smallDisk(t)
	w.first = telemetry.HourOf(time.Now()) - 6
	for i := range telemetry.Hour(6) {
		w.write(w.first+i, "a.tsv", w.lines(w.first+i, 20, 0)...)
	}
	observer, err := observe.Start(t.Context(),
		observe.Options{Addr: "127.0.0.1:0", Every: time.Second, Log: io.Discard})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	w.metrics = observer.Addr()
	own, err := worker.ConnectTo(t.Context(), w.server.Address, observer)
	require.NoError(t, err)
	t.Cleanup(own.Close)
	run := worker.New(own, worker.Options{Source: w.source, Lake: w.lake, Parsing: telemetry.Options{},
		Observe: observer, Checks: activities.Checks{Rules: w.rules, Folders: []string{w.disk}}})
	require.NoError(t, run.Start())
	t.Cleanup(run.Stop)
	worker.Observe(observer, own, client.DefaultNamespace, w.lake)
	return w
}

// shows waits until the worker's metrics have a line.
func (w *watched) shows(line string) {
	w.tb.Helper()
	var page string
	require.Eventually(w.tb, func() bool {
		page = metricsOf(w.tb, w.metrics)
		return strings.Contains(page, "\n"+line+"\n")
	}, time.Minute, 50*time.Millisecond, "%s in:\n%s", line, &page)
}

func metricsOf(tb testing.TB, address string) string {
	tb.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	require.NoError(tb, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(tb, err)
	return string(page)
}

// checkIs is the metric of a check.
func checkIs(check string, state int) string {
	return fmt.Sprintf(`versionlake_check_state{check="%s"} %d`, check, state)
}

// limits writes the rules, with limits of checks.
func (w *watched) limits(more string) {
	text := fmt.Sprintf(`
name: test
checks:
  rejects: {least: 1}
%s
receivers:
  team: {slack: {url: {env: TEST_SLACK_URL}}}
  people: {email: {host: %s, port: %d, tls: none, from: lake@example.com, to: [ops@example.com]}}
rules: [{name: all, to: [team, people]}]
`, more, w.mail.Host, w.mail.Port)
	beside := w.rules + ".new"
	require.NoError(w.tb, os.WriteFile(beside, []byte(text), 0o600))
	require.NoError(w.tb, os.Rename(beside, w.rules)) // it is read at any time
}

func (w *watched) lines(hour telemetry.Hour, good, bad int) (lines []string) {
	for i := range good {
		lines = append(lines, sighting(hour, i, fmt.Sprintf("secret-user-%d", i), "1.0"))
	}
	for range bad {
		lines = append(lines, "secret-user-0 sent no line")
	}
	return lines
}

func (w *watched) put(i telemetry.Hour, name string, lines ...string) {
	w.write(w.first+i, name, lines...)
	w.ingest(w.tb.Context(), w.first+i)
}

func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Logf("no small disk here: %v", err)
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// told counts what both receivers were told of a check: that it is in a state, or ok again.
func (w *watched) told(check, state string) (slack, mail int) {
	w.tb.Helper()
	for _, post := range w.slack.Posts() {
		var said struct {
			Blocks []struct{ Text struct{ Text string } }
		}
		require.NoError(w.tb, json.Unmarshal([]byte(post.Body), &said))
		for _, block := range said.Blocks {
			if strings.Contains(block.Text.Text, "*"+check+"* "+state+"\n") {
				slack++
			}
		}
	}
	line := regexp.MustCompile(`(?mi)^` + state + ` +` + check + `,`)
	for _, letter := range w.mail.Letters() {
		mail += len(line.FindAllString(letter, -1))
	}
	return slack, mail
}

// await waits until both were told so often, and no more often.
func (w *watched) await(check, state string, times int) {
	w.tb.Helper()
	require.Eventually(w.tb, func() bool {
		slack, mail := w.told(check, state)
		require.LessOrEqual(w.tb, max(slack, mail), times, "%s is %s", check, state)
		return slack == times && mail == times
	}, time.Minute, 50*time.Millisecond, "told of %s that it is %s", check, state)
}

// lakeFailures: a figure of the lake could not be read, at least once.
var lakeFailures = regexp.MustCompile(`(?m)^versionlake_observe_failures_total\{what="lake"\} [1-9]`)

// TestFaultsAreCalled plants what goes wrong, one after the other; that Temporal or all workers are gone is seen from
// outside, by TestCalledFromOutside. A metric and a check see each; it is told once, by Slack and by mail, and so
// is its end; an outage of a receiver loses nothing; and no user, session or secret is in what is told, kept or
// recorded.
//
//nolint:funlen // one lake, one fault after the other
func TestFaultsAreCalled(t *testing.T) {
	w := startWatched(t)
	for i := range telemetry.Hour(6) {
		if i != 2 {
			w.ingest(t.Context(), w.first+i)
		}
	}
	require.NoError(t, worker.EnsureChecks(t.Context(), w.client, time.Second))
	t.Run("an hour is missing", func(t *testing.T) {
		w.await(checks.CheckLate, checks.Fail, 1)
		w.shows(checkIs(checks.CheckLate, 2))
		w.ingest(t.Context(), w.first+2)
		w.await(checks.CheckLate, checks.OK, 1)
		w.shows(checkIs(checks.CheckLate, 0))
	})
	t.Run("a degraded hour, while Slack is out", func(t *testing.T) {
		w.slack.Answer(http.StatusServiceUnavailable)
		w.put(1, "b.tsv.gz", "\x1f\x8b\x08torn")
		require.Eventually(t, func() bool { _, mail := w.told(checks.CheckDegraded, checks.Warn); return mail == 1 },
			time.Minute, 50*time.Millisecond)
		w.slack.Answer(http.StatusOK)
		w.await(checks.CheckDegraded, checks.Warn, 1)
		w.put(3, "b.tsv.gz", "\x1f\x8b\x08torn")
		w.await(checks.CheckDegraded, checks.Warn, 2) // another hour is news
		w.shows(`versionlake_ledger_hours{state="degraded"} 2`)
		w.shows(checkIs(checks.CheckDegraded, 1))
		for _, i := range []telemetry.Hour{1, 3} {
			w.put(i, "b.tsv.gz", string(laketest.Gzipped(t, sighting(w.first+i, 50, "secret-user-1", "1.0")+"\n")))
		}
		w.await(checks.CheckDegraded, checks.OK, 1)
		w.shows(`versionlake_ledger_hours{state="degraded"} 0`)
	})
	t.Run("rejects at 20 %", func(t *testing.T) {
		w.put(4, "a.tsv", w.lines(w.first+4, 16, 4)...)
		w.await(checks.CheckRejects, checks.Fail, 1)
		w.shows(`versionlake_ledger_lines{outcome="reject"} 4`)
		w.shows(checkIs(checks.CheckRejects, 2))
		w.put(4, "a.tsv", w.lines(w.first+4, 20, 0)...)
		w.await(checks.CheckRejects, checks.OK, 1)
		w.shows(`versionlake_ledger_lines{outcome="reject"} 0`)
	})
	t.Run("gold is held up", func(t *testing.T) {
		w.limits("  gold_behind: {warn: 0.01, fail: 1000}")
		in := laketest.NewIngester(t, w.lake, w.dir)
		w.write(w.first+6, "a.tsv", sighting(w.first+6, 30, "secret-user-2", "2.0"))
		in.Silver(w.first + 6) // nobody asks gold
		w.await(checks.CheckGold, checks.Warn, 1)
		w.shows(`versionlake_gold_waiting_hours 1`)
		w.put(6, "b.tsv", sighting(w.first+6, 31, "secret-user-2", "2.0"))
		w.await(checks.CheckGold, checks.OK, 1)
		w.shows(`versionlake_gold_waiting_hours 0`)
		w.limits("")
	})
	t.Run("files are gone", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(w.dir, filepath.FromSlash((w.first+3).Folder()), "b.tsv.gz")))
		w.ingest(t.Context(), w.first+3)
		w.await(checks.CheckGone, checks.Warn, 1)
		w.shows(`versionlake_ledger_files{state="gone"} 1`)
		w.put(3, "b.tsv.gz", string(laketest.Gzipped(t, sighting(w.first+3, 50, "secret-user-1", "1.0")+"\n")))
		w.await(checks.CheckGone, checks.OK, 1)
		w.shows(`versionlake_ledger_files{state="gone"} 0`)
	})
	t.Run("maintenance fails", func(t *testing.T) {
		notes := w.lake.Objects.Root + "/_maintenance/unnamed/gold.users.json"
		require.NoError(t, w.lake.Objects.WriteJSON(notes, map[string]string{"table": "that of another catalog"}))
		maintain := func() error {
			return w.start(t.Context(), maintenance.WorkflowID, maintenance.Maintain,
				maintenance.Input{}).Get(t.Context(), nil)
		}
		require.ErrorContains(t, maintain(), "another catalog uses this warehouse")
		w.await(checks.CheckMaintenance, checks.Fail, 1)
		w.shows(`versionlake_maintenance_failed 1`)
		w.shows(checkIs(checks.CheckMaintenance, 2))
		require.NoError(t, w.lake.Objects.Remove(t.Context(), []string{notes}))
		require.NoError(t, maintain())
		require.NotEmpty(t, laketest.RowsOf[ops.StorageRow](t, w.lake, lake.OpsStorage), "the lake was weighed")
		w.await(checks.CheckMaintenance, checks.OK, 1)
		w.shows(`versionlake_maintenance_failed 0`)
	})
	t.Run("S3 refuses", func(t *testing.T) {
		w.refused.Store(true)
		w.await(checks.CheckLake, checks.Fail, 1)
		require.Eventually(t, func() bool { return lakeFailures.MatchString(metricsOf(t, w.metrics)) }, time.Minute,
			50*time.Millisecond)
		w.refused.Store(false)
		w.await(checks.CheckLake, checks.OK, 1)
		w.shows(checkIs(checks.CheckLake, 0))
	})
	t.Run("a disk is full", func(t *testing.T) {
		if w.disk == "" {
			t.Skip("no small disk can be mounted here: it takes rights")
		}
		file := filepath.Join(w.disk, "filler")
		require.NoError(t, os.WriteFile(file, make([]byte, 4000<<10), 0o600))
		w.await(checks.CheckDisk, checks.Fail, 1)
		w.shows(checkIs(checks.CheckDisk, 2))
		require.NoError(t, os.Remove(file))
		w.await(checks.CheckDisk, checks.OK, 1)
		w.shows(checkIs(checks.CheckDisk, 0))
	})
	t.Run("rules can't be read", func(t *testing.T) {
		w.limits("  nothing: {warn: 1}")
		require.Eventually(t, func() bool { return w.recorded(t)[checks.CheckRules] == checks.Fail }, time.Minute,
			50*time.Millisecond)
		w.limits("")
		w.await(checks.CheckRules, checks.OK, 1)
	})
	w.nothingTwice(t)
	w.nothingSecret(t)
}

// recorded is the state of each check in ops.checks.
func (w *watched) recorded(t *testing.T) map[string]string {
	t.Helper()
	rows, _, err := checks.Saved(t.Context(), w.lake)
	require.NoError(t, err)
	states := map[string]string{}
	for _, row := range rows {
		states[row.Check] = row.State
	}
	return states
}

// nothingTwice looks once more at what was told, after all is well: each fault and its end once.
func (w *watched) nothingTwice(t *testing.T) {
	t.Helper()
	for _, check := range []string{checks.CheckLate, checks.CheckRejects, checks.CheckGold, checks.CheckGone,
		checks.CheckMaintenance, checks.CheckLake} {
		bad := 0
		for _, state := range []string{checks.Warn, checks.Fail} {
			slack, mail := w.told(check, state)
			require.Equal(t, slack, mail)
			bad += slack
		}
		require.Equal(t, 1, bad, check)
		w.await(check, checks.OK, 1)
	}
}

// nothingSecret scans what was told, what ops.checks holds, and all of Temporal's histories.
func (w *watched) nothingSecret(t *testing.T) {
	t.Helper()
	var all strings.Builder
	for _, post := range w.slack.Posts() {
		all.WriteString(post.Body)
	}
	all.WriteString(strings.Join(w.mail.Letters(), "\n"))
	for _, row := range laketest.RowsOf[lake.CheckRow](t, w.lake, lake.OpsChecks) {
		all.WriteString(laketest.Marshal(t, row))
	}
	listed, err := w.client.ListWorkflow(t.Context(), listRequest(""))
	require.NoError(t, err)
	types := map[string]int{}
	for _, execution := range listed.Executions {
		types[execution.Type.Name]++
		text, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(w.events(t.Context(),
			execution.Execution.WorkflowId, execution.Execution.RunId))
		require.NoError(t, err)
		all.Write(text)
	}
	require.NotZero(t, types["Checks"])
	require.NotZero(t, types["Tell"])
	for _, secret := range []string{"secret-user", "session-secret", slackSecret, "webhook-path", w.slack.URL} {
		require.NotContains(t, all.String(), secret)
	}
	require.Contains(t, all.String(), "hours_late", "what was scanned is readable")
}

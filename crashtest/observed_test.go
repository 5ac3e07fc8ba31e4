package crashtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/versionlake/versionlake/process"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// What must not leave the lake and the settings: the id of a user, that of a session, and secrets.
const (
	plantedUser    = "planted-user-7f3a9c"
	plantedSession = "planted-session-51b8e2"
	plantedSecret  = "planted-secret-c04d77"
)

// receiver takes what is sent by OTLP, and keeps it.
type receiver struct {
	*httptest.Server
	mutex sync.Mutex
	raw   map[string][]byte // by path
	spans []*tracepb.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{raw: map[string][]byte{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.raw[request.URL.Path] = append(r.raw[request.URL.Path], body...)
		var traces v1.ExportTraceServiceRequest
		if request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &traces) != nil {
			return
		}
		for _, resource := range traces.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// observed is a site whose worker is observed in all ways.
type observed struct {
	*site
	receiver *receiver
	logs     string // URL of a VictoriaLogs
	metrics  string // address
	worker   *exec.Cmd
	log      string // the file of the worker's stderr
	hour     telemetry.Hour
}

// TestObserved: from nothing, processes come up, an hour goes through, and metrics, traces and logs tell of it, in a
// real log server, too. Nothing of that holds an id of a user or a secret.
func TestObserved(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server, a log server and a worker")
	}
	o := startObserved(t)
	dir, hour := world(t, 1)
	o.source, o.hour = dir, hour
	plant(t, dir, hour)
	o.startWorker()
	require.Eventually(t, func() bool { return o.get("/readyz") == "ok\n" }, time.Minute, 50*time.Millisecond,
		"the worker is not ready")
	out, err := o.command("ingest", hour.String()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = o.command("status").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, said := range []string{"newest hour: " + hour.String(), "gold shows it", "torn.tsv.gz: "} {
		require.Contains(t, string(out), said)
	}
	t.Run("metrics", func(t *testing.T) { o.seeMetrics(t) })
	t.Run("secrets", func(t *testing.T) { o.scan(t, "metrics", []byte(o.get("/metrics"))) })
	o.drain(t)
	t.Run("traces", func(t *testing.T) { o.seeTraces(t) })
	t.Run("logs", func(t *testing.T) { o.seeLogs(t) })
	t.Run("history", func(t *testing.T) { o.scanHistory(t) })
	for path, raw := range o.receiver.raw {
		o.scan(t, path, raw)
	}
}

func startObserved(t *testing.T) *observed {
	t.Helper()
	o := &observed{site: &site{t: t, program: program(t), dir: t.TempDir(), server: testserver.Temporal(t)},
		receiver: newReceiver(t), logs: testserver.VictoriaLogs(t)}
	port, err := process.FreePort()
	require.NoError(t, err)
	o.metrics, o.log = process.Loopback(port), filepath.Join(t.TempDir(), "worker.log")
	o.env = []string{
		"OTEL_METRICS_EXPORTER=otlp", "OTEL_TRACES_EXPORTER=otlp", "OTEL_LOGS_EXPORTER=otlp",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + o.receiver.URL,
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=" + o.logs + "/insert/opentelemetry/v1/logs",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=" + plantedSecret, "AWS_SECRET_ACCESS_KEY=" + plantedSecret,
		"PGPASSWORD=" + plantedSecret,
	}
	return o
}

// plant writes lines of one user, accepted and rejected ones.
func plant(t *testing.T, dir string, hour telemetry.Hour) {
	t.Helper()
	at := hour.Start().Add(time.Minute).Format("2006-01-02T15:04:05.000+0000")
	head := "Info\t" + at + "\tClientApp\t" + plantedSession + "\t1\t"
	lines := head + "{'Name': 'SoftwareVersion', 'Version': 1.2, 'UserId': '" + plantedUser + "'}\n" +
		head + "{'Name': 'SoftwareVersion', 'UserId': '" + plantedUser + "'\n" + // the body does not end
		"Info\tyesterday\tClientApp\t" + plantedSession + "\t1\t{'UserId': '" + plantedUser + "'}\n"
	file := filepath.Join(dir, filepath.FromSlash(hour.Folder()), "planted.tsv")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o644))
	torn := filepath.Join(dir, filepath.FromSlash(hour.Folder()), "torn.tsv.gz")
	require.NoError(t, os.WriteFile(torn, []byte("\x1f\x8b\x08\x00\x00"), 0o644))
}

func (o *observed) startWorker() {
	o.t.Helper()
	o.worker = o.command("worker", "--no-schedule", "--metrics-addr", o.metrics, "--log-format", "json")
	file, err := os.Create(o.log)
	require.NoError(o.t, err)
	defer file.Close()
	o.worker.Stderr = file
	require.NoError(o.t, o.worker.Start())
}

func (o *observed) get(path string) string { return page(o.metrics, path) }

// page is what a worker says at an address; the error where it says nothing.
func page(address, path string) string {
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (o *observed) seeMetrics(t *testing.T) {
	page := o.get("/metrics")
	for _, line := range []string{
		`versionlake_hours_total{state="degraded"} 1`, `versionlake_rejects_total{reason="timestamp"}`,
		`versionlake_files_total{state="bad"} 1`,
		`versionlake_step_duration_seconds_count{outcome="ok",step="ParseChunk"}`,
		`versionlake_step_io_bytes_total{direction="write",step="ParseChunk"}`,
		`versionlake_step_io_bytes_total{direction="read",step="BuildSilver"}`,
		`versionlake_workflows_total{outcome="completed",workflow="IngestHour"} 1`,
		`versionlake_commits_total{table="ops.hours"} 1`, `versionlake_commits_total{table="gold.users"}`,
		`temporal_activity_execution_latency_seconds_bucket{`, `le="0.005"`, `temporal_request_total{`,
	} {
		require.Contains(t, page, line)
	}
	require.Contains(t, page, `le="43200"`, "the buckets of Temporal's own are for seconds")
	require.NotContains(t, page, `le="10000"`)
	require.Contains(t, page, "versionlake_gold_newest_hour_age_seconds ")
	require.Contains(t, page, `versionlake_table_size_bytes{layer="silver",table="silver.events"}`)
}

// drain ends the worker as an orchestrator does.
func (o *observed) drain(t *testing.T) {
	t.Helper()
	require.NoError(t, o.worker.Process.Signal(syscall.SIGTERM))
	begun := time.Now()
	require.NoError(t, o.worker.Wait(), "a worker that is told to stop exits with 0")
	require.Less(t, time.Since(begun), time.Minute)
}

// seeTraces: the hour's workflow and its steps are one trace.
func (o *observed) seeTraces(t *testing.T) {
	o.receiver.mutex.Lock()
	defer o.receiver.mutex.Unlock()
	byID := map[string]*tracepb.Span{}
	for _, span := range o.receiver.spans {
		byID[string(span.GetSpanId())] = span
	}
	story := slices.IndexFunc(o.receiver.spans,
		func(s *tracepb.Span) bool { return s.GetName() == "RunWorkflow:IngestHour" })
	require.GreaterOrEqual(t, story, 0, "no span of the hour's workflow")
	root := o.receiver.spans[story]
	for _, step := range []string{"ListHour", "ParseChunk", "BuildSilver", "CommitHour", "RequestGold"} {
		at := slices.IndexFunc(o.receiver.spans, func(s *tracepb.Span) bool {
			return strings.HasSuffix(s.GetName(), ":"+step) && strings.HasPrefix(s.GetName(), "Run") &&
				bytes.Equal(s.GetTraceId(), root.GetTraceId())
		})
		require.GreaterOrEqual(t, at, 0, "no span of %s in the trace of the hour", step)
		parent := byID[string(o.receiver.spans[at].GetParentSpanId())]
		require.NotNil(t, parent, step)
		if parent != root {
			require.Equal(t, root, byID[string(parent.GetParentSpanId())], step)
		}
	}
}

// seeLogs finds the line of the commit in a log server, sent there by OTLP, and as Elastic's agent sends lines.
func (o *observed) seeLogs(t *testing.T) {
	lines, err := os.ReadFile(o.log)
	require.NoError(t, err)
	o.scan(t, "log", lines)
	var bulk strings.Builder
	for line := range strings.Lines(string(lines)) {
		require.True(t, json.Valid([]byte(line)), line)
		bulk.WriteString("{\"create\":{}}\n" + strings.TrimRight(line, "\n") + "\n")
	}
	found := o.findLog(t, `committed hour:* trace_id:*`)
	require.Contains(t, found, "INFO")
	response, err := http.Post(o.logs+"/insert/elasticsearch/_bulk?_time_field=@timestamp&_msg_field=message"+
		"&_stream_fields=service.name&extra_fields=from=bulk", "application/json", strings.NewReader(bulk.String()))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	o.findLog(t, `from:=bulk committed "log.level":=INFO "service.name":=versionlake "trace.id":*`)
	o.scan(t, "the log server", []byte(o.findLog(t, "*")))
}

// findLog asks the log server, until it has taken in what was sent.
func (o *observed) findLog(t *testing.T, query string) (found string) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.PostForm(o.logs+"/select/logsql/query", url.Values{"query": {query}})
		if err != nil {
			return false
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		found = string(text)
		return err == nil && response.StatusCode == http.StatusOK && found != ""
	}, time.Minute, 100*time.Millisecond, "the log server finds nothing for %s", query)
	return found
}

func (o *observed) scan(t *testing.T, where string, raw []byte) {
	t.Helper()
	require.NotEmpty(t, raw, where)
	for _, planted := range []string{plantedUser, plantedSession, plantedSecret} {
		if at := bytes.Index(raw, []byte(planted)); at >= 0 {
			t.Errorf("%s holds %s: %q", where, planted, raw[max(at-100, 0):min(at+100, len(raw))])
		}
	}
}

// scanHistory looks through all that Temporal keeps of all workflows.
func (o *observed) scanHistory(t *testing.T) {
	c, err := client.Dial(client.Options{HostPort: o.server.Address, Namespace: o.server.Namespace})
	require.NoError(t, err)
	defer c.Close()
	listed, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(listed.GetExecutions()), 2, "the hour and gold")
	require.Eventually(t, func() bool {
		found, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: "Hours = '" + o.hour.String() + "' AND HourState = 'degraded'"})
		return err == nil && found.GetCount() == 1
	}, time.Minute, 50*time.Millisecond, "a degraded hour is found by its state")
	for _, run := range listed.GetExecutions() {
		id := run.GetExecution().GetWorkflowId()
		events := c.GetWorkflowHistory(t.Context(), id, run.GetExecution().GetRunId(), false,
			enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			raw, err := proto.Marshal(event)
			require.NoError(t, err)
			o.scan(t, "the history of "+id, raw)
		}
	}
}

package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
)

// unset takes away what whoever runs the tests has switched on.
func unset(t *testing.T) {
	t.Helper()
	for _, signal := range []string{"METRICS", "TRACES", "LOGS"} {
		t.Setenv("OTEL_"+signal+"_EXPORTER", "")
		t.Setenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", "")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "")
	t.Setenv("OTEL_SERVICE_NAME", "")
}

func start(t *testing.T, o observe.Options) *observe.Observer {
	t.Helper()
	if o.Log == nil {
		o.Log = t.Output()
	}
	observer, err := observe.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	return observer
}

// TestOff: what nobody asked for costs nothing.
func TestOff(t *testing.T) {
	unset(t)
	before := runtime.NumGoroutine()
	observer := start(t, observe.Options{})
	var options client.Options
	require.NoError(t, observer.Client(&options))
	require.Nil(t, options.MetricsHandler)
	require.Empty(t, options.Interceptors)
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
	row, reasons := ledger.Hour{State: ledger.HourComplete, Lines: 7}, map[string]int64{"utf8": 1}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		observer.Recorder().Hour(row)
		observer.Recorder().Rejected(reasons)
		observer.Recorder().Commit("silver.events", false)
		observer.Recorder().Maintained("silver.events", "compact", "files", 3, 4)
	}))
}

// TestScraped: every metric that the table lists can be scraped under its name there, with its attributes.
func TestScraped(t *testing.T) {
	unset(t)
	observer := start(t, observe.Options{Addr: "127.0.0.1:0", Every: time.Nanosecond})
	hour := telemetry.HourOf(time.Now()) - 3
	lake, broken := status.Status{Hours: 5, Empty: 1, Degraded: 1, Newest: &hour, GoldNewest: &hour,
		Waiting: []telemetry.Hour{hour}, Tables: []status.TableStatus{{Name: "silver.events", Files: 9, Bytes: 70}}},
		error(nil)
	observer.Figures(observe.Sources{
		Lake: func(context.Context) (status.Status, error) { return lake, broken },
		Work: func(context.Context) (observe.Work, error) {
			return observe.Work{Failed: map[telemetry.Hour]observe.FailedRun{hour: {}},
				MaintainedAt: time.Now()}, broken
		},
		Checks: func(context.Context) (map[string]string, error) {
			return map[string]string{"disk": "fail", "lake": "unknown"}, broken
		},
	})
	record := observer.Recorder()
	record.Hour(ledger.Hour{State: ledger.HourDegraded, Files: 4, BadFiles: 1, GoneFiles: 1, PassedOver: 1, Bytes: 5,
		Events: 3, Rejects: 2, Blanks: 1, Erased: 1})
	record.Rejected(map[string]int64{"utf8": 2})
	record.Commit("silver.events", false)
	record.Commit("silver.events", true)
	record.Maintained("silver.events", "compact", "files", 3, 4)
	page := get(t, observer, "/metrics", http.StatusOK)
	for _, line := range []string{
		`versionlake_hours_total{state="degraded"} 1`, `versionlake_lines_total{outcome="reject"} 2`,
		`versionlake_rejects_total{reason="utf8"} 2`, `versionlake_source_bytes_total 5`,
		`versionlake_files_total{state="read"} 2`, `versionlake_files_total{state="gone"} 1`,
		`versionlake_commits_total{table="silver.events"} 1`,
		`versionlake_commit_conflicts_total{table="silver.events"} 1`,
		`versionlake_maintenance_total{step="compact",table="silver.events",what="files"} 3`,
		`versionlake_maintenance_saved_bytes_total{step="compact",table="silver.events"} 4`,
		`versionlake_gold_waiting_hours 1`, `versionlake_ledger_hours{state="complete"} 3`,
		`versionlake_ledger_hours{state="failed"} 1`, `versionlake_maintenance_failed 0`,
		`versionlake_table_size_bytes{layer="silver",table="silver.events"} 70`,
		`versionlake_erasures{state="begun"} 0`, `target_info{`, `versionlake_check_state{check="disk"} 2`,
	} {
		require.Contains(t, page, line)
	}
	require.NotContains(t, page, `check="lake"`)
	age := "versionlake_gold_newest_hour_age_seconds "
	require.Contains(t, page, age)
	for _, m := range observe.Held {
		require.Contains(t, page, "\n"+inPrometheus(t, m), m.Name)
	}
	// What can't be read any more stays, grows older, and is counted.
	broken = errors.New("away")
	get(t, observer, "/metrics", http.StatusOK)
	page = get(t, observer, "/metrics", http.StatusOK)
	require.Contains(t, page, age)
	require.Contains(t, page, `versionlake_observe_failures_total{what="lake"}`)
}

func get(t *testing.T, observer *observe.Observer, path string, status int) string {
	t.Helper()
	response, err := http.Get("http://" + observer.Addr() + path)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s: %s", path, text)
	return string(text)
}

// TestReady: a process is ready when all that it needs is there, and says in words what is not, without the error.
func TestReady(t *testing.T) {
	unset(t)
	observer := start(t, observe.Options{Addr: "127.0.0.1:0"})
	get(t, observer, "/livez", http.StatusOK)
	require.Contains(t, get(t, observer, "/readyz", http.StatusServiceUnavailable), "starting")
	observer.Ready(observe.Check{Name: "the lake is away",
		Ask: func(context.Context) error { return errors.New("password 'secret' is wrong") }})
	require.Equal(t, "the lake is away\n", get(t, observer, "/readyz", http.StatusServiceUnavailable))
	observer.Ready(observe.Check{Name: "the lake is away", Ask: func(context.Context) error { return nil }})
	get(t, observer, "/readyz", http.StatusOK)
	observer.Drain()
	require.Contains(t, get(t, observer, "/readyz", http.StatusServiceUnavailable), "draining")
	get(t, observer, "/livez", http.StatusOK)
	_, err := observe.Start(t.Context(), observe.Options{Addr: observer.Addr(), Log: t.Output()})
	require.ErrorContains(t, err, "--metrics-addr")
}

// TestLines: a line of the log has the fields that agents look for, and the span that Temporal's SDK put elsewhere.
func TestLines(t *testing.T) {
	unset(t)
	t.Setenv("OTEL_SERVICE_NAME", "lake-of-tests")
	var out bytes.Buffer
	observer := start(t, observe.Options{Log: &out, Format: observe.FormatJSON})
	at := trace.SpanContextFromContext(trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(
		trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})))
	logger := sdklog.With(sdklog.NewStructuredLogger(observer.Logger()), "TraceID", at.TraceID(), "SpanID", at.SpanID())
	logger.Warn("files changed", "hour", "2022-05-27T05", "error", errors.New("it is \x1b gone"))
	logger.Debug("nobody asked for this")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	for field, want := range map[string]any{"message": "files changed", "log.level": "WARN", "status": "WARN",
		"service.name": "lake-of-tests", "dd.service": "lake-of-tests", "hour": "2022-05-27T05",
		"error.message": "it is \x1b gone", "trace_id": at.TraceID().String(), "trace.id": at.TraceID().String(),
		"span_id": at.SpanID().String(), "span.id": at.SpanID().String()} {
		require.Equal(t, want, line[field], field)
	}
	require.NotContains(t, line, "TraceID")
	for _, field := range []string{"@timestamp", "timestamp"} {
		text, _ := line[field].(string)
		_, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err, field)
	}
	require.False(t, strings.Contains(out.String(), "nobody asked"))
	slog.New(observer.Logger().Handler()).WithGroup("group").Info("fine", "key", "value")
}

// TestAway: a receiver that is not there costs lines in the log and no more.
func TestAway(t *testing.T) {
	unset(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	var out bytes.Buffer
	observer, err := observe.Start(t.Context(), observe.Options{Log: &out})
	require.NoError(t, err)
	observer.Logger().Info("something")
	observer.Recorder().Commit("silver.events", false)
	begun := time.Now()
	require.NoError(t, observer.Close())
	require.Less(t, time.Since(begun), 20*time.Second)
	require.Contains(t, out.String(), "could not be sent")
}

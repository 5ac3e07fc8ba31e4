package worker_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// local is a Temporal server, a worker, a lake and a source of their own.
type local struct {
	tb     testing.TB
	dir    string // of the source
	client client.Client
	server *worker.DevServer
	lake   *lake.Lake
	source source.Source
}

// startLocal starts all but a worker. The settings are of Temporal's dynamic configuration, KEY=JSON each.
func startLocal(t *testing.T, settings ...string) *local {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	root := t.TempDir()
	l := &local{tb: t, dir: filepath.Join(root, "source")}
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	l.server, err = worker.StartDevServer(t.Context(), worker.DevServerOptions{Dir: root, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	if l.client, err = worker.ConnectTo(t.Context(), l.server.Address, observe.Logging(logger)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.client.Close)
	l.lake, err = lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + root + "/catalog.db", Warehouse: "file://" + root + "/warehouse"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.lake.Close(); err != nil {
			t.Error(err)
		}
	})
	if l.source, err = source.Open(t.Context(), l.dir); err != nil {
		t.Fatal(err)
	}
	return l
}

// work starts a worker that stops with the test.
func (l *local) work(t *testing.T) {
	t.Helper()
	w := worker.New(l.client, worker.Options{Source: l.source, Lake: l.lake, Parsing: telemetry.Options{}})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// write puts a file of lines into an hour.
func (l *local) write(hour telemetry.Hour, name string, lines ...string) {
	l.tb.Helper()
	folder := filepath.Join(l.dir, filepath.FromSlash(hour.Folder()))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		l.tb.Fatal(err)
	}
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
		l.tb.Fatal(err)
	}
}

// sighting is a line that says which version a user ran, so many minutes into an hour.
func sighting(hour telemetry.Hour, minute int, user, version string) string {
	at := hour.Start().Add(time.Duration(minute) * time.Minute).Format("2006-01-02T15:04:05.000+0000")
	return "Info\t" + at + "\tClientApp\tsession-" + user + "\t" + strconv.Itoa(minute) +
		"\t{'Name': 'SoftwareVersion', 'Version': " + version + ", 'Device': 'Gameboy', 'UserId': '" + user + "'}"
}

func (l *local) start(ctx context.Context, id string, workflow any, input any) client.WorkflowRun {
	l.tb.Helper()
	run, err := l.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: worker.TaskQueue},
		workflow, input)
	if err != nil {
		l.tb.Fatal(err)
	}
	return run
}

func (l *local) ingest(ctx context.Context, hour telemetry.Hour) ingest.HourResult {
	l.tb.Helper()
	var result ingest.HourResult
	run := l.start(ctx, ingest.HourWorkflowID(hour), ingest.IngestHour,
		ingest.HourInput{Hour: hour.String()})
	if err := run.Get(ctx, &result); err != nil {
		l.tb.Fatalf("ingest %s: %v", hour, err)
	}
	return result
}

func hour(t testing.TB, text string) telemetry.Hour {
	t.Helper()
	h, err := telemetry.ParseHour(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func countRequest(query string) *workflowservice.CountWorkflowExecutionsRequest {
	return &workflowservice.CountWorkflowExecutionsRequest{Namespace: client.DefaultNamespace, Query: query}
}

func listRequest(query string) *workflowservice.ListWorkflowExecutionsRequest {
	return &workflowservice.ListWorkflowExecutionsRequest{Namespace: client.DefaultNamespace, Query: query}
}

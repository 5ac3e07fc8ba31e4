package crashtest

import (
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/process"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// held is an S3 server that does not answer when a step writes its rows, once, until it is let go.
type held struct {
	begun   atomic.Bool
	waiting chan struct{} // closed when a step waits
	release chan struct{}
}

func (h *held) choose(r *http.Request) testserver.Fault {
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/bronze/events/data/") && !h.begun.Swap(true) {
		close(h.waiting)
		<-h.release
	}
	return testserver.NoFault
}

// TestDrain sends SIGTERM to a worker in the middle of a step. It says that it is not ready any more. The step ends
// in the time that it has, or is handed back, and another worker begins it again without waiting for a timeout.
func TestDrain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	source, hour := world(t, 1)
	server, command := testserver.S3(t), program(t)
	for _, try := range []struct {
		name, drain string
		attempt     int32
		failure     string
	}{
		{"the step ends", "5m", 1, ""},
		{"the step is handed back", "1s", 2, activities.ErrorStopping},
	} {
		t.Run(try.name, func(t *testing.T) {
			d := &drained{hour: hour, held: &held{waiting: make(chan struct{}), release: make(chan struct{})}}
			server := server.Behind(t, d.held.choose)
			d.site = &site{t: t, program: command, source: source, server: testserver.Temporal(t), dir: t.TempDir(),
				env: server.Env()}
			d.lake = lake.Config{Catalog: "sqlite://" + d.dir + "/catalog.db",
				Warehouse: "s3://" + server.NewBucket(t) + "/lake"}
			worker := d.terminate(try.drain)
			if try.failure == "" {
				close(d.held.release)
			} else {
				defer close(d.held.release)
			}
			require.NoError(t, worker.Wait(), "a worker that is told to stop exits with 0\n%s", worker.Stderr)
			begun := d.goesOn()
			require.Equal(t, try.attempt, begun.GetAttempt())
			require.Equal(t, try.failure, begun.GetLastFailure().GetApplicationFailureInfo().GetType(),
				begun.GetLastFailure())
		})
	}
}

// drained is a site whose worker is told to stop while a step of an hour waits for S3.
type drained struct {
	*site
	hour telemetry.Hour
	held *held
}

// terminate starts a worker and an hour, and sends SIGTERM once a step waits.
func (d *drained) terminate(drain string) *exec.Cmd {
	d.t.Helper()
	port, err := process.FreePort()
	require.NoError(d.t, err)
	metrics := process.Loopback(port)
	worker := d.worker(noSchedule, "--metrics-addr", metrics, "--drain", drain)
	is := func(said string) {
		d.t.Helper()
		require.Eventually(d.t, func() bool { return page(metrics, "/readyz") == said }, time.Minute,
			10*time.Millisecond, "/readyz does not say %s\n%s", said, worker.Stderr)
	}
	is("ok\n")
	out, err := d.command("ingest", d.hour.String(), "--detach").CombinedOutput()
	require.NoError(d.t, err, "%s", out)
	select {
	case <-d.held.waiting:
	case <-time.After(time.Minute):
		d.t.Fatalf("no step writes to bronze\n%s", worker.Stderr)
	}
	require.NoError(d.t, worker.Process.Signal(syscall.SIGTERM))
	is("draining\n")
	return worker
}

// goesOn lets another worker end the hour, and returns how the step that was in the middle began last.
func (d *drained) goesOn() (begun *historypb.ActivityTaskStartedEventAttributes) {
	d.t.Helper()
	second := d.worker(noSchedule)
	defer stop(second)
	c, err := client.Dial(client.Options{HostPort: d.server.Address, Namespace: d.server.Namespace})
	require.NoError(d.t, err)
	defer c.Close()
	id := ingest.HourWorkflowID(d.hour)
	require.NoError(d.t, c.GetWorkflow(d.t.Context(), id, "").Get(d.t.Context(), nil))
	var parsed int64 // the event that asked for the step
	events := c.GetWorkflowHistory(d.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(d.t, err)
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "ParseChunk" {
			parsed = event.GetEventId()
		}
		started := event.GetActivityTaskStartedEventAttributes()
		if started != nil && started.GetScheduledEventId() == parsed {
			begun = started
		}
	}
	require.NotNil(d.t, begun)
	return begun
}

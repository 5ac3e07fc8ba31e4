package crashtest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/workflows"
)

// outageTest is how large the range is, and how long an outage lasts.
type outageTest struct {
	hours int
	lasts time.Duration
}

func outages(t *testing.T) outageTest {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	if os.Getenv("VERSIONLAKE_FAULTS") != "" {
		return outageTest{hours: 48, lasts: time.Minute}
	}
	return outageTest{hours: 5, lasts: time.Second}
}

// through runs a range while something is away from its first hours on, until it is said in the Temporal UI, in these words,
// and for a while more. Nobody helps: the same worker must go on, and the tables end as those of an undisturbed run.
func (s *site) through(o outageTest, from telemetry.Hour, away, back func(), words string) {
	s.t.Helper()
	t, to := s.t, from+telemetry.Hour(o.hours)
	worker := s.worker(noSchedule)
	t.Cleanup(func() { stop(worker) })
	s.start(from, to)
	c, err := client.Dial(client.Options{HostPort: s.server.Address, Namespace: s.server.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	over := make(chan error, 1)
	go func() { over <- s.await(t.Context(), from, to) }()
	begun := time.Now()
	until := func(what string, condition func() bool) {
		t.Helper()
		deadline := time.Now().Add(3 * time.Minute)
		for !condition() {
			select {
			case err := <-over:
				t.Fatalf("the range is over before %s: %v", what, err)
			case <-time.After(20 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come about\n%s", what, worker.Stderr)
			}
		}
	}
	until("some hours are done", func() bool { return hoursDone(t, c, from, to) > 0 })
	away()
	var said string
	until("the UI says "+words, func() bool {
		said = waitsFor(t, c)
		return strings.Contains(said, words)
	})
	t.Logf("after %s the UI says:\n%s", time.Since(begun).Round(time.Millisecond), said)
	select {
	case err := <-over:
		t.Fatalf("the range is over in the outage: %v", err)
	case <-time.After(o.lasts): // how long it lasts is what the test is about
	}
	back()
	since := time.Now()
	select {
	case err := <-over:
		if err != nil {
			t.Fatalf("the range failed: %v\n%s", err, worker.Stderr)
		}
	case <-time.After(10 * time.Minute):
		t.Fatalf("the range does not end\n%s\n%s", waitsFor(t, c), worker.Stderr)
	}
	t.Logf("over %s after the outage", time.Since(since).Round(time.Millisecond))
	if err := worker.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the worker has gone: %v\n%s", err, worker.Stderr)
	}
}

// check compares the tables with those of an undisturbed run, and lets the program verify them.
func (s *site) check(want string, from, to telemetry.Hour) {
	s.t.Helper()
	if got := s.tables(from, to); got != want {
		s.t.Errorf("the tables differ from those of an undisturbed run:\n%s", difference(want, got))
	}
	out, err := s.command("verify").CombinedOutput()
	s.t.Logf("verify: %s", bytes.TrimSpace(out))
	if err != nil {
		s.t.Errorf("verify: %v", err)
	}
}

// hoursDone is how far a range is.
func hoursDone(t *testing.T, c client.Client, from, to telemetry.Hour) int {
	t.Helper()
	value, err := c.QueryWorkflow(t.Context(), workflows.RangeWorkflowID(from, to), "", workflows.ProgressQuery)
	if err != nil {
		return 0 // no worker has it yet
	}
	var progress workflows.HoursProgress
	if err := value.Get(&progress); err != nil {
		t.Fatal(err)
	}
	return progress.Ran
}

// waitsFor is what the Temporal UI shows of steps that failed and are tried again.
func waitsFor(t *testing.T, c client.Client) string {
	t.Helper()
	var text strings.Builder
	running, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: `ExecutionStatus = "Running"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, execution := range running.Executions {
		described, err := c.DescribeWorkflowExecution(t.Context(), execution.Execution.WorkflowId, execution.Execution.RunId)
		if err != nil {
			t.Fatal(err)
		}
		for _, pending := range described.PendingActivities {
			if failure := pending.LastFailure; failure != nil {
				fmt.Fprintf(&text, "%s, %s, attempt %d: %s\n", execution.Execution.WorkflowId, pending.ActivityType.Name, pending.Attempt, failure.Message)
			}
		}
	}
	return text.String()
}

// onServers is a site whose source and warehouse are on S3, behind faults, and whose catalog is in Postgres, behind a gate.
func onServers(t *testing.T, source string, choose func(*http.Request) testserver.Fault) (*site, *testserver.Gate) {
	t.Helper()
	server := testserver.S3(t)
	bucket := server.NewBucket(t)
	if err := filepath.WalkDir(source, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		key, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		_, err = server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("telemetry/" + filepath.ToSlash(key)), Body: file})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server.Behind(t, choose).Setenv(t)
	database, gate := testserver.PostgresBehind(t, testserver.Postgres(t))
	return &site{
		t: t, program: program(t), dir: t.TempDir(), source: "s3://" + bucket + "/telemetry", server: testserver.Temporal(t),
		lake: lake.Config{Catalog: database, Warehouse: "s3://" + bucket + "/lake"},
	}, gate
}

// TestServersAway lets Postgres go away in the middle of a range, while S3 refuses every third call from beginning to end.
func TestServersAway(t *testing.T) {
	o := outages(t)
	source, from := world(t, o.hours)
	to := from + telemetry.Hour(o.hours)
	want := plain(t, program(t), source, from, to)
	var calls atomic.Int64
	var over atomic.Bool
	s, gate := onServers(t, source, func(*http.Request) testserver.Fault {
		if calls.Add(1)%3 == 0 && !over.Load() {
			return testserver.Refused
		}
		return testserver.NoFault
	})
	s.through(o, from, gate.Shut, gate.Open, "waiting until the database of the catalog can be reached")
	t.Logf("%d calls to S3, of which every third was refused", calls.Load())
	over.Store(true)
	s.check(want, from, to)
}

// TestDiskFull lets the disk of catalog, warehouse and spills fill up in the middle of a range, and makes room later.
func TestDiskFull(t *testing.T) {
	o := outages(t)
	source, from := world(t, o.hours)
	to := from + telemetry.Hour(o.hours)
	want := plain(t, program(t), source, from, to)
	disk := t.TempDir()
	if err := mountSmall(disk); err != nil {
		t.Skipf("no small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(disk); err != nil {
			t.Error(err)
		}
	})
	s := &site{t: t, program: program(t), dir: filepath.Join(disk, "lake"), source: source, server: testserver.Temporal(t), env: []string{"TMPDIR=" + disk}}
	filler := filepath.Join(disk, "filler")
	fill := func() {
		file, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for block := make([]byte, 1<<16); err == nil; {
			_, err = file.Write(block)
		}
	}
	empty := func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	s.through(o, from, fill, empty, "waiting until there is room on the disk again")
	s.check(want, from, to)
}

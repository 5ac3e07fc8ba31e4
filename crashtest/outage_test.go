package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
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
	"github.com/versionlake/versionlake/workflows/ranges"
)

// outages are what may be away, how long it is, and from how large a range.
type outages struct {
	source   string
	from, to telemetry.Hour
	want     string // the tables of an undisturbed run
	lasts    time.Duration
}

// TestOutages lets Postgres go away in the middle of a range while S3 refuses every third call, and a disk fill up.
// Each time the Temporal UI says what is waited for, and the range ends right once it is back, with no help: not
// even where the worker is replaced in the outage, and the Temporal server with it. With VERSIONLAKE_FAULTS set,
// the range is a day, and the outages last a minute.
func TestOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	o := outages{lasts: time.Second}
	hours := 4
	if os.Getenv("VERSIONLAKE_FAULTS") != "" {
		o.lasts, hours = time.Minute, 24
	}
	o.source, o.from = world(t, hours)
	o.to = o.from + telemetry.Hour(hours)
	command := program(t)
	o.want = plain(t, command, o.source, o.from, o.to)
	before := readOnly(t, o.source)
	t.Run("servers", func(t *testing.T) { o.serversAway(t, command) })
	t.Run("disk", func(t *testing.T) { o.diskFull(t, command, false) })
	t.Run("scratch", func(t *testing.T) { o.diskFull(t, command, true) })
	if after := filesIn(t, o.source); after != before {
		t.Errorf("the source was written to:\n%s\nbefore:\n%s", after, before)
	}
}

// readOnly takes the rights to write from a source, which bind whoever is not root, and says what is in it.
func readOnly(t *testing.T, source string) string {
	t.Helper()
	rights := func(file, folder os.FileMode) {
		if err := filepath.WalkDir(source, func(path string, entry os.DirEntry, err error) error {
			mode := file
			if err == nil && entry.IsDir() {
				mode = folder
			}
			return errors.Join(err, os.Chmod(path, mode))
		}); err != nil {
			t.Fatal(err)
		}
	}
	rights(0o400, 0o500)
	t.Cleanup(func() { rights(0o600, 0o700) })
	return filesIn(t, source)
}

func filesIn(t *testing.T, folder string) (all string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			all += fmt.Sprintln(path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// outage is what goes away and comes back, and the words that tell of it in the Temporal UI.
type outage struct {
	away, back func()
	words      string
	meanwhile  func(worker *exec.Cmd) *exec.Cmd // what else happens; nil: nothing
}

// through runs a range, and lets something be away from its first hours on, until that is said in the Temporal UI
// and for a while more.
func (o outages) through(s *site, of outage) {
	s.t.Helper()
	t, from, to := s.t, o.from, o.to
	worker := s.worker(noSchedule)
	defer func() { t.Cleanup(func() { stop(worker) }) }()
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
	of.away()
	var said string
	until("the UI says "+of.words, func() bool {
		said = waitsFor(t, c)
		return strings.Contains(said, of.words)
	})
	t.Logf("after %s the UI says:\n%s", time.Since(begun).Round(time.Millisecond), said)
	if of.meanwhile != nil {
		worker = of.meanwhile(worker)
	}
	select {
	case err := <-over:
		t.Fatalf("the range is over in the outage: %v", err)
	case <-time.After(o.lasts): // how long it lasts is what the test is about
	}
	of.back()
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
}

// check compares the tables with those of an undisturbed run, and lets the program verify them.
func (o outages) check(s *site) {
	s.t.Helper()
	if got := s.tables(o.from, o.to); got != o.want {
		s.t.Errorf("the tables differ from those of an undisturbed run:\n%s", difference(o.want, got))
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
	value, err := c.QueryWorkflow(t.Context(), ranges.RangeWorkflowID(from, to), "", workflows.ProgressQuery)
	if err != nil {
		return 0 // no worker has it yet
	}
	var progress ranges.Progress
	if err := value.Get(&progress); err != nil {
		t.Fatal(err)
	}
	return progress.Ran
}

// waitsFor is what the Temporal UI shows of steps that failed and are tried again.
func waitsFor(t *testing.T, c client.Client) string {
	t.Helper()
	var text strings.Builder
	running, err := c.ListWorkflow(t.Context(),
		&workflowservice.ListWorkflowExecutionsRequest{Query: `ExecutionStatus = "Running"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, execution := range running.Executions {
		described, err := c.DescribeWorkflowExecution(t.Context(), execution.Execution.WorkflowId,
			execution.Execution.RunId)
		if err != nil {
			t.Fatal(err)
		}
		for _, pending := range described.PendingActivities {
			if failure := pending.LastFailure; failure != nil {
				fmt.Fprintf(&text, "%s, %s, attempt %d: %s\n", execution.Execution.WorkflowId,
					pending.ActivityType.Name, pending.Attempt, failure.Message)
			}
		}
	}
	return text.String()
}

// onServers is a site whose source and warehouse are on S3, behind faults, and whose catalog is in Postgres, behind
// a gate.
func onServers(t *testing.T, command, source string,
	choose func(*http.Request) testserver.Fault) (*site, *testserver.Gate) {
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
		_, err = server.Client().PutObject(t.Context(),
			&s3.PutObjectInput{Bucket: &bucket, Key: aws.String("telemetry/" + filepath.ToSlash(key)), Body: file})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server.Behind(t, choose).Setenv(t)
	database, gate := testserver.PostgresBehind(t, testserver.Postgres(t))
	return &site{
		t: t, program: command, dir: t.TempDir(), source: "s3://" + bucket + "/telemetry",
		server: testserver.Temporal(t),
		lake:   lake.Config{Catalog: database, Warehouse: "s3://" + bucket + "/lake"},
	}, gate
}

// serversAway has source and warehouse on S3, and the catalog in Postgres. The source may be read, and nothing else.
func (o outages) serversAway(t *testing.T, command string) {
	var calls atomic.Int64
	var over atomic.Bool
	s, gate := onServers(t, command, o.source, func(r *http.Request) testserver.Fault {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && strings.Contains(r.URL.Path, "/telemetry") {
			return testserver.Forbidden
		}
		if calls.Add(1)%3 == 0 && !over.Load() {
			return testserver.Refused
		}
		return testserver.NoFault
	})
	o.through(s, outage{
		away: gate.Shut, back: gate.Open, words: "waiting until the database of the catalog can be reached",
		meanwhile: func(worker *exec.Cmd) *exec.Cmd {
			if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := worker.Wait(); err != nil {
				t.Errorf("a worker that is told to stop: %v\n%s", err, worker.Stderr)
			}
			s.server.Kill()
			worker = s.worker(noSchedule) // which finds neither Postgres nor Temporal
			s.server.Start()
			return worker
		},
	})
	t.Logf("%d calls to S3, of which every third was refused", calls.Load())
	over.Store(true)
	o.check(s)
}

// diskFull has catalog, warehouse and spills on one disk, or the spills alone.
func (o outages) diskFull(t *testing.T, command string, spillsAlone bool) {
	disk := t.TempDir()
	if err := mountSmall(disk); err != nil {
		t.Skipf("no small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(disk); err != nil {
			t.Error(err)
		}
	})
	s := &site{t: t, program: command, dir: filepath.Join(disk, "lake"), source: o.source,
		server: testserver.Temporal(t), env: []string{"TMPDIR=" + disk}}
	if spillsAlone {
		s.dir = t.TempDir()
	}
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
	o.through(s, outage{away: fill, back: empty, words: "waiting until there is room on the disk again"})
	o.check(s)
}

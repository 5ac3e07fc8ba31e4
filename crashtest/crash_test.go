// Package crashtest runs the program as it runs in production, several processes and a Temporal server, and kills them.
package crashtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
)

// program builds the command once.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "versionlake")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path,
		"../cmd/versionlake").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return path
}

// world writes days of telemetry: sessions that cross hours, late and repeated lines, bad ones, packed files.
func world(t *testing.T, hours int) (dir string, from telemetry.Hour) {
	t.Helper()
	o := generate.Defaults()
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = hours, 60, 400, 3
	o.Late, o.Bad, o.Repeated = 0.1, 0.02, 0.02
	o.Empty = []telemetry.Hour{o.From + 3}
	dir = t.TempDir()
	if _, err := generate.Write(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	return dir, o.From
}

// site is one lake with its source, and the Temporal server that its processes meet at.
type site struct {
	t       *testing.T
	program string
	dir     string
	source  string
	server  *testserver.TemporalServer
	lake    lake.Config // in dir when empty
	env     []string
}

func (s *site) command(args ...string) *exec.Cmd {
	catalog, password := testserver.Catalog(s.t, s.lake.Catalog)
	args = append(args, "--dir", s.dir, "--source", s.source, "--catalog", catalog, "--warehouse", s.lake.Warehouse)
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Env = slices.Concat(os.Environ(), s.env, s.server.Env(), []string{password})
	return cmd
}

// worker starts a worker; its output is shown when the test fails.
func (s *site) worker(flags ...string) *exec.Cmd {
	s.t.Helper()
	cmd := s.command(append([]string{"worker", "--log-level", "warn"}, flags...)...)
	cmd.Stderr = &tail{}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

const noSchedule = "--no-schedule"

// tail keeps the end of a process's output.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.Len() > 1<<20 {
		t.Reset()
	}
	return t.Buffer.Write(p)
}

// start starts a range and returns at once.
func (s *site) start(from, to telemetry.Hour) {
	s.t.Helper()
	out, err := s.command("reprocess", "--from", from.String(), "--to", to.String(), "--detach").CombinedOutput()
	if err != nil {
		s.t.Fatalf("start the range: %v\n%s", err, out)
	}
}

// await waits until a range is over, through whatever happens to the server meanwhile.
func (s *site) await(ctx context.Context, from, to telemetry.Hour) error {
	c, err := client.NewLazyClient(client.Options{HostPort: s.server.Address, Namespace: s.server.Namespace})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.GetWorkflow(ctx, fmt.Sprintf("range-%s-%s", from, to), "").Get(ctx, nil)
}

// tables is all that a reader sees: the users, and for each hour its lines and the state of its files.
func (s *site) tables(from, to telemetry.Hour) string {
	s.t.Helper()
	ctx := s.t.Context()
	config := s.lake
	if config.Catalog == "" {
		config = lake.Config{Catalog: "sqlite://" + s.dir + "/catalog.db", Warehouse: "file://" + s.dir + "/warehouse"}
	}
	l, err := lake.OpenExisting(ctx, config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	var text strings.Builder
	daily := s.command("daily", "--refresh", "--output", "json")
	daily.Stdout = &text
	if err := daily.Run(); err != nil {
		s.t.Fatalf("refresh the daily aggregates: %v", err)
	}
	now, err := gold.FindVersion(ctx, l, "")
	if err != nil {
		s.t.Fatal(err)
	}
	users := map[string]bool{}
	for user, err := range gold.Users(ctx, l, now) {
		if err != nil {
			s.t.Fatal(err)
		}
		if users[user.ID] {
			s.t.Errorf("user %s has two rows", user.ID)
		}
		users[user.ID] = true
		fmt.Fprintf(&text, "%+v\n", user)
	}
	hours, err := ledger.Hours(ctx, l, from, to)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range hours {
		fmt.Fprintln(&text, row.Hour, row.State, row.Files, row.Lines, row.Events, row.Rejects, row.Blanks, row.Silver,
			row.Sightings, row.Bindings)
		files, err := ledger.Files(ctx, l, row.Hour)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, file := range files {
			fmt.Fprintln(&text, file.Key, file.State, file.Lines, file.Events, file.Rejects, file.Blanks)
		}
	}
	status, err := status.Read(ctx, l)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, table := range status.Tables {
		// A row per run, and a range that was interrupted may have run an hour twice; and what was looked at by the
		// way.
		if table.Name != lake.OpsHours.Name && table.Name != lake.OpsChecks.Name {
			fmt.Fprintln(&text, table.Name, table.Rows)
		}
	}
	if status.Behind || status.DailyBehind {
		s.t.Errorf("gold is behind silver: %v, or the daily aggregates behind both: %v", status.Behind,
			status.DailyBehind)
	}
	return text.String()
}

// plain is the same work undisturbed.
func plain(t *testing.T, program, source string, from, to telemetry.Hour) string {
	t.Helper()
	s := &site{t: t, program: program, dir: t.TempDir(), source: source, server: testserver.Temporal(t)}
	worker := s.worker(noSchedule)
	defer stop(worker)
	s.start(from, to)
	if err := s.await(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	return s.tables(from, to)
}

// stop ends a process as kill -9 does.
func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended by itself, which Wait tells
	_ = cmd.Wait()         // a killed process has no other answer
}

// TestKilled kills the worker at 20 random moments of a range, and the Temporal server at 3; the tables end the same.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real servers for a minute or two")
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("VERSIONLAKE_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("VERSIONLAKE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const hours, workerKills, serverKills = 72, 20, 3
	command := program(t)
	source, from := world(t, hours)
	to := from + hours
	want := plain(t, command, source, from, to)

	s := &site{t: t, program: command, dir: t.TempDir(), source: source, server: testserver.Temporal(t)}
	worker := s.worker(noSchedule)
	defer func() { stop(worker) }()
	s.start(from, to)
	killServerAt := map[int]bool{}
	for len(killServerAt) < serverKills {
		killServerAt[random.IntN(workerKills)] = true
	}
	over := make(chan error, 1)
	go func() { over <- s.await(t.Context(), from, to) }()
	kills := 0
	for kills < workerKills {
		// The moments are what the test is about: from before a worker is connected to the middle of a commit.
		select {
		case err := <-over:
			if err != nil || kills < workerKills/2 {
				t.Fatalf("the range was over after %d kills: %v", kills, err)
			}
			over <- nil // on a fast machine, it may be before the last of them
			kills = workerKills
			continue
		case <-time.After(time.Duration(100+random.IntN(1100)) * time.Millisecond):
		}
		stop(worker)
		if killServerAt[kills] {
			s.server.Kill()
			s.server.Start()
		}
		worker = s.worker(noSchedule)
		kills++
	}
	select {
	case err := <-over:
		if err != nil {
			t.Fatalf("the range failed: %v\n%s", err, worker.Stderr)
		}
	case <-time.After(8 * time.Minute):
		t.Fatalf("the range does not end\n%s", worker.Stderr)
	}
	if got := s.tables(from, to); got != want {
		t.Errorf("the tables differ from those of an undisturbed run:\n%s", difference(want, got))
	}
}

// backfill lets the schedule fire for past hours, all at once, and says when all of them are over.
func (s *site) backfill(from, to telemetry.Hour) (await func() error) {
	s.t.Helper()
	ctx := s.t.Context()
	c, err := client.Dial(client.Options{HostPort: s.server.Address, Namespace: s.server.Namespace})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	schedule := c.ScheduleClient().GetHandle(ctx, worker.ScheduleID)
	request := client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{
		Start: from.Start(), End: to.Start(), Overlap: enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
	}}}
	// The schedule is there once a worker is up.
	for err = schedule.Backfill(ctx, request); err != nil; err = schedule.Backfill(ctx, request) {
		var missing *serviceerror.NotFound
		if !errors.As(err, &missing) {
			s.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return func() error {
		for {
			started, err := c.CountWorkflow(ctx,
				&workflowservice.CountWorkflowExecutionsRequest{Query: `WorkflowType = "ScheduledHour"`})
			if err != nil {
				return err
			}
			running, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
				Query: `WorkflowType != "GoldWriter" AND ExecutionStatus = "Running"`,
			})
			if err != nil {
				return err
			}
			if started.Count >= int64(to-from) && running.Count == 0 {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// TestRangesMeet runs two overlapping ranges, single hours and the schedule at once, with two workers on one lake.
func TestRangesMeet(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	const hours = 12
	command := program(t)
	source, from := world(t, hours)
	to := from + hours
	want := plain(t, command, source, from, to)

	s := &site{t: t, program: command, dir: t.TempDir(), source: source, server: testserver.Temporal(t)}
	for range 2 {
		worker := s.worker()
		defer stop(worker)
	}
	s.start(from, to)
	s.start(from, to-2)
	scheduled := s.backfill(from, to)
	var errs []error
	for range 3 {
		out, err := s.command("ingest", (from + 5).String()).CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("%w\n%s", err, out))
		}
	}
	for _, end := range []telemetry.Hour{to, to - 2} {
		errs = append(errs, s.await(t.Context(), from, end))
	}
	errs = append(errs, scheduled())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := s.tables(from, to); got != want {
		t.Errorf("the tables differ from those of one range:\n%s", difference(want, got))
	}
}

// difference shows the first lines in which two texts differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var text strings.Builder
	shown := 0
	only := func(name string, lines, others []string) {
		others = slices.Sorted(slices.Values(others))
		for _, line := range lines {
			if _, found := slices.BinarySearchFunc(others, line, cmp.Compare[string]); !found && shown < 20 {
				fmt.Fprintf(&text, "%s %s\n", name, line)
				shown++
			}
		}
	}
	only("-", a, b)
	only("+", b, a)
	return text.String()
}

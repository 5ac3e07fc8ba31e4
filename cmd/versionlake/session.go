package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
)

// session is a command's connection to Temporal.
type session struct {
	client  client.Client
	where   string // for messages
	ui      string // URL, where it is known
	lasting bool   // it outlives the command
	failed  <-chan struct{}
	close   func() error
}

// connect finds the Temporal server to use: the one that TEMPORAL_* settings name; else that of `versionlake dev`
// on the same --dir; else one of its own, with a worker, for as long as the command runs.
func (s *settings) connect(ctx context.Context, workers int) (*session, error) {
	if c, err := s.connectLasting(ctx); c != nil || err != nil {
		return c, err
	}
	return s.connectOwn(ctx, workers)
}

// connectLasting is nil where no server runs. It refuses settings that the server's workers would not follow.
func (s *settings) connectLasting(ctx context.Context) (*session, error) {
	c, err := s.connectRunning(ctx)
	if err != nil || c == nil {
		return nil, err
	}
	if err := s.refuseOthers(ctx, c.where); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if src, err := s.workSource(ctx); err == nil { // a worker may know one that this command does not
		s.tellStrays(ctx, src)
	}
	return c, nil
}

// tellStrays warns of folders that look like hours and are not read, where others are.
func (s *settings) tellStrays(ctx context.Context, src source.Source) {
	if s.readsNoSource || src.CheckHours(ctx) != nil { // without one hour, the command says so
		return
	}
	for _, stray := range src.Strays(ctx) {
		s.stderr.Printf("warning: %s\n", stray)
	}
}

func (s *settings) connectRunning(ctx context.Context) (*session, error) {
	configured, err := worker.Configured()
	if err != nil {
		return nil, err
	}
	if !configured {
		return s.connectDev(ctx)
	}
	c, options, err := worker.Connect(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &session{client: c, where: "Temporal at " + options.HostPort, lasting: true, close: closeClient(c)}, nil
}

func closeClient(c client.Client) func() error {
	return func() error { c.Close(); return nil }
}

// connectDev is nil where no `versionlake dev` runs.
func (s *settings) connectDev(ctx context.Context) (*session, error) {
	state, ok, err := s.readDevState()
	if !ok || err != nil {
		return nil, err
	}
	dialCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := worker.ConnectTo(dialCtx, state.Address, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, ctx.Err() // the file is a leftover of a process that was killed
	}
	if err := s.sameSource(ctx, state); err != nil {
		c.Close()
		return nil, err
	}
	return &session{client: c, where: fmt.Sprintf("versionlake dev (process %d, %s)", state.PID, state.UI),
		lasting: true, close: closeClient(c)}, nil
}

// sameSource refuses to let the running worker read another source than the one that was asked for.
func (s *settings) sameSource(ctx context.Context, state devState) error {
	if s.source == "" {
		return nil
	}
	wanted, err := source.Open(ctx, s.source)
	if err != nil {
		return err
	}
	if wanted.String() != state.Source {
		return usagef("process %d works on %s with the source %s; stop it to use %s", state.PID, s.dir, state.Source,
			wanted)
	}
	return nil
}

func (s *settings) connectOwn(ctx context.Context, workers int) (_ *session, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	logFile, err := os.Create(filepath.Join(s.dir, "versionlake.log"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the log: %w", err), unlock())
	}
	logger, err := newLogger(terminal.NewOutput(logFile), "info")
	if err != nil {
		return nil, errors.Join(err, logFile.Close(), unlock())
	}
	k, err := s.startStack(ctx, stackOptions{workers: workers, logger: logger})
	if err != nil {
		return nil, errors.Join(err, logFile.Close(), unlock())
	}
	s.tellStrays(ctx, k.source)
	s.stderr.Printf("no Temporal server is named: running one in %s for this command, see %s\n", s.dir, k.server.UI)
	return &session{
		client: k.client, where: "the local Temporal server, whose log is in " + s.dir, ui: k.server.UI,
		failed: k.server.Ended(),
		close:  func() error { return errors.Join(k.stop(), logFile.Close(), unlock()) },
	}, nil
}

// start starts a workflow once no other of its id runs: what it is to read may have come after the other looked.
func (c *session) start(ctx context.Context, s *settings, options client.StartWorkflowOptions, wait bool, workflow,
	input any) (client.WorkflowRun, error) {
	options.TaskQueue = worker.TaskQueue
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	for {
		run, err := c.client.ExecuteWorkflow(ctx, options, workflow, input)
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &running) {
			if err != nil {
				return nil, fmt.Errorf("start %s on %s: %w", options.ID, c.where, err)
			}
			return run, nil
		}
		if !wait {
			return nil, fmt.Errorf("%s runs already, and may have looked at the source before; without --detach "+
				"this waits for it and does it once more", options.ID)
		}
		s.stderr.Printf("%s runs already: waiting for it, then doing it once more\n", options.ID)
		if err := c.client.GetWorkflow(ctx, options.ID, running.RunId).Get(ctx, nil); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

const (
	watchInterval = 250 * time.Millisecond
	// Failed attempts are looked for now and then: they go on being tried again.
	failureInterval = 2 * time.Second
	cancelPatience  = 45 * time.Second
)

// wait waits for a workflow and gives its result, and shows meanwhile how far it is and what fails. When the
// command is interrupted it cancels the workflow, and waits until that has cleaned up. show also names the
// workflows that work for it.
func (c *session) wait(ctx context.Context, run client.WorkflowRun, result any, p terminal.Progress,
	show func(context.Context, terminal.Progress) []string) error {
	ended := make(chan error, 1)
	getCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { ended <- run.Get(getCtx, result) }()
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	failures := &failureWatch{client: c.client, last: time.Now(), told: map[string]string{}}
	for {
		select {
		case err := <-ended:
			show(getCtx, p)
			return workflowError(run, err)
		case <-c.failed:
			return fmt.Errorf("%s has ended", c.where)
		case <-ctx.Done():
			return c.cancel(getCtx, run, ended, p)
		case <-ticker.C:
			working := show(ctx, p)
			failures.show(ctx, p, append(working, run.GetID(), activities.GoldWorkflowID))
		}
	}
}

func (c *session) cancel(ctx context.Context, run client.WorkflowRun, ended <-chan error, p terminal.Progress) error {
	p.Note("cancelling " + run.GetID())
	if err := c.client.CancelWorkflow(ctx, run.GetID(), ""); err != nil {
		return fmt.Errorf("cancel %s: %w", run.GetID(), err)
	}
	select {
	case err := <-ended:
		if err == nil {
			p.Note(run.GetID() + " was done before it could be cancelled")
		}
	case <-c.failed:
	case <-time.After(cancelPatience):
		p.Note(run.GetID() + " is still being cancelled")
	}
	return context.Canceled
}

// errWorkflowCancelled: someone else cancelled the workflow.
var errWorkflowCancelled = errors.New("was cancelled")

// workflowError makes one line of what Temporal wraps in several.
func workflowError(run client.WorkflowRun, err error) error {
	if err == nil {
		return nil
	}
	var application *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &application):
		return fmt.Errorf("%s: %s%w", run.GetID(), application.Message(), silent{err})
	case errors.As(err, &canceled):
		return fmt.Errorf("%s %w", run.GetID(), errWorkflowCancelled)
	}
	return err
}

// silent keeps an error in the chain, without its text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

func isApplicationError(err error, errorType string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == errorType
}

// failureWatch tells once of each attempt of a step that failed and is tried again.
type failureWatch struct {
	client client.Client
	last   time.Time
	told   map[string]string // workflow and activity id → message
}

func (w *failureWatch) show(ctx context.Context, p terminal.Progress, workflowIDs []string) {
	if time.Since(w.last) < failureInterval {
		return
	}
	w.last = time.Now()
	for _, id := range workflowIDs {
		// What can't be described now is described next time: this only informs.
		description, err := w.client.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			continue
		}
		for _, activity := range description.PendingActivities {
			failure := activity.GetLastFailure()
			key := id + " " + activity.ActivityId
			if failure == nil || w.told[key] == failure.Message {
				continue
			}
			w.told[key] = failure.Message
			p.Note(fmt.Sprintf("%s: %s failed and is tried again (attempt %d): %s", id, activity.ActivityType.Name,
				activity.Attempt, failure.Message))
		}
	}
}

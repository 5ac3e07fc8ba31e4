package session

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows"
)

// Start starts a workflow once no other of its id runs: what it is to read may have come after the other looked.
func (c *Session) Start(ctx context.Context, options client.StartWorkflowOptions, workflow, input any) (
	client.WorkflowRun, error) {
	options.TaskQueue = worker.TaskQueue
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	for {
		run, err := c.Client.ExecuteWorkflow(ctx, options, workflow, input)
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &running) {
			if err != nil {
				return nil, fmt.Errorf("start %s on %s: %w", options.ID, c.Where, err)
			}
			return run, nil
		}
		if c.detach {
			return nil, fmt.Errorf("%s runs already, and may have looked at the source before; without --detach "+
				"this waits for it and does it once more", options.ID)
		}
		c.stderr.Printf("%s runs already: waiting for it, then doing it once more\n", options.ID)
		if err := c.Client.GetWorkflow(ctx, options.ID, running.RunId).Get(ctx, nil); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// TellStarted says where the workflow is that a command leaves to the server.
func (c *Session) TellStarted(run client.WorkflowRun) {
	c.stderr.Printf("started %s on %s\n", run.GetID(), c.Where)
}

// Progress asks a workflow how far it is; false when it can't answer now.
func (c *Session) Progress(ctx context.Context, run client.WorkflowRun, progress any) bool {
	value, err := c.Client.QueryWorkflow(ctx, run.GetID(), "", workflows.ProgressQuery)
	return err == nil && value.Get(progress) == nil
}

const (
	// Failed attempts are looked for now and then: they go on being tried again.
	failureInterval = 2 * time.Second
	cancelPatience  = 45 * time.Second
)

// Show shows how far a workflow is, and names the workflows that work for it.
type Show func(context.Context, terminal.Progress) []string

// Wait waits for a workflow and gives its result, and shows meanwhile, under a name, how far it is and what fails. When
// the command is interrupted it cancels the workflow, and waits until that has cleaned up.
func (c *Session) Wait(ctx context.Context, name string, run client.WorkflowRun, result any, show Show) error {
	p := c.stderr.NewProgress(name)
	defer p.End()
	ended := make(chan error, 1)
	getCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { ended <- run.Get(getCtx, result) }()
	ticker := time.NewTicker(p.Interval())
	defer ticker.Stop()
	failures := &failureWatch{client: c.Client, last: time.Now(), told: map[string]string{}}
	for {
		select {
		case err := <-ended:
			show(getCtx, p)
			return workflowError(run, err)
		case <-c.failed:
			return fmt.Errorf("%s has ended", c.Where)
		case <-ctx.Done():
			return c.cancel(getCtx, run, ended, p)
		case <-ticker.C:
			working := show(ctx, p)
			failures.show(ctx, p, append(working, run.GetID(), activities.GoldWorkflowID))
		}
	}
}

func (c *Session) cancel(ctx context.Context, run client.WorkflowRun, ended <-chan error, p terminal.Progress) error {
	p.Note("cancelling " + run.GetID())
	if err := c.Client.CancelWorkflow(ctx, run.GetID(), ""); err != nil {
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
		message := application.Message()
		if _, hour, is := strings.Cut(path.Base(run.GetID()), "-"); is && strings.Contains(message, hour) {
			return fmt.Errorf("%s%w", message, silent{err})
		}
		return fmt.Errorf("%s: %s%w", run.GetID(), message, silent{err})
	case errors.As(err, &canceled):
		return fmt.Errorf("%s %w", run.GetID(), errWorkflowCancelled)
	}
	return err
}

// silent keeps an error in the chain, without its text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

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

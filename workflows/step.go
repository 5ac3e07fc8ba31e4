package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Step is how an activity is run. An outage of the source, the warehouse or the catalog is waited out, however long it
// takes: only what is of a day, and comes again the next, has a limit on all its attempts together. What no retry can
// cure comes back as a non-retryable error.
type Step struct {
	StartToClose time.Duration // one attempt; generous, since heartbeats find dead workers much sooner
	Heartbeat    time.Duration // silence after which an attempt is given up
	Attempts     int32         // 0: without end
	Patience     time.Duration // of all attempts together; 0: without end
}

// Heartbeat is the silence after which an attempt is given to another worker.
const Heartbeat = 15 * time.Second

// LongStep is a step that sends heartbeats, and is tried without end.
func LongStep(startToClose time.Duration) Step {
	return Step{StartToClose: startToClose, Heartbeat: Heartbeat}
}

// With is the context for one run of the step, with the line that the Temporal UI shows for it.
func (s Step) With(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    s.StartToClose,
		ScheduleToCloseTimeout: s.Patience,
		HeartbeatTimeout:       s.Heartbeat,
		Summary:                summary,
		// A step that was cancelled may still write: what follows must not begin before it ended.
		WaitForCancellation: true,
		RetryPolicy:         s.retry(),
	})
}

// Local is as With, for steps so short that a worker does them while it has the workflow at hand: that spares the
// server half of its work for small hours.
func (s Step) Local(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: s.StartToClose,
		Summary:             summary,
		RetryPolicy:         s.retry(),
	})
}

func (s Step) retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    time.Minute,
		MaximumAttempts:    s.Attempts,
	}
}

// IsType tells whether an activity or a child failed with an application error of this type.
func IsType(err error, errorType string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == errorType
}

// FanOut runs n pieces of work, at most limit at once, and returns their results in order. After a failure it starts
// no more, cancels those that run, and returns once they have ended.
func FanOut[T any](ctx workflow.Context, n, limit int, run func(ctx workflow.Context, i int) (T, error)) ([]T, error) {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	results := make([]T, n)
	var failure error
	next := 0
	running := workflow.NewWaitGroup(ctx)
	for range min(n, limit) {
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			for next < n && failure == nil {
				i := next
				next++
				result, err := run(ctx, i)
				if err != nil {
					if failure == nil {
						failure = err
						cancel()
					}
					return
				}
				results[i] = result
			}
		})
	}
	running.Wait(ctx)
	return results, failure
}

// Cause is the message at the bottom of an error: Temporal wraps it in what failed because of it.
func Cause(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}

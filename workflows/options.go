package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// step is how an activity is run. No step has a limit on all its attempts together (ScheduleToClose): an outage of the
// source, the warehouse or the catalog is waited out, however long it takes. What no retry can cure comes back as a
// non-retryable error.
type step struct {
	startToClose time.Duration // one attempt; generous, since heartbeats find dead workers much sooner
	heartbeat    time.Duration // silence after which an attempt is given up
	attempts     int32         // 0: without end
}

const heartbeatTimeout = 15 * time.Second

var (
	listHour    = step{startToClose: time.Hour, heartbeat: heartbeatTimeout} // reads large files whole, to cut them
	stageHours  = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
	surveyHours = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout} // lists years
	parseChunk  = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
	buildSilver = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
	commitHour  = step{startToClose: time.Hour, heartbeat: heartbeatTimeout} // may wait for other hours' commits
	// local; maintenance sweeps what stays
	dropStaging = step{startToClose: 10 * time.Minute, attempts: 3}
	requestGold = step{startToClose: 30 * time.Second} // local
	// reads all of silver when gold starts anew
	planUsers    = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout}
	mergeUsers   = step{startToClose: 2 * time.Hour, heartbeat: heartbeatTimeout}
	rebuildUsers = step{startToClose: 12 * time.Hour, heartbeat: heartbeatTimeout} // reads all sightings
	commitUsers  = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
	// local; maintenance sweeps what stays
	dropRound    = step{startToClose: 10 * time.Minute, attempts: 3}
	requestDaily = step{startToClose: 30 * time.Second, attempts: 5} // local; the next round asks again
	// reads all histories, and all of silver the first time
	planDaily   = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout}
	countDates  = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout}
	commitDaily = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
	// Maintenance gives up after half an hour of failing: the next one goes on where it ended.
	maintainTable = step{startToClose: 12 * time.Hour, heartbeat: heartbeatTimeout, attempts: 30}

	findSessions   = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout}  // reads all bindings
	eraseTable     = step{startToClose: 24 * time.Hour, heartbeat: heartbeatTimeout} // reads all of a table
	recountErased  = step{startToClose: 6 * time.Hour, heartbeat: heartbeatTimeout}
	proveForgotten = step{startToClose: 24 * time.Hour, heartbeat: heartbeatTimeout} // reads the whole warehouse
	finishForget   = step{startToClose: time.Hour, heartbeat: heartbeatTimeout}
)

// with is the context for one run of the step, with the line that the Temporal UI shows for it.
func (s step) with(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: s.startToClose,
		HeartbeatTimeout:    s.heartbeat,
		Summary:             summary,
		// A step that was cancelled may still write: what follows must not begin before it ended.
		WaitForCancellation: true,
		RetryPolicy:         s.retry(),
	})
}

// local is as with, for steps so short that a worker does them while it has the workflow at hand: that spares the
// server half of its work for small hours.
func (s step) local(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: s.startToClose,
		Summary:             summary,
		RetryPolicy:         s.retry(),
	})
}

func (s step) retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    time.Minute,
		MaximumAttempts:    s.attempts,
	}
}

// isType tells whether an activity or a child failed with an application error of this type.
func isType(err error, errorType string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == errorType
}

// fanOut runs n pieces of work, at most limit at once, and returns their results in order. After a failure it starts
// no more, cancels those that run, and returns once they have ended.
func fanOut[T any](ctx workflow.Context, n, limit int, run func(ctx workflow.Context, i int) (T, error)) ([]T, error) {
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

// cause is the message at the bottom of an error: Temporal wraps it in what failed because of it.
func cause(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}

package worker

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
)

const (
	// handBack is how long a worker lives on after the time in which its steps may end, to hand back those that have
	// not.
	handBack = 5 * time.Second
	// giveUp is how much of that a step has to give up by itself.
	giveUp = 2 * time.Second
	// offerAgain is when Temporal offers a step again that was handed back: at once, which can't be said as zero.
	offerAgain = time.Millisecond
)

var errStopping = errors.New("the worker stops")

// drainer hands back what a worker that stops has not ended in time, so that another worker begins it again at once:
// else Temporal would wait for the heartbeats of a process that is gone.
type drainer struct {
	interceptor.WorkerInterceptorBase
	after time.Duration
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (d *drainer) InterceptActivity(_ context.Context,
	next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	drained := &drainedStep{after: d.after}
	drained.Next = next
	return drained
}

type drainedStep struct {
	interceptor.ActivityInboundInterceptorBase
	after time.Duration
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (s *drainedStep) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if activity.GetInfo(ctx).IsLocalActivity { // short, and ends with its workflow task
		return s.Next.ExecuteActivity(ctx, in)
	}
	step, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go s.handBack(ctx, cancel, ended)
	result, err := s.Next.ExecuteActivity(step, in)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(step), errStopping) {
		return nil, stopping()
	}
	return result, err
}

// handBack waits until the worker is told to stop and the step has had its time, cancels it, and tells Temporal so
// where the step does not: it may wait for what can't be cancelled, such as a write to a store that does not answer.
func (s *drainedStep) handBack(ctx context.Context, cancel context.CancelCauseFunc, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-activity.GetWorkerStopChannel(ctx):
	}
	if !lasts(ended, s.after) {
		return
	}
	cancel(errStopping)
	if !lasts(ended, giveUp) {
		return
	}
	if err := activity.GetClient(ctx).CompleteActivity(ctx, activity.GetInfo(ctx).TaskToken, nil,
		stopping()); err != nil {
		activity.GetLogger(ctx).Warn("this step could not be handed back", "error", err)
	}
}

// lasts tells whether a step has not ended after some time.
func lasts(ended <-chan struct{}, most time.Duration) bool {
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-ended:
		return false
	case <-over.C:
		return true
	}
}

func stopping() error {
	return temporal.NewApplicationErrorWithOptions("the worker stops, and another one begins this step again",
		activities.ErrorStopping, temporal.ApplicationErrorOptions{
			NextRetryDelay: offerAgain, Category: temporal.ApplicationErrorCategoryBenign,
		})
}

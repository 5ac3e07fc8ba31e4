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
	// handBack is how long a step may take to give up and say so, after the time to end was over.
	handBack = 5 * time.Second
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
	stop := activity.GetWorkerStopChannel(ctx)
	go func() {
		select {
		case <-step.Done():
			return
		case <-stop:
		}
		over := time.NewTimer(s.after)
		defer over.Stop()
		select {
		case <-step.Done():
		case <-over.C:
			cancel(errStopping)
		}
	}()
	result, err := s.Next.ExecuteActivity(step, in)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(step), errStopping) {
		return nil, temporal.NewApplicationErrorWithOptions("the worker stops, and another one begins this step again",
			activities.ErrorStopping, temporal.ApplicationErrorOptions{
				NextRetryDelay: offerAgain, Category: temporal.ApplicationErrorCategoryBenign,
			})
	}
	return result, err
}

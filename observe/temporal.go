package observe

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/lake/objects"
)

// Client lets a client of Temporal, and the workers that use it, be observed.
func (o *Observer) Client(options *client.Options) error {
	if o == nil {
		return nil
	}
	if o.meters != nil {
		options.MetricsHandler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
			Meter: o.meters.Meter(temporalScope), UseMonotonicCounters: true, OnError: o.failed,
		})
	}
	if o.recorder != nil {
		options.Interceptors = append(options.Interceptors, &watcher{recorder: o.recorder})
	}
	if o.tracers != nil {
		traces, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
			Tracer: o.tracers.Tracer(scope), DisableBaggage: true, DisableQueryTracing: true,
			AllowInvalidParentSpans: true,
		})
		if err != nil {
			return err
		}
		options.Interceptors = append(options.Interceptors, traces)
	}
	return nil
}

// watcher measures steps, and counts how workflows end.
type watcher struct {
	interceptor.InterceptorBase
	recorder *Recorder
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (w *watcher) InterceptActivity(_ context.Context,
	next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	watched := &watchedStep{recorder: w.recorder}
	watched.Next = next
	return watched
}

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (w *watcher) InterceptWorkflow(_ workflow.Context,
	next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	watched := &watchedWorkflow{recorder: w.recorder}
	watched.Next = next
	return watched
}

type watchedStep struct {
	interceptor.ActivityInboundInterceptorBase
	recorder *Recorder
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (s *watchedStep) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	var meter objects.Meter
	begun := time.Now()
	result, err := s.Next.ExecuteActivity(objects.WithMeter(ctx, &meter), in)
	outcome := "ok"
	switch {
	case err != nil && ctx.Err() != nil:
		outcome = "canceled"
	case err != nil:
		outcome = "failed"
	}
	s.recorder.step(stepName(ctx), outcome, time.Since(begun), meter.Read.Load(), meter.Written.Load())
	return result, err
}

type watchedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	recorder *Recorder
}

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor.
func (s *watchedWorkflow) ExecuteWorkflow(ctx workflow.Context,
	in *interceptor.ExecuteWorkflowInput) (any, error) {
	result, err := s.Next.ExecuteWorkflow(ctx, in)
	if !workflow.IsReplaying(ctx) {
		s.recorder.ended(workflow.GetInfo(ctx).WorkflowType.Name, outcomeOf(err))
	}
	return result, err
}

func outcomeOf(err error) string {
	var again *workflow.ContinueAsNewError
	switch {
	case err == nil:
		return "completed"
	case errors.As(err, &again):
		return "continued"
	case temporal.IsCanceledError(err):
		return "canceled"
	}
	return "failed"
}

package worker

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
)

// aheadAtMost is by how much a worker's clock may be ahead of Temporal's. By one that is further ahead, maintenance
// would take young tags and files for old ones, and what is committed would count as of the future. One that is behind
// does no harm: see lake/database/times.go.
const aheadAtMost = 5 * time.Minute

// clockGuard begins no step by a clock that is ahead. The step is tried again, here or by a worker whose clock is right.
type clockGuard struct {
	interceptor.WorkerInterceptorBase
	now func() time.Time
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (g *clockGuard) InterceptActivity(_ context.Context,
	next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	guarded := &guardedStep{now: g.now}
	guarded.Next = next
	return guarded
}

type guardedStep struct {
	interceptor.ActivityInboundInterceptorBase
	now func() time.Time
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (s *guardedStep) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	// The server says when it gave the step away, which is now.
	info := activity.GetInfo(ctx)
	if ahead := s.now().Sub(info.StartedTime); ahead > aheadAtMost && !info.IsLocalActivity {
		return nil, temporal.NewApplicationError(fmt.Sprintf("the clock of the worker %s is %s ahead of that of "+
			"Temporal's server: set the wrong one right (NTP); until then this worker begins no step", identity(),
			ahead.Round(time.Second)), activities.ErrorOutage)
	}
	return s.Next.ExecuteActivity(ctx, in)
}

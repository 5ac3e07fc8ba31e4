package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// heartbeatInterval is well below the heartbeat timeouts of package workflows.
const heartbeatInterval = 3 * time.Second

// rows is the progress of a step over rows, as its heartbeats tell it.
type rows struct {
	Rows int64 `json:"rows"`
}

// keepAlive tells Temporal that an activity is alive, also while a library call is silent, and how far it is, until the
// returned function is called. details may be nil.
func keepAlive(ctx context.Context, details func() any) (end func()) {
	stop := make(chan struct{})
	var stopped sync.WaitGroup
	stopped.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if details == nil {
				activity.RecordHeartbeat(ctx)
			} else {
				activity.RecordHeartbeat(ctx, details())
			}
		}
	})
	return func() {
		close(stop)
		stopped.Wait()
	}
}

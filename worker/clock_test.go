package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/activities"
)

// TestClockAheadOfTemporals: a worker whose clock is far ahead begins no step, and says so in a way that is tried
// again; one that is behind, or a little ahead, works.
func TestClockAheadOfTemporals(t *testing.T) {
	for _, ahead := range []time.Duration{-24 * time.Hour, 0, time.Minute, time.Hour, 365 * 24 * time.Hour} {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		guard := &clockGuard{now: func() time.Time { return time.Now().Add(ahead) }}
		env.SetWorkerOptions(sdkworker.Options{Interceptors: []interceptor.WorkerInterceptor{guard}})
		ran := false
		step := func(context.Context) error { ran = true; return nil }
		env.RegisterActivity(step)
		_, err := env.ExecuteActivity(step)
		var refused *temporal.ApplicationError
		switch {
		case ahead <= aheadAtMost:
			if err != nil || !ran {
				t.Errorf("%s ahead: %v", ahead, err)
			}
		case ran || !errors.As(err, &refused) || refused.NonRetryable() || refused.Type() != activities.ErrorOutage ||
			!strings.Contains(err.Error(), "NTP"):
			t.Errorf("%s ahead: ran %v, %v", ahead, ran, err)
		}
	}
}

// Package worker wires things up: the connection to Temporal, the worker with its workflows and activities, the hourly
// schedule, and a local Temporal server for development.
package worker

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/published"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/erasure"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/maintenance"
	"github.com/versionlake/versionlake/workflows/ranges"
	"github.com/versionlake/versionlake/workflows/watch"
	"github.com/versionlake/versionlake/workflows/writers"
)

// TaskQueue is where workers meet their work.
const TaskQueue = activities.TaskQueue

// DefaultDrain is how long a worker that is told to stop lets its activities go on.
const DefaultDrain = 30 * time.Second

// Cancellations travel on heartbeats, so these must not be held back for long.
const heartbeatThrottle = 3 * time.Second

// Options of a worker.
type Options struct {
	Source source.Source
	Lake   *lake.Lake
	// Parsing decides how lines are read; its Hour is not looked at.
	Parsing telemetry.Options
	// Activities is how many run at once: as many as there are processors when zero, since parsing keeps one busy.
	Activities int
	// Drain is DefaultDrain when zero.
	Drain time.Duration
	// Without names what is left behind: WithoutEvents, WithoutDaily, WithoutMonths.
	Without []string
	// Observe is what the worker's client was made with; nil: nobody observes it.
	Observe *observe.Observer
	// Checks are what looks for what is wrong; its Lake is set by New.
	Checks activities.Checks
}

// What a worker may leave behind: its questions are then answered as of when it last followed.
const (
	WithoutEvents = "events" // gold.events
	WithoutDaily  = "daily"  // gold.version_daily and gold.event_daily
	WithoutMonths = "months" // the tags of gold.users that keep it as it was at the end of each month
)

// Registry is what workflows and activities are registered with: a worker, or a replayer.
type Registry interface {
	RegisterWorkflow(workflow any)
}

// RegisterWorkflows registers every workflow.
func RegisterWorkflows(r Registry) {
	r.RegisterWorkflow(ingest.IngestHour)
	r.RegisterWorkflow(ingest.IngestHours)
	r.RegisterWorkflow(writers.GoldWriter)
	r.RegisterWorkflow(writers.DailyWriter)
	r.RegisterWorkflow(ranges.ReprocessRange)
	r.RegisterWorkflow(ranges.Reconcile)
	r.RegisterWorkflow(ingest.ScheduledHour)
	r.RegisterWorkflow(ingest.AwaitHour)
	r.RegisterWorkflow(maintenance.Maintain)
	r.RegisterWorkflow(maintenance.ScheduledMaintenance)
	r.RegisterWorkflow(erasure.ForgetUser)
	r.RegisterWorkflow(watch.Checks)
	r.RegisterWorkflow(watch.Digest)
	r.RegisterWorkflow(watch.Lists)
	r.RegisterWorkflow(watch.Tell)
}

// buildID names the program to Temporal.
func buildID() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "versionlake"
}

// New makes a worker that is not started yet.
func New(c client.Client, o Options) sdkworker.Worker {
	if o.Activities == 0 {
		o.Activities = runtime.GOMAXPROCS(0)
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	own, queue := unnamed(c)
	// Else the SDK reads and hashes all of the program when a worker starts, whatever its BuildID: 0.2 s of CPU.
	sdkworker.SetBinaryChecksum(buildID())
	w := sdkworker.New(own, queue, sdkworker.Options{
		MaxConcurrentActivityExecutionSize: o.Activities,
		WorkerStopTimeout:                  o.Drain + handBack,
		Interceptors: []interceptor.WorkerInterceptor{&clockGuard{now: time.Now},
			&drainer{after: o.Drain}},
		//nolint:staticcheck // without it, the SDK reads all of the program to make one
		BuildID:                          buildID(),
		DefaultHeartbeatThrottleInterval: heartbeatThrottle,
		MaxHeartbeatThrottleInterval:     heartbeatThrottle,
	})
	RegisterWorkflows(w)
	record := o.Observe.Recorder()
	if record != nil {
		o.Lake.OnCommit = func(table string, err error) { countCommit(record, table, err) }
	}
	w.RegisterActivity(&activities.Ingest{Source: o.Source, Lake: o.Lake, Parsing: o.Parsing, Record: record})
	w.RegisterActivity(&activities.Gold{Lake: o.Lake})
	months := published.DefaultTagAge
	if slices.Contains(o.Without, WithoutMonths) {
		months = 0
	}
	w.RegisterActivity(&activities.Daily{Lake: o.Lake, WithoutEvents: slices.Contains(o.Without, WithoutEvents),
		Without: slices.Contains(o.Without, WithoutDaily), MonthTags: months})
	w.RegisterActivity(&activities.Maintain{Lake: o.Lake, Record: record})
	o.Checks.Lake = o.Lake
	w.RegisterActivity(&o.Checks)
	w.RegisterActivity(&activities.Forget{Lake: o.Lake, Parsing: o.Parsing})
	return w
}

func countCommit(record *observe.Recorder, table string, err error) {
	if err == nil || lake.IsConflict(err) {
		record.Commit(table, err != nil)
	}
}

package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/worker"
)

type runWorker struct {
	*settings.Settings
	workers     int
	drain       time.Duration
	schedule    worker.ScheduleOptions
	noSchedule  bool
	observation session.Observation
}

func newWorker(s *settings.Settings) *cobra.Command {
	o := &runWorker{Settings: s}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run a worker for a Temporal server, until interrupted",
		Long: `worker takes steps from a Temporal server and works on them. Any number of them may run, on any machines
that reach the source, the warehouse and the catalog. It also registers the search attributes Hours and
HourState, and the hourly schedule.

The server is named by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and so on, or by Temporal's configuration
file. On SIGTERM a worker takes no more steps, ends those that run, for as long as --drain says, and exits
with 0. One that can't reach the server, the catalog or the warehouse waits. OTEL_* variables choose where
metrics, traces and logs are sent, see docs/TELEMETRY.md.`,
		Example: `  TEMPORAL_ADDRESS=temporal:7233 versionlake worker --source s3://telemetry/service-logs \
    --warehouse s3://lake/versions --catalog postgres://versionlake@db/catalog`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.workers, "workers", 0, "steps at once (default: as many as processors)")
	flags.DurationVar(&o.drain, "drain", worker.DefaultDrain, "for steps that run when the worker is told to stop")
	flags.BoolVar(&o.noSchedule, "no-schedule", false, "leave the hourly schedule alone")
	addScheduleFlags(cmd, &o.schedule)
	o.observation.AddFlags(cmd)
	s.AddRulesFlag(cmd)
	s.AddTrinoFlag(cmd)
	return cmd
}

func (o *runWorker) run(ctx context.Context) (err error) {
	observer, err := o.observation.Start(ctx, o.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observer.Close()) }()
	logger := observer.Logger()
	if err := o.Check(ctx); err != nil {
		return err
	}
	checks, err := session.Checks(o.Settings)
	if err != nil {
		return err
	}
	var place workplace
	if err := o.untilReached(ctx, observer, &place); err != nil {
		if ctx.Err() != nil {
			logger.Info("stopped while waiting")
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	parsing, err := o.Parsing()
	if err != nil {
		return err
	}
	src, err := o.OpenSource(ctx) // by the layout that the lake keeps
	if err != nil {
		return err
	}
	w := worker.New(place.client, worker.Options{
		Source: src, Lake: place.lake, Parsing: parsing, Activities: o.workers, Drain: o.drain,
		Without: o.Without, Observe: observer, Checks: *checks,
	})
	logger.Info("working", "temporal", place.temporal.HostPort, "namespace", place.temporal.Namespace, "source",
		src.String())
	for _, warning := range o.SourceWarnings(ctx, src) {
		logger.Warn(warning)
	}
	worker.Observe(observer, place.client, place.temporal.Namespace, place.lake)
	interrupted := make(chan any)
	stop := context.AfterFunc(ctx, func() {
		logger.Info("stopping: steps that run get some time to end", "most", o.drain.String())
		observer.Drain()
		close(interrupted)
	})
	defer stop()
	if err := w.Run(interrupted); err != nil {
		return fmt.Errorf("work for Temporal at %s: %w", place.temporal.HostPort, err)
	}
	logger.Info("stopped")
	return nil
}

// workplace is what a worker needs besides its source.
type workplace struct {
	lake     *lake.Lake
	client   client.Client
	temporal client.Options
}

func (p *workplace) close() error {
	if p.client != nil {
		p.client.Close()
	}
	if p.lake != nil {
		return p.lake.Close()
	}
	return nil
}

const longestPause = 30 * time.Second

// untilReached opens the workplace. A worker that is started in an outage waits, as its steps would: one that ends
// and is started again and again is harder to tell from one that can't work.
func (o *runWorker) untilReached(ctx context.Context, observer *observe.Observer, p *workplace) error {
	for pause := time.Second; ; pause = min(2*pause, longestPause) {
		err := o.open(ctx, observer, p)
		if err == nil {
			return nil
		}
		err = errors.Join(err, p.close())
		*p = workplace{}
		what := activities.Awaited(err)
		if what == "" && worker.IsUnreachable(err) {
			what = "Temporal can be reached"
		}
		if what == "" {
			return err
		}
		observer.Logger().Warn("waiting until "+what, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (o *runWorker) open(ctx context.Context, observer *observe.Observer, p *workplace) (err error) {
	if p.lake, err = o.OpenLake(ctx); err != nil {
		return err
	}
	if err := o.Keep(ctx, p.lake); err != nil {
		return err
	}
	if p.client, p.temporal, err = worker.Connect(ctx, observer); err != nil {
		return err
	}
	p.client = worker.Named(p.client, o.Name)
	if err := worker.EnsureSearchAttributes(ctx, p.client, p.temporal.Namespace); err != nil || o.noSchedule {
		return err
	}
	return worker.EnsureSchedules(ctx, p.client, o.schedule)
}

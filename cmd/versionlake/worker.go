package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/worker"
)

type workerOptions struct {
	*settings
	workers    int
	drain      time.Duration
	schedule   worker.ScheduleOptions
	noSchedule bool
	logLevel   string
}

func newWorkerCommand(s *settings, runF func(context.Context, *workerOptions) error) *cobra.Command {
	o := &workerOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run a worker for a Temporal server, until interrupted",
		Long: `worker takes steps from a Temporal server and works on them. Any number of them may run, on any machines that reach the
source, the warehouse and the catalog. It also registers the search attributes Hour and Status, and the hourly schedule.

The server is named by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and so on, or by Temporal's configuration file. On SIGTERM
a worker takes no more steps, and ends those that run.`,
		Example: `  TEMPORAL_ADDRESS=temporal:7233 versionlake worker --source s3://telemetry/service-logs \
    --warehouse s3://lake/versions --catalog postgres://versionlake@db/catalog`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return workerRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.workers, "workers", 0, "steps at once (default: as many as processors)")
	flags.DurationVar(&o.drain, "drain", worker.DefaultDrain, "for steps that run when the worker is told to stop")
	flags.BoolVar(&o.noSchedule, "no-schedule", false, "leave the hourly schedule alone")
	addScheduleFlags(cmd, &o.schedule)
	addLogLevel(cmd, &o.logLevel)
	return cmd
}

func workerRun(ctx context.Context, o *workerOptions) (err error) {
	logger, err := newLogger(o.stderr, o.logLevel)
	if err != nil {
		return err
	}
	src, err := o.openSource(ctx)
	if err != nil {
		return err
	}
	catalogue, err := o.catalogue()
	if err != nil {
		return err
	}
	l, err := o.openLake(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	c, options, err := worker.Connect(ctx, logger)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := worker.EnsureSearchAttributes(ctx, c, options.Namespace); err != nil {
		return err
	}
	if !o.noSchedule {
		if err := worker.EnsureSchedules(ctx, c, o.schedule); err != nil {
			return err
		}
	}
	w := worker.New(c, worker.Options{
		Source: src, Lake: l, Catalogue: catalogue, MaxFuture: o.maxFuture, Activities: o.workers, Drain: o.drain,
	})
	logger.Info("working", "temporal", options.HostPort, "namespace", options.Namespace, "source", src.String())
	interrupted := make(chan any)
	stop := context.AfterFunc(ctx, func() { close(interrupted) })
	defer stop()
	if err := w.Run(interrupted); err != nil {
		return fmt.Errorf("work for Temporal at %s: %w", options.HostPort, err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

type devOptions struct {
	*settings
	port, uiPort int
	workers      int
	schedule     worker.ScheduleOptions
	logLevel     string
}

// devUIPort is where people look for the UI of a local Temporal; taken if it is free.
const devUIPort = 8233

func newDevCommand(s *settings, runF func(context.Context, *devOptions) error) *cobra.Command {
	o := &devOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a local Temporal server with its UI, a worker and the hourly schedule, until interrupted",
		Long: `dev runs all of versionlake on this machine: a Temporal server with its UI, a worker, the hourly schedule, an SQLite
catalog and a warehouse in a folder, with all their state in --dir. Other commands on the same --dir use it.`,
		Example: `  versionlake dev --source /data/telemetry
  versionlake dev --dir /var/lib/versionlake --source s3://telemetry/service-logs --ui-port 8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return devRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.port, "port", 0, "port of the Temporal server (default: any free one)")
	flags.IntVar(&o.uiPort, "ui-port", 0,
		fmt.Sprintf("port of the Temporal UI (default: %d, or any free one)", devUIPort))
	flags.IntVar(&o.workers, "workers", 0, "steps at once (default: as many as processors)")
	addScheduleFlags(cmd, &o.schedule)
	addLogLevel(cmd, &o.logLevel)
	return cmd
}

func addScheduleFlags(cmd *cobra.Command, o *worker.ScheduleOptions) {
	cmd.Flags().DurationVar(&o.Delay, "delay", ingest.DefaultDelay, "after its end, until an hour is ingested")
	flags := cmd.Flags()
	flags.StringVar(&o.Maintain.KeepBronze, "keep-bronze", "", "drop rows of bronze this long after their hour, "+
		"such as 2160h; for ever when empty [VERSIONLAKE_KEEP_BRONZE]")
	flags.StringVar(&o.Maintain.KeepEvents, "keep-events", "", "the same for silver.events [VERSIONLAKE_KEEP_EVENTS]")
	addUpkeepFlags(cmd, &o.Maintain)
	cmd.Flags().DurationVar(&o.ReconcileHourly, "reconcile-hourly", worker.DefaultReconcileHourly,
		"how far back files are compared with what was read, every hour; 0: never")
	cmd.Flags().DurationVar(&o.ReconcileDaily, "reconcile-daily", worker.DefaultReconcileDaily, "the same, every day")
	cmd.Flags().DurationVar(&o.Catchup, "catchup", worker.DefaultCatchup,
		"how long an outage of Temporal the schedule makes up for")
}

func addLogLevel(cmd *cobra.Command, level *string) {
	cmd.Flags().StringVar(level, "log-level", "info", "debug, info, warn or error")
	complete(cmd, "log-level", "debug", "info", "warn", "error")
}

func devRun(ctx context.Context, o *devOptions) (err error) {
	logger, err := newLogger(o.stderr, o.logLevel)
	if err != nil {
		return err
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if o.uiPort == 0 && isFree(devUIPort) {
		o.uiPort = devUIPort
	}
	k, err := o.startStack(ctx, stackOptions{port: o.port, uiPort: o.uiPort, workers: o.workers, logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.stop()) }()
	if err := worker.EnsureSchedules(ctx, k.client, o.schedule); err != nil {
		return err
	}
	o.stdout.Printf("Temporal UI  %s\nTemporal     %s\nsource       %s\nstate        %s\n", k.server.UI,
		k.server.Address, k.source, o.dir)
	select {
	case <-ctx.Done():
		logger.Info("stopping: steps that run get some time to end")
		return nil
	case <-k.server.Ended():
		return fmt.Errorf("the local Temporal server has ended; its log is in %s", o.dir)
	}
}

func isFree(port int) bool {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		connection.Close()
	}
	return err != nil
}

package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

type dev struct {
	*settings.Settings
	port, uiPort int
	workers      int
	schedule     worker.ScheduleOptions
	observation  session.Observation
}

// devUIPort is where people look for the UI of a local Temporal; taken if it is free.
const devUIPort = 8233

func newDev(s *settings.Settings) *cobra.Command {
	o := &dev{Settings: s}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a local Temporal server with its UI, a worker and the hourly schedule, until interrupted",
		Long: `dev runs all of versionlake on this machine: a Temporal server with its UI, a worker, the hourly
schedule, an SQLite catalog and a warehouse in a folder, with all their state in --dir. Other commands
on the same --dir use it.`,
		Example: `  versionlake dev --source /data/telemetry
  versionlake dev --dir /var/lib/versionlake --source s3://telemetry/service-logs --ui-port 8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.port, "port", 0, "port of the Temporal server (default: any free one)")
	flags.IntVar(&o.uiPort, "ui-port", 0,
		fmt.Sprintf("port of the Temporal UI (default: %d, or any free one)", devUIPort))
	flags.IntVar(&o.workers, "workers", 0, "steps at once (default: as many as processors)")
	addScheduleFlags(cmd, &o.schedule)
	o.observation.AddFlags(cmd)
	s.AddRulesFlag(cmd)
	s.AddTrinoFlag(cmd)
	return cmd
}

// tellOfPast says, of a lake without hours, that those of the past don't come by themselves.
func (o *dev) tellOfPast(ctx context.Context) {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return // the worker's steps will tell
	}
	defer l.Close()
	if hours, err := l.Load(ctx, lake.OpsHours); err == nil && hours.CurrentSnapshot() == nil {
		o.Stdout.Printf("Hours come in %s after their end, and those of the past by: versionlake reprocess --from … "+
			"--to …\n", strings.TrimSuffix(cmp.Or(o.schedule.Delay, ingest.DefaultDelay).String(), "0s"))
	}
}

func (o *dev) run(ctx context.Context) (err error) {
	observer, err := o.observation.Start(ctx, o.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observer.Close()) }()
	checks, err := session.Checks(o.Settings)
	if err != nil {
		return err
	}
	unlock, err := session.Lock(o.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if o.uiPort == 0 && isFree(devUIPort) {
		o.uiPort = devUIPort
	}
	k, err := session.StartStack(ctx, o.Settings,
		session.StackOptions{Port: o.port, UIPort: o.uiPort, Workers: o.workers, Observe: observer,
			Checks: checks, Waits: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Stop()) }()
	if err := worker.EnsureSchedules(ctx, k.Client, o.schedule); err != nil {
		return err
	}
	o.Stdout.Printf("Temporal UI  %s\nTemporal     %s\nsource       %s\nstate        %s\n", k.Server.UI,
		k.Server.Address, k.Source, o.Dir)
	o.tellOfPast(ctx)
	select {
	case <-ctx.Done():
		observer.Logger().Info("stopping: steps that run get some time to end")
		return nil
	case <-k.Server.Ended():
		return fmt.Errorf("the local Temporal server has ended; its log is in %s", o.Dir)
	}
}

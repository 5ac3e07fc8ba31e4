package upkeep

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows/maintenance"
)

type maintain struct {
	*settings.Settings
	input   maintenance.Input
	workers int
	detach  bool
}

func newMaintain(s *settings.Settings) *cobra.Command {
	o := &maintain{Settings: s}
	cmd := &cobra.Command{
		Use:   "maintain",
		Short: "Keep the lake small and quick, now",
		Long: `maintain puts small files together, rewrites manifests, expires snapshots and tags that are older than
they are kept, and removes files that nothing names any more. It may run beside ingestion. Workers do
the same once a day.

With --drop-before it first drops the rows of bronze and of silver.events of all hours before a time,
for good: those hours can't be ingested again. Sightings and bindings stay, and gold with them.

The work is the Temporal workflow maintain; which server it uses is as for versionlake ingest.`,
		Example: `  versionlake maintain --dry-run
  versionlake maintain --drop-before 2022-05-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.input.DropBefore != "" {
				before, err := o.Times().Moment("--drop-before", o.input.DropBefore)
				if err != nil {
					return err
				}
				o.input.DropBefore = before.Format(time.RFC3339)
			}
			for flag, text := range map[string]string{"snapshot-age": o.input.SnapshotAge, "grace": o.input.Grace} {
				if age, err := time.ParseDuration(text); text != "" && (err != nil || age < 0) {
					return usage.Errorf("--%s %q: give a duration such as 48h", flag, text)
				}
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.input.DropBefore, "drop-before",
		"", "drop bronze and silver.events of hours before this time, for good")
	flags.BoolVar(&o.input.DryRun, "dry-run", false, "say what would be saved, and change nothing")
	flags.BoolVar(&o.detach, "detach", false, "return once it is started")
	flags.IntVar(&o.workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
	usage.AddAges(cmd, &o.input.SnapshotAge, &o.input.Grace)
	return cmd
}

func (o *maintain) run(ctx context.Context) (err error) {
	o.ReadsNoSource = true
	c, err := session.Connect(ctx, o.Settings, session.Options{Workers: o.workers, Detach: o.detach})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	options := client.StartWorkflowOptions{ID: maintenance.WorkflowID, StaticSummary: "maintenance, by hand"}
	run, err := c.Start(ctx, options, maintenance.Maintain, o.input)
	if err != nil {
		return err
	}
	if o.detach {
		c.TellStarted(run)
		return nil
	}
	var result maintenance.Result
	if err := c.Wait(ctx, "maintain", run, &result, func(ctx context.Context, p terminal.Progress) []string {
		var now maintenance.Result
		if c.Progress(ctx, run, &now) {
			p.Update(now.Status, 0, 0, "steps")
		}
		return nil
	}); err != nil {
		return err
	}
	table := o.NewPrinter("TABLE", "STEP", "WHAT", "BEFORE", "AFTER", "SAVED")
	did := false
	for _, s := range result.Savings {
		if o.Format == output.Table && s.Before == s.After && s.Bytes == 0 {
			continue
		}
		did = true
		if err := table.Add(s, s.Table, s.Step, s.What, s.Before, s.After, output.Size(s.Bytes)); err != nil {
			return err
		}
	}
	if !did && o.Format == output.Table {
		return o.Stdout.Printf("nothing was to do: %s\n", output.Count(int64(len(result.Savings)), "step"))
	}
	return table.Flush()
}

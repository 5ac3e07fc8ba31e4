package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows/maintenance"
)

type maintainOptions struct {
	*settings
	input   maintenance.Input
	workers int
	detach  bool
}

func newMaintainCommand(s *settings, runF func(context.Context, *maintainOptions) error) *cobra.Command {
	o := &maintainOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "maintain",
		Short: "Keep the lake small and quick, now",
		Long: `maintain puts small files together, rewrites manifests, expires snapshots and tags that are older than they are kept, and
removes files that nothing names any more. It may run beside ingestion. Workers do the same once a day.

With --drop-before it first drops the rows of bronze and of silver.events of all hours before a time, for good: those
hours can't be ingested again. Sightings and bindings stay, and gold with them.

The work is the Temporal workflow maintain; which server it uses is as for versionlake ingest.`,
		Example: `  versionlake maintain --dry-run
  versionlake maintain --drop-before 2022-05-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.input.DropBefore != "" {
				if _, err := time.Parse(time.RFC3339, o.input.DropBefore); err != nil {
					return usagef("--drop-before %q: give a time such as 2022-05-01T00:00:00Z (RFC 3339)",
						o.input.DropBefore)
				}
			}
			for flag, text := range map[string]string{"snapshot-age": o.input.SnapshotAge, "grace": o.input.Grace} {
				if age, err := time.ParseDuration(text); text != "" && (err != nil || age < 0) {
					return usagef("--%s %q: give a duration such as 48h", flag, text)
				}
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return maintainRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.input.DropBefore, "drop-before",
		"", "drop bronze and silver.events of hours before this time, for good")
	flags.BoolVar(&o.input.DryRun, "dry-run", false, "say what would be saved, and change nothing")
	flags.BoolVar(&o.detach, "detach", false, "return once it is started")
	flags.IntVar(&o.workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
	addUpkeepFlags(cmd, &o.input)
	return cmd
}

// addUpkeepFlags adds the ages that maintenance goes by.
func addUpkeepFlags(cmd *cobra.Command, input *maintenance.Input) {
	cmd.Flags().StringVar(&input.SnapshotAge, "snapshot-age", "",
		"how long snapshots can be read that no tag names (default 48h)")
	cmd.Flags().StringVar(&input.Grace, "grace", "", "how long files are left alone that nothing names; longer "+
		"than any query (default 24h)")
}

func maintainRun(ctx context.Context, o *maintainOptions) (err error) {
	o.readsNoSource = true
	c, err := o.connectFor(ctx, o.workers, o.detach)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	options := client.StartWorkflowOptions{ID: maintenance.WorkflowID, StaticSummary: "maintenance, by hand"}
	run, err := c.start(ctx, o.settings, options, !o.detach, maintenance.Maintain, o.input)
	if err != nil {
		return err
	}
	if o.detach {
		o.stderr.Printf("started %s on %s\n", run.GetID(), c.where)
		return nil
	}
	p := o.stderr.NewProgress("maintain")
	defer p.End()
	var result maintenance.Result
	if err := c.wait(ctx, run, &result, p, func(ctx context.Context, p terminal.Progress) []string {
		var now maintenance.Result
		if c.query(ctx, run, &now) {
			p.Update(now.Status, 0, 0, "steps")
		}
		return nil
	}); err != nil {
		return err
	}
	table := o.newPrinter("TABLE", "STEP", "WHAT", "BEFORE", "AFTER", "SAVED")
	for _, s := range result.Savings {
		if err := table.add(s, s.Table, s.Step, s.What, s.Before, s.After, size(s.Bytes)); err != nil {
			return err
		}
	}
	return table.flush()
}

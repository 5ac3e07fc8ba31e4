package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ranges"
)

type reconcileOptions struct {
	*settings
	removal
	from, to   telemetry.Hour
	parallel   int
	chunkBytes int64
	workers    int
	detach     bool
}

func newReconcileCommand(s *settings, runF func(context.Context, *reconcileOptions) error) *cobra.Command {
	o := &reconcileOptions{settings: s}
	var window window
	cmd := &cobra.Command{
		Use:   "reconcile --from HOUR --to HOUR | --date DAY",
		Short: "List past hours again, and ingest those whose files are not the ones that were read",
		Long: `reconcile lists the hours from --from up to, but without, --to again, and compares their files with those that were read,
by name, etag and size. It ingests the hours of which files were added, changed or are gone, those that were never
ingested though they have files, and those that are degraded. All others it leaves alone, and so hours whose rows were
dropped by retention. The rows of files that are gone stay: --remove-gone takes them out, after saying how many rows and users that
concerns. Workers do this by themselves for the last days; versionlake status tells what was found.`,
		Example: `  versionlake reconcile --from 2022-05-01 --to 2022-06-01 --source /data/telemetry
  versionlake reconcile --date 2022-05-27`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.from, o.to, err = window.parse(); err != nil {
				return err
			}
			if err := o.removal.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return reconcileRun(cmd.Context(), o)
		},
	}
	window.addFlags(cmd)
	o.removal.addFlags(cmd)
	cmd.Flags().IntVar(&o.parallel, "parallel", ranges.DefaultParallel,
		"workflows at once, each of an hour or of some small ones")
	cmd.Flags().BoolVar(&o.detach, "detach", false, "return once it is started")
	addWorkFlags(cmd, &o.chunkBytes, &o.workers)
	return cmd
}

func reconcileRun(ctx context.Context, o *reconcileOptions) (err error) {
	if goOn, err := o.confirmRemoval(ctx, &o.removal, o.from, o.to); !goOn || err != nil {
		return err
	}
	c, err := o.connectFor(ctx, o.workers, o.detach)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	input := ranges.ReconcileInput{From: o.from.String(), To: o.to.String(), Degraded: true, Parallel: o.parallel,
		ChunkBytes: o.chunkBytes,
		RemoveGone: o.removeGone}
	run, err := c.start(ctx, o.settings, client.StartWorkflowOptions{
		ID:            ranges.ReconcileWorkflowID(o.from, o.to),
		StaticSummary: fmt.Sprintf("compare %d hours from %s to %s with the source", o.to-o.from, o.from, o.to),
	}, !o.detach, ranges.Reconcile, input)
	if err != nil {
		return err
	}
	if o.detach {
		o.stderr.Printf("started %s on %s\n", run.GetID(), c.where)
		return nil
	}
	var result ranges.ReconcileProgress
	if err := c.waitForHours(ctx, o.settings, run, &result); err != nil {
		return err
	}
	if err := c.refreshDailyNow(ctx, o.settings); err != nil {
		return err
	}
	p := o.newPrinter("HOURS", "EMPTY", "DROPPED", "DIFFER", "ADDED", "CHANGED", "GONE", "REMOVED", "INGESTED",
		"DEGRADED", "FAILED")
	if err := p.add(result, result.Hours, result.Empty, result.Dropped, result.Differ, result.Added, result.Changed,
		result.Gone, result.Removed,
		result.Ran, result.Degraded, result.Failed); err != nil {
		return err
	}
	if result.Gone > 0 {
		o.tellGone(fmt.Sprintf("%s of %s have left the source", count(result.Gone, "file"),
			count(int64(result.GoneHours), "hour")))
	}
	return p.flush()
}

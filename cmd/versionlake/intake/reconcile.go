package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ranges"
)

type reconcile struct {
	*settings.Settings
	work
	removal
	from, to telemetry.Hour
	parallel int
}

func newReconcile(s *settings.Settings) *cobra.Command {
	o := &reconcile{Settings: s}
	var window usage.Window
	cmd := &cobra.Command{
		Use:   "reconcile --from HOUR --to HOUR | --date DAY",
		Short: "List past hours again, and ingest those whose files are not the ones that were read",
		Long: `reconcile lists the hours from --from up to, but without, --to again, and compares their files with
those that were read, by name, etag and size. It ingests the hours of which files were added, changed or
are gone, those that were never ingested though they have files, and those that are degraded. All others
it leaves alone, and so hours whose rows were dropped by retention. The rows of files that are gone
stay: --remove-gone takes them out, after saying how many rows and users that concerns. Workers do this
by themselves for the last days; versionlake status tells what was found.`,
		Example: `  versionlake reconcile --from 2022-05-01 --to 2022-06-01 --source /data/telemetry
  versionlake reconcile --date 2022-05-27`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.from, o.to, err = window.Parse(o.Times()); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	window.AddFlags(cmd)
	o.removal.addFlags(cmd)
	cmd.Flags().IntVar(&o.parallel, "parallel", ranges.DefaultParallel,
		"workflows at once, each of an hour or of some small ones")
	o.work.addFlags(cmd, "return once it is started")
	return cmd
}

func (o *reconcile) run(ctx context.Context) (err error) {
	if goOn, err := o.confirm(ctx, o.Settings, o.from, o.to); !goOn || err != nil {
		return err
	}
	c, err := o.connect(ctx, o.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	input := ranges.ReconcileInput{From: o.from.String(), To: o.to.String(), Degraded: true, Parallel: o.parallel,
		ChunkBytes: o.chunkBytes, RemoveGone: o.removeGone}
	run, err := c.Start(ctx, client.StartWorkflowOptions{
		ID:            ranges.ReconcileWorkflowID(o.from, o.to),
		StaticSummary: fmt.Sprintf("compare %d hours from %s to %s with the source", o.to-o.from, o.from, o.to),
	}, ranges.Reconcile, input)
	if err != nil {
		return err
	}
	if o.detach {
		c.TellStarted(run)
		return nil
	}
	var result ranges.ReconcileProgress
	if err := waitForHours(ctx, c, run, &result); err != nil {
		return err
	}
	if err := c.RefreshDailyNow(ctx); err != nil {
		return err
	}
	p := o.NewPrinter("HOURS", "EMPTY", "DROPPED", "DIFFER", "ADDED", "CHANGED", "GONE", "REMOVED", "INGESTED",
		"DEGRADED", "FAILED")
	if err := p.Add(result, result.Hours, result.Empty, result.Dropped, result.Differ, result.Added, result.Changed,
		result.Gone, result.Removed, result.Ran, result.Degraded, result.Failed); err != nil {
		return err
	}
	if result.Gone > 0 {
		tellGone(o.Settings, fmt.Sprintf("%s of %s have left the source", output.Count(result.Gone, "file"),
			output.Count(int64(result.GoneHours), "hour")))
	}
	return p.Flush()
}

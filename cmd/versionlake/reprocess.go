package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

type reprocessOptions struct {
	*settings
	from, to   telemetry.Hour
	layer      string
	parallel   int
	chunkBytes int64
	workers    int
	detach     bool
}

func newReprocessCommand(s *settings, runF func(context.Context, *reprocessOptions) error) *cobra.Command {
	o := &reprocessOptions{settings: s}
	var window window
	cmd := &cobra.Command{
		Use:   "reprocess --from HOUR --to HOUR | --date DAY",
		Short: "Bring every hour of a range into the lake again",
		Long: `reprocess ingests every hour from --from up to, but without, --to, some at once. Hours without files are recorded as
empty. An hour that fails does not stop the others; they are listed at the end, and the command then fails. A day such as
2022-05-27 may stand for its first hour, and --date for all hours of a day.

The work is a Temporal workflow; which server it uses is as for versionlake ingest.`,
		Example: `  versionlake reprocess --from 2022-05-27T00 --to 2022-05-28T00 --source /data/telemetry
  versionlake reprocess --date 2022-05-27 --source /data/telemetry
  versionlake reprocess --from 2022-05-01 --to 2022-06-01 --parallel 8 --detach`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.from, o.to, err = window.parse(); err != nil {
				return err
			}
			if o.layer != "bronze" {
				return usagef("--layer %q: only bronze can be done again, which is everything, from the source", o.layer)
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return reprocessRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	window.addFlags(cmd)
	flags.StringVar(&o.layer, "layer", "bronze", "where to start: bronze is everything, from the source")
	flags.IntVar(&o.parallel, "parallel", workflows.DefaultHoursParallel, "hours at once")
	flags.BoolVar(&o.detach, "detach", false, "return once the range is started")
	addWorkFlags(cmd, &o.chunkBytes, &o.workers)
	complete(cmd, "layer", "bronze")
	return cmd
}

func reprocessRun(ctx context.Context, o *reprocessOptions) (err error) {
	c, err := o.connectFor(ctx, o.workers, o.detach)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	result, err := o.reprocess(ctx, c)
	if err != nil || o.detach {
		return err
	}
	if err := c.refreshDailyNow(ctx, o.settings); err != nil {
		return err
	}
	p := o.newPrinter("HOURS", "DONE", "EMPTY", "DEGRADED", "FAILED", "LINES", "REJECTS")
	if err := p.add(result, result.Hours, result.Done, result.Empty, result.Degraded, result.Failed, result.Lines, result.Rejects); err != nil {
		return err
	}
	return p.flush()
}

// reprocess starts the range, and waits for it unless told to detach.
func (o *reprocessOptions) reprocess(ctx context.Context, c *session) (result workflows.ReprocessProgress, err error) {
	input := workflows.ReprocessInput{From: o.from.String(), To: o.to.String(), Layer: o.layer, Parallel: o.parallel, ChunkBytes: o.chunkBytes}
	options := client.StartWorkflowOptions{
		ID: workflows.RangeWorkflowID(o.from, o.to), StaticSummary: fmt.Sprintf("%d hours from %s to %s", o.to-o.from, o.from, o.to),
	}
	run, err := c.start(ctx, o.settings, options, !o.detach, workflows.ReprocessRange, input)
	if err != nil {
		return result, err
	}
	if o.detach {
		fmt.Fprintf(o.stderr, "started %s on %s\n", run.GetID(), c.where)
		return result, nil
	}
	p := o.newProgress(run.GetID())
	defer p.end()
	err = c.wait(ctx, run, &result, p, func(ctx context.Context, p progress) (working []string) {
		var now workflows.ReprocessProgress
		if c.query(ctx, run, &now) {
			p.update(fmt.Sprintf("%d failed", now.Failed), int64(now.Done+now.Failed), int64(now.Hours), "hours")
		}
		for _, hour := range now.Running {
			working = append(working, "hour-"+hour)
		}
		return working
	})
	return result, err
}

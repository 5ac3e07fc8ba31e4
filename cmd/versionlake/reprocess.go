package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows/ranges"
)

type reprocessOptions struct {
	*settings
	removal
	from, to   telemetry.Hour
	all        bool
	layer      string
	parallel   int
	chunkBytes int64
	workers    int
	detach     bool
	resume     bool
}

func newReprocessCommand(s *settings, runF func(context.Context, *reprocessOptions) error) *cobra.Command {
	o := &reprocessOptions{settings: s}
	var window window
	cmd := &cobra.Command{
		Use:   "reprocess --from HOUR --to HOUR | --date DAY | --all",
		Short: "Bring every hour of a range into the lake again",
		Long: `reprocess ingests every hour from --from up to, but without, --to, some at once, and shows them in gold together. A day
such as 2022-05-27 may stand for its first hour, and --date for all hours of a day. Hours without files are recorded as
empty, many at once. Files that left the source, or are bad now, keep the rows of their last good version; --remove-gone takes them
out, after saying how many rows and users that concerns. An hour that fails does not stop the others; they are listed at the end, and the command then fails.

--layer says where to start: bronze is everything, from the source; silver makes silver from the lines that bronze has, as
after a change of --events; gold makes the users anew that silver has sightings of in these hours.

Interrupting the command cancels the range; hours that were done stay done, and --resume goes on with the others. The work
is a Temporal workflow; which server it uses is as for versionlake ingest.`,
		Example: `  versionlake reprocess --from 2022-05-27T00 --to 2022-05-28T00 --source /data/telemetry
  versionlake reprocess --date 2022-05-27 --source /data/telemetry
  versionlake reprocess --from 2022-05-01 --to 2022-06-01 --layer silver
  versionlake reprocess --from 2018-01-01 --to 2026-01-01 --parallel 8 --detach
  versionlake reprocess --from 2018-01-01 --to 2026-01-01 --resume`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.from, o.to, err = window.parse(); err != nil {
				return err
			}
			o.all = window.all
			if !slices.Contains(layers, o.layer) {
				return usagef("--layer %q is none of %s", o.layer, strings.Join(layers, ", "))
			}
			if err := o.removal.validate(); err != nil {
				return err
			}
			if o.removeGone && o.layer != activities.LayerBronze {
				return usagef("--remove-gone goes with --layer bronze: only the source tells what is gone")
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return reprocessRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	window.addFlags(cmd)
	window.addAll(cmd)
	o.removal.addFlags(cmd)
	flags.StringVar(&o.layer, "layer", activities.LayerBronze, "where to start: bronze (from the source), silver "+
		"(from bronze) or gold (from silver)")
	flags.IntVar(&o.parallel, "parallel", ranges.DefaultParallel,
		"workflows at once, each of an hour or of some small ones")
	flags.BoolVar(&o.detach, "detach", false, "return once the range is started")
	flags.BoolVar(&o.resume, "resume", false,
		"go on with this range where it was given up, or wait for it where it runs")
	addWorkFlags(cmd, &o.chunkBytes, &o.workers)
	complete(cmd, "layer", layers...)
	return cmd
}

var layers = []string{activities.LayerBronze, activities.LayerSilver, activities.LayerGold}

func reprocessRun(ctx context.Context, o *reprocessOptions) (err error) {
	o.readsNoSource = o.layer != activities.LayerBronze
	from, to := o.from, o.to
	if o.all {
		from, to = math.MinInt32, math.MaxInt32
	}
	if goOn, err := o.confirmRemoval(ctx, &o.removal, from, to); !goOn || err != nil {
		return err
	}
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
	return o.printRange(result)
}

// printRange prints how a range of hours went.
func (s *settings) printRange(p ranges.Progress) error {
	out := s.newPrinter("HOURS", "DONE", "EMPTY", "DEGRADED", "FAILED", "LINES", "REJECTS")
	if err := out.add(p, p.Hours, p.Done, p.Empty, p.Degraded, p.Failed, p.Lines, p.Rejects); err != nil {
		return err
	}
	if p.GoneFiles > 0 {
		s.tellGone(fmt.Sprintf("%s of these hours have left the source", count(p.GoneFiles, "file")))
	}
	return out.flush()
}

// reprocess starts the range, or goes on with it, and waits for it unless told to detach.
func (o *reprocessOptions) reprocess(ctx context.Context, c *session) (result ranges.Progress, err error) {
	input := ranges.ReprocessInput{Layer: o.layer, Parallel: o.parallel, ChunkBytes: o.chunkBytes,
		RemoveGone: o.removeGone}
	options := client.StartWorkflowOptions{ID: ranges.AllWorkflowID, StaticSummary: "every hour"}
	if !o.all {
		input.From, input.To = o.from.String(), o.to.String()
		options.ID, options.StaticSummary = ranges.RangeWorkflowID(o.from,
			o.to), fmt.Sprintf("%d hours from %s to %s", o.to-o.from, o.from, o.to)
	}
	var run client.WorkflowRun
	if o.resume {
		if run, input.Since, err = c.resume(ctx, options.ID); err != nil {
			return result, err
		}
		o.stderr.Printf("going on with what began at %s\n", instant(input.Since))
	}
	if run == nil {
		since := input.Since
		if since.IsZero() {
			since = time.Now()
		}
		options.Memo = map[string]any{memoSince: since}
		if run, err = c.start(ctx, o.settings, options, !o.detach, ranges.ReprocessRange, input); err != nil {
			return result, err
		}
	}
	if o.detach {
		o.stderr.Printf("started %s on %s\n", run.GetID(), c.where)
		return result, nil
	}
	err = c.waitForHours(ctx, o.settings, run, &result)
	if ctx.Err() != nil {
		o.stderr.Printf("the hours that are done stay done; the same command with --resume does the others\n")
	}
	return result, err
}

// memoSince remembers, with a range's workflow, since when its hours count as done.
const memoSince = "since"

// resume finds the range that was given up last, and since when its hours count as done; run is nil unless it runs
// still.
func (c *session) resume(ctx context.Context, id string) (run client.WorkflowRun, since time.Time, err error) {
	description, err := c.client.DescribeWorkflowExecution(ctx, id, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return nil, since, usagef("--resume: %s knows no range of these very hours (any more); leave --resume "+
			"out to do all of them", c.where)
	}
	if err != nil {
		return nil, since, fmt.Errorf("look for %s on %s: %w", id, c.where, err)
	}
	info := description.GetWorkflowExecutionInfo()
	if err := converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[memoSince], &since); err !=
		nil || since.IsZero() {
		return nil, since, usagef(
			"--resume: %s was not started by this command; leave --resume out to do all of its hours", id)
	}
	if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		run = c.client.GetWorkflow(ctx, id, "")
	}
	return run, since, nil
}

// waitForHours waits for a workflow that runs many hours, and gives its result.
func (c *session) waitForHours(ctx context.Context, s *settings, run client.WorkflowRun, result any) error {
	p := s.stderr.NewProgress(run.GetID())
	defer p.End()
	return c.wait(ctx, run, result, p, func(ctx context.Context, p terminal.Progress) []string {
		var now ranges.Progress
		if c.query(ctx, run, &now) {
			status := fmt.Sprintf("%d failed", now.Failed)
			if len(now.Running) == 0 && now.Gold > 0 {
				status += ", waiting for gold"
			}
			p.Update(status, int64(now.Done+now.Failed), int64(now.Hours), "hours")
		}
		return now.Running
	})
}

package intake

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
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// Reprocess brings a range of hours into the lake again.
type Reprocess struct {
	*settings.Settings
	From, To telemetry.Hour
	Layer    string // where to start
	Parallel int    // workflows at once

	work
	removal
	all      bool
	resume   bool
	hourTags bool
}

func newReprocess(s *settings.Settings) *cobra.Command {
	o := &Reprocess{Settings: s}
	var window usage.Window
	cmd := &cobra.Command{
		Use:   "reprocess --from HOUR --to HOUR | --date DAY | --all",
		Short: "Bring every hour of a range into the lake again",
		Long: `reprocess ingests every hour from --from up to, but without, --to, some at once, and shows them in gold
in their order: the last 35 days day by day, and months before. So the tag of a day's last hour shows
nothing of a later day; --hour-tags gives each hour a tag, and takes longer. A day such as 2022-05-27
may stand for its first hour, and --date for all hours of a day.
Hours without files are recorded as empty, many at once. Files that left the source, or are bad now,
keep the rows of their last good version; --remove-gone takes them out, after saying how many rows and
users that concerns. An hour that fails does not stop the others; they are listed at the end, and the
command then fails.

--layer says where to start: bronze is everything, from the source; silver makes silver from the lines
that bronze has, as after a change of --events; gold makes the users anew that silver has sightings of
in these hours.

Interrupting the command cancels the range; hours that were done stay done, and --resume goes on with
the others. The work is a Temporal workflow; which server it uses is as for versionlake ingest.`,
		Example: `  versionlake reprocess --from 2022-05-27T00 --to 2022-05-28T00 --source /data/telemetry
  versionlake reprocess --date 2022-05-27 --source /data/telemetry
  versionlake reprocess --from 2022-05-01 --to 2022-06-01 --layer silver
  versionlake reprocess --from 2018-01-01 --to 2026-01-01 --parallel 8 --detach
  versionlake reprocess --from 2018-01-01 --to 2026-01-01 --resume`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.From, o.To, err = window.Parse(o.Times()); err != nil {
				return err
			}
			o.all = window.All
			if !slices.Contains(layers, o.Layer) {
				return usage.Errorf("--layer %q is none of %s", o.Layer, strings.Join(layers, ", "))
			}
			if err := o.validate(); err != nil {
				return err
			}
			if o.removeGone && o.Layer != activities.LayerBronze {
				return usage.Errorf("--remove-gone goes with --layer bronze: only the source tells what is gone")
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	window.AddFlags(cmd)
	window.AddAll(cmd)
	o.removal.addFlags(cmd)
	flags.StringVar(&o.Layer, "layer", activities.LayerBronze, "where to start: bronze (from the source), silver "+
		"(from bronze) or gold (from silver)")
	flags.IntVar(&o.Parallel, "parallel", ranges.DefaultParallel,
		"workflows at once, each of an hour or of some small ones")
	flags.BoolVar(&o.hourTags, "hour-tags", false, "commit gold for each hour, so that each has a tag")
	flags.BoolVar(&o.resume, "resume", false,
		"go on with this range where it was given up, or wait for it where it runs")
	o.work.addFlags(cmd, "return once the range is started")
	usage.Complete(cmd, "layer", layers...)
	return cmd
}

var layers = []string{activities.LayerBronze, activities.LayerSilver, activities.LayerGold}

func (o *Reprocess) run(ctx context.Context) (err error) {
	o.ReadsNoSource = o.Layer != activities.LayerBronze
	from, to := o.From, o.To
	if o.all {
		from, to = math.MinInt32, math.MaxInt32
	}
	if goOn, err := o.confirm(ctx, o.Settings, from, to); !goOn || err != nil {
		return err
	}
	c, err := o.connect(ctx, o.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	result, err := o.Start(ctx, c)
	if err != nil || o.detach {
		return err
	}
	if err := c.RefreshDailyNow(ctx); err != nil {
		return err
	}
	return printRange(o.Settings, result)
}

// printRange prints how a range of hours went.
func printRange(s *settings.Settings, p ranges.Progress) error {
	out := s.NewPrinter("HOURS", "DONE", "EMPTY", "DEGRADED", "FAILED", "LINES", "REJECTS")
	if err := out.Add(p, p.Hours, p.Done, p.Empty, p.Degraded, p.Failed, p.Lines, p.Rejects); err != nil {
		return err
	}
	if p.GoneFiles > 0 {
		tellGone(s, fmt.Sprintf("%s of these hours have left the source", output.Count(p.GoneFiles, "file")))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	tellOfRejects(s, p.Rejects, p.Lines)
	return nil
}

// Start starts the range, or goes on with it, and waits for it unless told to detach.
func (o *Reprocess) Start(ctx context.Context, c *session.Session) (result ranges.Progress, err error) {
	input := ranges.ReprocessInput{Layer: o.Layer, Parallel: o.Parallel, ChunkBytes: o.chunkBytes,
		RemoveGone: o.removeGone, HourTags: o.hourTags, Check: o.check}
	options := client.StartWorkflowOptions{ID: ranges.AllWorkflowID, StaticSummary: "every hour"}
	if !o.all {
		input.From, input.To = o.From.String(), o.To.String()
		options.ID = ranges.RangeWorkflowID(o.From, o.To)
		options.StaticSummary = fmt.Sprintf("%d hours from %s to %s", o.To-o.From, o.From, o.To)
	}
	var run client.WorkflowRun
	if o.resume {
		if run, input.Since, err = resume(ctx, c, options.ID); err != nil {
			return result, err
		}
		o.Stderr.Printf("going on with what began at %s\n", output.Instant(input.Since))
	}
	if run == nil {
		options.Memo = map[string]any{memoSince: input.Since}
		if run, err = c.Start(ctx, options, ranges.ReprocessRange, input); err != nil {
			return result, err
		}
	}
	if o.detach {
		c.TellStarted(run)
		return result, nil
	}
	err = waitForHours(ctx, c, run, &result)
	if ctx.Err() != nil {
		o.Stderr.Printf("the hours that are done stay done; the same command with --resume does the others\n")
	}
	return result, err
}

// memoSince remembers, with a range's workflow, since when its hours count as done; the zero time is since the range
// began, which Temporal knows: runs of hours begin by its clock, and ours may be another one.
const memoSince = "since"

// resume finds the range that was given up last, and since when its hours count as done; run is nil unless it runs
// still.
func resume(ctx context.Context, c *session.Session, id string) (run client.WorkflowRun, since time.Time, err error) {
	description, err := c.Client.DescribeWorkflowExecution(ctx, id, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return nil, since, usage.Errorf("--resume: %s knows no range of these very hours (any more); leave --resume "+
			"out to do all of them", c.Where)
	}
	if err != nil {
		return nil, since, fmt.Errorf("look for %s on %s: %w", id, c.Where, err)
	}
	info := description.GetWorkflowExecutionInfo()
	memo := info.GetMemo().GetFields()[memoSince]
	if err := converter.GetDefaultDataConverter().FromPayload(memo, &since); err != nil || memo == nil {
		return nil, since, usage.Errorf("--resume: %s was not started by this command; leave --resume out to do "+
			"all of its hours", id)
	}
	if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		run = c.Client.GetWorkflow(ctx, id, "")
	}
	if since.IsZero() {
		since, err = began(ctx, c, info)
	}
	return run, since, err
}

// began is when a range began. Where Temporal has forgotten the first of its runs, it is when the last one did: then
// some hours are done once more.
func began(ctx context.Context, c *session.Session, last *workflowpb.WorkflowExecutionInfo) (time.Time, error) {
	if last.GetFirstRunId() == "" || last.GetFirstRunId() == last.GetExecution().GetRunId() {
		return last.GetStartTime().AsTime(), nil
	}
	id := last.GetExecution().GetWorkflowId()
	first, err := c.Client.DescribeWorkflowExecution(ctx, id, last.GetFirstRunId())
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return last.GetStartTime().AsTime(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask when %s began on %s: %w", id, c.Where, err)
	}
	return first.GetWorkflowExecutionInfo().GetStartTime().AsTime(), nil
}

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
)

type ingestOptions struct {
	*settings
	removal
	hour       telemetry.Hour
	chunkBytes int64
	parallel   int
	workers    int
	detach     bool
}

func newIngestCommand(s *settings, runF func(context.Context, *ingestOptions) error) *cobra.Command {
	o := &ingestOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "ingest HOUR",
		Short: "Bring the files of an hour into the lake, now",
		Long: `ingest brings the files of an hour into the lake, whatever the lake had of that hour before, and waits until gold.users
shows it. The work is the Temporal workflow hour-HOUR. Files that left the source, or are bad now, keep the rows of their last good
version; --remove-gone takes them out, after saying how many rows and users that concerns.

It uses the Temporal server that TEMPORAL_ADDRESS or Temporal's configuration file names; else that of a running
versionlake dev on the same --dir; else one of its own while it runs, with its state in --dir.`,
		Example: `  versionlake ingest 2022-05-27T05 --source /data/telemetry
  versionlake ingest 2022-05-27T05 --source s3://telemetry/service-logs --output json
  TEMPORAL_ADDRESS=temporal:7233 versionlake ingest 2022-05-27T05 --detach`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.hour, err = parseHour("the hour", args[0]); err != nil {
				return err
			}
			if err := o.removal.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return ingestRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	o.removal.addFlags(cmd)
	flags.BoolVar(&o.detach, "detach", false, "return once the hour is started")
	flags.IntVar(&o.parallel, "parallel", 0, "chunks of the hour at once over all workers")
	addWorkFlags(cmd, &o.chunkBytes, &o.workers)
	return cmd
}

// addWorkFlags adds the flags of commands that may work themselves.
func addWorkFlags(cmd *cobra.Command, chunkBytes *int64, workers *int) {
	cmd.Flags().Int64Var(chunkBytes, "chunk-bytes", 0, "text that one step parses, in bytes (default 32 MiB)")
	cmd.Flags().IntVar(workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
}

// errDetachOwn: there is no server to leave the work to.
var errDetachOwn = errors.New("--detach needs a Temporal server that stays: run `versionlake dev` on the same " +
	"--dir, or set TEMPORAL_ADDRESS")

func ingestRun(ctx context.Context, o *ingestOptions) (err error) {
	if goOn, err := o.confirmRemoval(ctx, &o.removal, o.hour, o.hour+1); !goOn || err != nil {
		return err
	}
	c, err := o.connectFor(ctx, o.workers, o.detach)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	result, err := o.ingest(ctx, c)
	if err != nil || o.detach {
		return err
	}
	if err := c.refreshDailyNow(ctx, o.settings); err != nil {
		return err
	}
	if o.output == outputJSON {
		return o.newPrinter().add(result)
	}
	if err := o.printHours([]ledger.Hour{result.Hour}); err != nil {
		return err
	}
	for _, file := range result.LeftOut {
		o.stdout.Printf("left out: %s\n", file)
	}
	if result.Gold.SnapshotID != 0 {
		o.stdout.Printf("\n%s in snapshot %d%s\n", count(result.Gold.Users, "user"), result.Gold.SnapshotID,
			tagList(result.Gold.Tags))
	}
	return nil
}

// connectFor connects, and refuses to leave work to a server that does not stay.
func (s *settings) connectFor(ctx context.Context, workers int, detach bool) (*session, error) {
	if !detach {
		return s.connect(ctx, workers)
	}
	c, err := s.connectLasting(ctx)
	if err == nil && c == nil {
		err = &usageError{errDetachOwn}
	}
	return c, err
}

// ingest starts the hour, and waits for it unless told to detach.
func (o *ingestOptions) ingest(ctx context.Context, c *session) (result ingest.HourResult, err error) {
	input := ingest.HourInput{Hour: o.hour.String(), ChunkBytes: o.chunkBytes, Parallel: o.parallel,
		RemoveGone: o.removeGone}
	options := client.StartWorkflowOptions{
		ID: ingest.HourWorkflowID(o.hour), StaticSummary: "hour " + o.hour.String(),
		TypedSearchAttributes: temporal.NewSearchAttributes(workflows.HourAttribute.ValueSet(o.hour.String())),
	}
	run, err := c.start(ctx, o.settings, options, !o.detach, ingest.IngestHour, input)
	if err != nil {
		return result, err
	}
	if o.detach {
		o.stderr.Printf("started %s on %s\n", run.GetID(), c.where)
		return result, nil
	}
	p := o.stderr.NewProgress(o.hour.String())
	defer p.End()
	err = c.wait(ctx, run, &result, p, func(ctx context.Context, p terminal.Progress) []string {
		var now ingest.HourProgress
		if c.query(ctx, run, &now) {
			p.Update(now.Status, int64(now.ChunksDone), int64(now.Chunks), "chunks")
		}
		return nil
	})
	return result, err
}

// query asks a workflow how far it is; false when it can't answer now.
func (c *session) query(ctx context.Context, run client.WorkflowRun, progress any) bool {
	value, err := c.client.QueryWorkflow(ctx, run.GetID(), "", workflows.ProgressQuery)
	return err == nil && value.Get(progress) == nil
}

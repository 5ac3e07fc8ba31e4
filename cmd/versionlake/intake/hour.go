// Package intake has the commands that bring hours into the lake.
package intake

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Intake, newIngest(s), newReprocess(s), newReconcile(s))
}

// Hour brings the files of an hour into the lake.
type Hour struct {
	*settings.Settings
	Hour telemetry.Hour

	work
	removal
	parallel int
}

func newIngest(s *settings.Settings) *cobra.Command {
	o := &Hour{Settings: s}
	cmd := &cobra.Command{
		Use:   "ingest HOUR",
		Short: "Bring the files of an hour into the lake, now",
		Long: `ingest brings the files of an hour into the lake, whatever the lake had of that hour before, and waits
until gold.users shows it. The work is the Temporal workflow hour-HOUR. Files that left the source, or
are bad now, keep the rows of their last good version; --remove-gone takes them out, after saying how
many rows and users that concerns.

It uses the Temporal server that TEMPORAL_ADDRESS or Temporal's configuration file names; else that of a
running versionlake dev on the same --dir; else one of its own while it runs, with its state in --dir.`,
		Example: `  versionlake ingest 2022-05-27T05 --source /data/telemetry
  versionlake ingest 2022-05-27T05 --source s3://telemetry/service-logs --output json
  TEMPORAL_ADDRESS=temporal:7233 versionlake ingest 2022-05-27T05 --detach`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Hour, err = o.Times().Hour("the hour", args[0]); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.removal.addFlags(cmd)
	flags.IntVar(&o.parallel, "parallel", 0, "chunks of the hour at once over all workers")
	o.work.addFlags(cmd, "return once the hour is started")
	return cmd
}

func (o *Hour) run(ctx context.Context) (err error) {
	if goOn, err := o.confirm(ctx, o.Settings, o.Hour, o.Hour+1); !goOn || err != nil {
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
	if o.Objects() {
		return o.NewPrinter().Add(result)
	}
	if err := o.PrintHours([]ledger.Hour{result.Hour}); err != nil {
		return err
	}
	for _, file := range result.LeftOut {
		o.Stdout.Printf("left out: %s\n", file)
	}
	tellOfRejects(o.Settings, result.Hour.Rejects, result.Hour.Lines)
	if result.Hour.Events > 0 && result.Hour.Sightings == 0 {
		o.Stdout.Printf("of this hour, %s\n", usage.NoSighting)
	}
	if result.Gold.SnapshotID != 0 {
		o.Stdout.Printf("\n%s in snapshot %d%s\n", output.Count(result.Gold.Users, "user"), result.Gold.SnapshotID,
			output.Tags(result.Gold.Tags))
	}
	return nil
}

// tellOfRejects says where it stands why lines were rejected.
func tellOfRejects(s *settings.Settings, rejects, lines int64) {
	if rejects > 0 && !s.Objects() {
		s.Stdout.Printf("%d of %s rejected: versionlake status --rejects says why\n", rejects,
			output.Count(lines, "line"))
	}
}

// Start starts the hour, and waits for it unless told to detach.
func (o *Hour) Start(ctx context.Context, c *session.Session) (result ingest.HourResult, err error) {
	input := ingest.HourInput{Hour: o.Hour.String(), ChunkBytes: o.chunkBytes, Parallel: o.parallel,
		RemoveGone: o.removeGone, Check: o.check}
	options := client.StartWorkflowOptions{
		ID: ingest.HourWorkflowID(o.Hour), StaticSummary: "hour " + o.Hour.String(),
		TypedSearchAttributes: temporal.NewSearchAttributes(workflows.OfHours(o.Hour)),
	}
	run, err := c.Start(ctx, options, ingest.IngestHour, input)
	if err != nil {
		return result, err
	}
	if o.detach {
		c.TellStarted(run)
		return result, nil
	}
	err = c.Wait(ctx, o.Hour.String(), run, &result, func(ctx context.Context, p terminal.Progress) []string {
		var now ingest.HourProgress
		if c.Progress(ctx, run, &now) {
			p.Update(now.Status, int64(now.ChunksDone), int64(now.Chunks), "chunks")
		}
		return nil
	})
	return result, err
}

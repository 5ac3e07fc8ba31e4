package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/repair"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/ranges"
)

type repairLake struct {
	*settings.Settings
	acceptLoss bool
	workers    int

	work repairWork
}

func newRepair(s *settings.Settings) *cobra.Command {
	o := &repairLake{Settings: s}
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Do what the differences that verify finds ask for",
		Long: `repair verifies the lake, and mends what it can: a table whose metadata can't be read goes back to what
it was before its last commit; files that can't be read are written again by bringing in their hours, from
bronze or from the source; gold, and what follows it, is made anew. It verifies once more, until nothing is
left, or nothing that it can do.

What is gone from bronze, and from the source as well, is lost. It is told by hour and count, and stays
as it is; with --accept-loss, what is in neither goes from the lake.

A tag of gold whose version can't be read any more is taken out. The work is done by Temporal workflows; which
server they use is as for versionlake ingest.`,
		Example: `  versionlake repair --source /data/telemetry
  versionlake repair --source /data/telemetry --accept-loss`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.acceptLoss, "accept-loss", false, "take out what nothing can bring back")
	flags.IntVar(&o.workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
	return cmd
}

// rounds bounds how often a lake is verified and mended: metadata, then what it names, then what follows.
const rounds = 5

func (o *repairLake) run(ctx context.Context) (err error) {
	o.ReadsNoSource = true // where there is none, silver and gold are mended all the same
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.work.close(), l.Close()) }()
	o.work = repairWork{repairLake: o}
	for range rounds {
		found, err := o.verify(ctx, l)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return o.tell("nothing is left to repair")
		}
		mended, err := repair.Mend(ctx, l, found, &o.work, repair.Options{AcceptLoss: o.acceptLoss,
			Tell: func(format string, args ...any) { o.Stderr.Printf(format+"\n", args...) }})
		if err != nil {
			return err
		}
		if lost := len(mended.Lost) > 0 && !o.acceptLoss; lost || len(mended.Left) > 0 {
			return o.left(mended, lost)
		}
		for _, lost := range mended.Lost {
			if err := o.tellLost(lost); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("differences are left after %d repairs: see versionlake verify", rounds)
}

func (o *repairLake) tell(text string) error {
	if o.Objects() {
		return nil
	}
	return o.Stdout.Printf("%s\n", text)
}

func (o *repairLake) tellLost(lost repair.Lost) error {
	if o.Objects() {
		return o.NewPrinter().Add(lost)
	}
	return o.Stdout.Printf("lost: hour %s: %s and %s: %s\n", lost.Hour, output.Count(lost.Events, "event"),
		output.Count(lost.Rejects, "reject"), lost.Why)
}

// left says what a repair could not do.
func (o *repairLake) left(mended repair.Mended, lost bool) error {
	for _, each := range mended.Lost {
		if err := o.tellLost(each); err != nil {
			return err
		}
	}
	for _, text := range mended.Left {
		if err := o.Stdout.Printf("left: %s\n", text); err != nil {
			return err
		}
	}
	if lost {
		return usage.WithExit(usage.ExitUnreadable, fmt.Errorf("%s can't be brought back whole: put their files back "+
			"into the source and repair again, or give up what is lost with --accept-loss",
			output.Count(int64(len(mended.Lost)), "hour")))
	}
	return fmt.Errorf("%s: see docs/OPERATIONS.md, Verifying",
		output.Count(int64(len(mended.Left)), "difference")+" left that somebody has to see to")
}

// verify says what is wrong with the lake.
func (o *repairLake) verify(ctx context.Context, l *lake.Lake) (found []verify.Difference, err error) {
	if err := o.TakeKept(ctx, l); err != nil && !objects.Unreadable(err) {
		return nil, err
	}
	parsing, err := o.Parsing()
	if err != nil {
		return nil, err
	}
	bar := o.Stderr.NewProgress("verify")
	defer bar.End()
	_, err = verify.Run(ctx, l, verify.Options{Parsing: parsing,
		Progress: func(doing string, done, total int, unit string) {
			bar.Update(doing, int64(done), int64(total), unit)
		}}, func(d verify.Difference) error {
		found = append(found, d)
		if o.Objects() {
			return o.NewPrinter().Add(d)
		}
		return o.Stdout.Printf("%s\n", differenceLine(d))
	})
	return found, err
}

// repairWork lets workflows do what a repair asks for. It connects once there is something to do: a lake whose metadata
// can't be read can't be opened by a worker.
type repairWork struct {
	*repairLake
	session     *session.Session
	first, last telemetry.Hour // that were brought in
}

func (w *repairWork) connect(ctx context.Context) (err error) {
	if w.session == nil {
		w.session, err = session.Connect(ctx, w.Settings, session.Options{Workers: w.workers})
	}
	return err
}

func (w *repairWork) close() error {
	if w.session == nil {
		return nil
	}
	return w.session.Close()
}

func (w *repairWork) Hour(ctx context.Context, hour telemetry.Hour, fromBronze, removeGone bool) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	input := ingest.HourInput{Hour: hour.String(), LeaveGold: true, Check: true, RemoveGone: removeGone}
	if fromBronze {
		input.Layer = activities.LayerSilver
	}
	run, err := w.session.Start(ctx, client.StartWorkflowOptions{
		ID: ingest.HourWorkflowID(hour), StaticSummary: "repair hour " + hour.String(),
		TypedSearchAttributes: temporal.NewSearchAttributes(workflows.OfHours(hour)),
	}, ingest.IngestHour, input)
	if err != nil {
		return err
	}
	if w.first == 0 || hour < w.first {
		w.first = hour
	}
	w.last = max(w.last, hour)
	var result ingest.HourResult
	return w.session.Wait(ctx, hour.String(), run, &result, func(ctx context.Context, p terminal.Progress) []string {
		var now ingest.HourProgress
		if w.session.Progress(ctx, run, &now) {
			p.Update(now.Status, int64(now.ChunksDone), int64(now.Chunks), "chunks")
		}
		return nil
	})
}

func (w *repairWork) Gold(ctx context.Context, all bool) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	input, id := ranges.ReprocessInput{Layer: activities.LayerGold}, ranges.AllWorkflowID
	if !all {
		if w.first == 0 {
			w.first, w.last = telemetry.HourOf(time.Now()), telemetry.HourOf(time.Now())
		}
		input.From, input.To = w.first.String(), (w.last + 1).String()
		id = ranges.RangeWorkflowID(w.first, w.last+1)
	}
	run, err := w.session.Start(ctx, client.StartWorkflowOptions{ID: id, StaticSummary: "repair gold"},
		ranges.ReprocessRange, input)
	if err != nil {
		return err
	}
	var result ranges.Progress
	return w.session.Wait(ctx, "gold", run, &result, func(context.Context, terminal.Progress) []string { return nil })
}

func (w *repairWork) Follow(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	_, err := w.session.RefreshDaily(ctx)
	return err
}

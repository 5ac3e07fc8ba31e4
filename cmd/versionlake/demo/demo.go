// Package demo has the commands that make up telemetry, and show on it what all the others do.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Run, newDemo(s), newGenerate(s))
}

type runDemo struct {
	*settings.Settings
	keep  bool
	trino bool
}

func newDemo(s *settings.Settings) *cobra.Command {
	o := &runDemo{Settings: s}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it on made-up data, in a temporary folder",
		Long: `demo makes up two days of telemetry, ingests them through a local Temporal server, and asks what
versionlake is for, each with the command that one would type: what ran then, and what was known of it
at the time. It takes some ten seconds and leaves nothing behind.`,
		Example: `  versionlake demo
  versionlake demo --keep    # and look around afterwards
  versionlake demo --trino   # and ask the same in SQL`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the folder")
	cmd.Flags().BoolVar(&o.trino, "trino",
		false, "ask in SQL, too, through a Trino that runs meanwhile, and compare the answers")
	return cmd
}

func (o *runDemo) run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "versionlake-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	if !o.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	d := &demo{Settings: o.Local(filepath.Join(folder, "lake"), filepath.Join(folder, "telemetry")),
		facts: generate.DemoFacts()}
	if err := d.run(ctx); err != nil {
		return err
	}
	if o.trino {
		if err := d.showTrino(ctx); err != nil {
			return err
		}
	}
	if o.keep {
		return o.Stdout.Printf("\nGo on with --dir %s --source %s\n", d.Dir, d.Source)
	}
	return o.Stdout.Printf("\nTo look around yourself: README.md, \"Look around\". On your own data: " +
		"versionlake dev --source FOLDER\n")
}

// demo tells the story.
type demo struct {
	*settings.Settings
	facts   generate.Facts
	session *session.Session
}

// Small hours wait for Temporal and the disk more than they compute.
const (
	demoParallel = 6 // hours at once
	demoWorkers  = 6 // steps at once
)

func (d *demo) run(ctx context.Context) (err error) {
	world := generate.Demo()
	d.say("Two days of made-up telemetry, and a file of %s's that came a day late", d.facts.User)
	if _, err := generate.Write(ctx, d.Source, world); err != nil {
		return fmt.Errorf("make up telemetry: %w", err)
	}
	if d.session, err = session.ConnectOwn(ctx, d.Settings, demoWorkers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.session.Close()) }()
	end := world.From + telemetry.Hour(world.Hours)
	result, err := d.reprocess(ctx, world.From, end)
	if err != nil {
		return err
	}
	if err := d.ingestLate(ctx); err != nil {
		return err
	}
	if err := d.showAnswers(ctx, end-1); err != nil {
		return err
	}
	return d.showRest(ctx, result)
}

// ingestLate lets a file arrive that changes the past.
func (d *demo) ingestLate(ctx context.Context) error {
	if _, err := generate.DemoLate(ctx, d.Source); err != nil {
		return fmt.Errorf("make up the late file: %w", err)
	}
	hour := &intake.Hour{Settings: d.Settings, Hour: d.facts.LateHour}
	if _, err := hour.Start(ctx, d.session); err != nil {
		return err
	}
	// It follows by itself where a server stays.
	_, err := d.session.RefreshDaily(ctx)
	return err
}

// showAnswers asks what is known now, and what was known then.
func (d *demo) showAnswers(ctx context.Context, before telemetry.Hour) error {
	d.say("What did %s run at %s? By what is known today, and by what was known before the late file told that\n"+
		"%[1]s had upgraded earlier than anyone knew", d.facts.User, output.Instant(d.facts.Asked))
	if err := d.at(ctx, d.facts.Asked, ""); err != nil {
		return err
	}
	return d.at(ctx, d.facts.Asked, "hour-"+before.String())
}

// showRest is all else that fits on a screen.
func (d *demo) showRest(ctx context.Context, result ranges.Progress) error {
	d.say("One user, one row, with all of the history")
	d.command("history %s", d.facts.User)
	if err := (&ask.History{Settings: d.Settings, User: d.facts.User}).Run(ctx); err != nil {
		return err
	}
	d.say("What everybody runs now")
	d.command("versions --service %s", d.facts.Service)
	if err := ask.PrintVersions(ctx, d.Settings, d.facts.Service); err != nil {
		return err
	}
	d.say("All that was read is accounted for: %d hours, %d of them empty; %d lines, %d of them rejected",
		result.Done, result.Empty, result.Lines, result.Rejects)
	return nil
}

func (d *demo) at(ctx context.Context, moment time.Time, asOf string) error {
	asked := ""
	if asOf != "" {
		asked = " --as-of " + asOf
	}
	d.command("at %s %s%s", d.facts.User, output.Instant(moment), asked)
	return (&ask.At{Settings: d.Settings, User: d.facts.User, Time: moment, AsOf: asOf}).Run(ctx)
}

func (d *demo) reprocess(ctx context.Context, from, to telemetry.Hour) (ranges.Progress, error) {
	hours := &intake.Reprocess{Settings: d.Settings, From: from, To: to, Layer: activities.LayerBronze,
		Parallel: demoParallel}
	return hours.Start(ctx, d.session)
}

func (d *demo) say(format string, args ...any) {
	d.Stdout.Printf("\n"+format+".\n", args...)
}

func (d *demo) command(format string, args ...any) {
	d.Stdout.Printf("\n$ versionlake "+format+"\n", args...)
}

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
		Long: `demo makes up two days of telemetry, ingests them through a local Temporal server, and asks the
questions that versionlake is for, each with the command that one would type. It takes less than a
minute and leaves nothing behind.`,
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
		o.Stdout.Printf("\nGo on with --dir %s --source %s\n", d.Dir, d.Source)
	}
	return nil
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
	d.say("Two days of made-up telemetry, one hour of it empty and one with many broken lines")
	if _, err := generate.Write(ctx, d.Source, world); err != nil {
		return fmt.Errorf("make up telemetry: %w", err)
	}
	if d.session, err = session.ConnectOwn(ctx, d.Settings, demoWorkers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.session.Close()) }()
	d.say("The Temporal UI is at %s while the demo runs", d.session.UI)

	first, end := world.From, world.From+telemetry.Hour(world.Hours)
	d.command("reprocess --from %s --to %s", first, end)
	if err := d.reprocess(ctx, first, end); err != nil {
		return err
	}
	if err := d.showLake(ctx, first, end); err != nil {
		return err
	}
	if err := d.showHistory(ctx); err != nil {
		return err
	}
	if err := d.showDaily(ctx); err != nil {
		return err
	}
	return d.showLateFile(ctx, end-1)
}

func (d *demo) showLake(ctx context.Context, first, end telemetry.Hour) error {
	d.say("The ledger: an hour a line")
	d.command("status --hours")
	return (&ask.Status{Settings: d.Settings, Hours: true, From: first.String(), To: end.String()}).Run(ctx)
}

func (d *demo) showHistory(ctx context.Context) error {
	user, upgrade := d.facts.User, d.facts.Upgrade
	d.say("One user, one row: %s went from %s to %s", user, d.facts.Before, d.facts.After)
	d.command("history %s", user)
	if err := (&ask.History{Settings: d.Settings, User: user}).Run(ctx); err != nil {
		return err
	}
	d.say("What ran just before the upgrade, and just after")
	for _, moment := range []time.Time{upgrade.Add(-time.Minute), upgrade.Add(time.Minute)} {
		if err := d.at(ctx, moment, ""); err != nil {
			return err
		}
	}
	return nil
}

// showDaily refreshes at once what follows by itself where a server stays.
func (d *demo) showDaily(ctx context.Context) error {
	date := d.facts.Upgrade.Format(time.DateOnly)
	d.say("All of them on the day of that upgrade; such figures are kept when the events themselves are dropped")
	d.command("daily --refresh --from %s --to %s", date, d.facts.Upgrade.AddDate(0, 0, 1).Format(time.DateOnly))
	if _, err := d.session.RefreshDaily(ctx); err != nil {
		return err
	}
	day := int32(d.facts.Upgrade.Unix() / (24 * 60 * 60))
	return (&ask.Daily{Settings: d.Settings, From: day, To: day + 1}).Run(ctx)
}

// showLateFile lets a file arrive that changes the past, and asks what is known now and what was known then.
func (d *demo) showLateFile(ctx context.Context, before telemetry.Hour) error {
	d.say("A late file arrives in hour %s: %s's device was offline, and had upgraded earlier than anyone knew",
		d.facts.LateHour, d.facts.User)
	if _, err := generate.DemoLate(ctx, d.Source); err != nil {
		return fmt.Errorf("make up the late file: %w", err)
	}
	d.command("ingest %s", d.facts.LateHour)
	hour := &intake.Hour{Settings: d.Settings, Hour: d.facts.LateHour}
	if _, err := hour.Start(ctx, d.session); err != nil {
		return err
	}
	if _, err := d.session.RefreshDaily(ctx); err != nil {
		return err
	}
	d.say("What ran at %s, by what is known today, and by what was known when hour %s was the last",
		output.Instant(d.facts.Asked), before)
	if err := d.at(ctx, d.facts.Asked, ""); err != nil {
		return err
	}
	return d.at(ctx, d.facts.Asked, "hour-"+before.String())
}

func (d *demo) at(ctx context.Context, moment time.Time, asOf string) error {
	asked := ""
	if asOf != "" {
		asked = " --as-of " + asOf
	}
	d.command("at %s %s%s", d.facts.User, output.Instant(moment), asked)
	return (&ask.At{Settings: d.Settings, User: d.facts.User, Time: moment, AsOf: asOf}).Run(ctx)
}

func (d *demo) reprocess(ctx context.Context, from, to telemetry.Hour) error {
	hours := &intake.Reprocess{Settings: d.Settings, From: from, To: to, Layer: activities.LayerBronze,
		Parallel: demoParallel}
	result, err := hours.Start(ctx, d.session)
	if err != nil {
		return err
	}
	d.Stdout.Printf("%d hours, %d of them empty; %d lines, %d of them rejected\n", result.Done, result.Empty,
		result.Lines, result.Rejects)
	return nil
}

func (d *demo) say(format string, args ...any) {
	d.Stdout.Printf("\n"+format+".\n", args...)
}

func (d *demo) command(format string, args ...any) {
	d.Stdout.Printf("\n$ versionlake "+format+"\n", args...)
}

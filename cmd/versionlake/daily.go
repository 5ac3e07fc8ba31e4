package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/writers"
)

type dailyOptions struct {
	*settings
	from, to int32 // dates, in days since 1970
	refresh  bool
	workers  int
}

func newDailyCommand(s *settings, runF func(context.Context, *dailyOptions) error) *cobra.Command {
	o := &dailyOptions{settings: s}
	var from, to string
	cmd := &cobra.Command{
		Use:   "daily",
		Short: "Versions day by day: active users, installations, upgrades, sessions, issues",
		Long: `daily prints gold.version_daily, summed over devices. docs/METRICS.md says what each number counts.

The tables follow each hour within a minute or so. --refresh brings them up to date first; which Temporal server that uses
is as for versionlake ingest. Without it, daily reads the lake and needs no Temporal.`,
		Example: `  versionlake daily --from 2022-05-01 --to 2022-06-01
  versionlake daily --refresh --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.from, err = parseDate("--from", from, math.MinInt32); err != nil {
				return err
			}
			if o.to, err = parseDate("--to", to, math.MaxInt32); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return dailyRun(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the first date, such as 2022-05-27 (UTC)")
	flags.StringVar(&to, "to", "", "the first date after the last")
	flags.BoolVar(&o.refresh, "refresh", false, "bring the tables up to date first")
	flags.IntVar(&o.workers, "workers", 0, "with --refresh: steps at once in this process, where it works itself "+
		"(default: as many as processors)")
	return cmd
}

func parseDate(name, text string, otherwise int32) (int32, error) {
	if text == "" {
		return otherwise, nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, usagef("%s %q is not a date such as 2022-05-27", name, text)
	}
	return int32(date.Unix() / (24 * 60 * 60)), nil
}

func dailyRun(ctx context.Context, o *dailyOptions) (err error) {
	if o.refresh {
		if err := o.refreshFirst(ctx); err != nil {
			return err
		}
	}
	return o.printDaily(ctx)
}

func (o *dailyOptions) refreshFirst(ctx context.Context) (err error) {
	o.readsNoSource = true
	c, err := o.connect(ctx, o.workers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	commit, err := c.refreshDaily(ctx, o.settings)
	if err != nil {
		return err
	}
	o.stderr.Printf("%s counted anew\n", count(int64(commit.Dates), "date"))
	return nil
}

func (o *dailyOptions) printDaily(ctx context.Context) error {
	l, err := o.readLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	rows, err := daily.Versions(ctx, l, o.from, o.to)
	if err != nil {
		return err
	}
	p := o.newPrinter("DATE", "SERVICE", "VERSION", "USERS", "NEW", "UPGRADED TO", "AWAY", "DOWNGRADED TO", "AWAY",
		"SESSIONS", "ISSUES")
	for _, row := range rows {
		version := any(row.Version)
		if row.Version == "" {
			version = "–"
		}
		if err := p.add(row, row.Date, row.Service, version, row.Users, row.NewInstallations, row.UpgradesIn,
			row.UpgradesOut, row.DowngradesIn,
			row.DowngradesOut, row.Sessions, row.Issues); err != nil {
			return err
		}
	}
	return p.flush()
}

// refreshDaily brings the daily aggregates up to date, and waits for that.
func (c *session) refreshDaily(ctx context.Context, s *settings) (commit daily.Committed, err error) {
	run, err := c.client.SignalWithStartWorkflow(ctx, activities.DailyWorkflowID, activities.DailySignal,
		activities.DailyRequest{Now: true},
		client.StartWorkflowOptions{ID: activities.DailyWorkflowID, TaskQueue: worker.TaskQueue,
			StaticSummary: activities.DailySummary},
		writers.DailyWriter, writers.DailyInput{})
	if err != nil {
		return commit, fmt.Errorf("ask for a refresh of the daily aggregates on %s: %w", c.where, err)
	}
	p := s.stderr.NewProgress(run.GetID())
	defer p.End()
	err = c.wait(ctx, run, &commit, p, func(ctx context.Context, p terminal.Progress) []string {
		var now writers.DailyProgress
		if c.query(ctx, run, &now) {
			p.Update(now.Status, int64(now.Done), int64(now.Groups), "groups of months")
		}
		return nil
	})
	return commit, err
}

// refreshDailyNow is for a server that ends with the command: nobody else would let the daily aggregates follow.
func (c *session) refreshDailyNow(ctx context.Context, s *settings) error {
	if c.lasting {
		return nil
	}
	_, err := c.refreshDaily(ctx, s)
	return err
}

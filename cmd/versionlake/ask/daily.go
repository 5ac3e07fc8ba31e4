package ask

import (
	"context"
	"errors"
	"math"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/daily"
)

// Daily asks for the daily aggregates.
type Daily struct {
	*settings.Settings
	From, To int32 // dates, in days since 1970; To is exclusive

	refresh bool
	workers int
}

func newDaily(s *settings.Settings) *cobra.Command {
	o := &Daily{Settings: s}
	var from, to string
	cmd := &cobra.Command{
		Use:   "daily",
		Short: "Versions day by day: active users, installations, upgrades, sessions, issues",
		Long: `daily prints gold.version_daily, summed over devices. docs/METRICS.md says what each number counts.

The tables follow each hour within a minute or so. --refresh brings them up to date first; which
Temporal server that uses is as for versionlake ingest. Without it, daily reads the lake and needs no
Temporal.`,
		Example: `  versionlake daily --from 2022-05-01 --to 2022-06-01
  versionlake daily --refresh --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.From, err = o.date("--from", from, math.MinInt32); err != nil {
				return err
			}
			if o.To, err = o.date("--to", to, math.MaxInt32); err != nil {
				return err
			}
			if o.From >= o.To {
				return usage.Errorf("daily: the range holds no day: --to is exclusive and comes after --from")
			}
			return o.Run(cmd.Context())
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

// date reads a day, as days since 1970.
func (o *Daily) date(name, text string, otherwise int32) (int32, error) {
	if text == "" {
		return otherwise, nil
	}
	day, err := o.Times().Day(name, text)
	return int32(day / 24), err
}

// Run prints the answer.
func (o *Daily) Run(ctx context.Context) error {
	if o.refresh {
		if err := o.refreshFirst(ctx); err != nil {
			return err
		}
	}
	return o.printDaily(ctx)
}

func (o *Daily) refreshFirst(ctx context.Context) (err error) {
	o.ReadsNoSource = true
	c, err := session.Connect(ctx, o.Settings, session.Options{Workers: o.workers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	commit, err := c.RefreshDaily(ctx)
	if err != nil {
		return err
	}
	o.Stderr.Printf("%s counted anew\n", output.Count(int64(commit.Dates), "date"))
	return nil
}

func (o *Daily) printDaily(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	rows, err := daily.Versions(ctx, l, o.From, o.To)
	if err != nil {
		return err
	}
	p := o.NewPrinter("DATE", "SERVICE", "VERSION", "USERS", "NEW", "UPGRADED TO", "UPGRADED FROM", "DOWNGRADED TO",
		"DOWNGRADED FROM", "SESSIONS", "ISSUES")
	for _, row := range rows {
		version := any(row.Version)
		if row.Version == "" {
			version = "–"
		}
		if err := p.Add(row, row.Date, row.Service, version, row.Users, row.NewInstallations, row.UpgradesIn,
			row.UpgradesOut, row.DowngradesIn, row.DowngradesOut, row.Sessions, row.Issues); err != nil {
			return err
		}
	}
	return p.Flush()
}

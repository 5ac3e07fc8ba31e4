package watch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
)

type runChecks struct {
	*settings.Settings
	recorded, notify bool
	state            string
}

func newChecks(s *settings.Settings) *cobra.Command {
	o := &runChecks{Settings: s}
	cmd := &cobra.Command{
		Use:   "checks",
		Short: "Look for what is wrong with the lake, or new in it, now",
		Long: `checks reads the ledger, the metadata of tables and the daily aggregates, and prints what it finds, with
figures and limits. docs/CHECKS.md lists the checks. It needs no Temporal; where one is named, or
versionlake dev was started on --dir, it looks for workers, too. It changes nothing. The exit code is 1
where a check fails, and 0 where it only warns.

Workers look every ten minutes and whenever gold moves, keep what they find in ops.checks, which --recorded
prints, and call people by the file --rules. With --notify this command calls them itself: on another machine,
by cron, it tells when no worker runs. It keeps what it has told in --state.`,
		Example: `  versionlake checks
  versionlake checks --recorded
  versionlake checks --rules rules.yaml --notify --state /var/lib/versionlake/checks.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.notify && (o.Rules == "" || o.state == ""):
				return usage.Errorf("--notify needs --rules and --state")
			case o.notify && o.recorded:
				return usage.Errorf("--recorded and --notify do not go together")
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.recorded, "recorded", false, "print what workers found last, and do not look")
	flags.BoolVar(&o.notify, "notify", false, "call people, by --rules")
	flags.StringVar(&o.state, "state", "", "with --notify: the file that keeps what was told")
	s.AddRulesFlag(cmd)
	s.AddTrinoFlag(cmd)
	return cmd
}

func (o *runChecks) run(ctx context.Context) error {
	rules, err := notify.Read(o.Rules)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	l, err := o.ReadLake(ctx)
	if errors.Is(err, lake.ErrNoLake) {
		return err
	}
	if l != nil {
		defer l.Close()
	}
	if o.recorded {
		if err != nil {
			return err
		}
		return o.printRecorded(ctx, l)
	}
	results := o.look(ctx, l, err, rules)
	since := map[string]time.Time{}
	if l != nil {
		_, memory, err := checks.Saved(ctx, l)
		for _, known := range memory.Checks { // without them, nothing is said of since when
			if err == nil {
				since[known.Check+known.State] = known.Since
			}
		}
	}
	if err := o.print(results, since); err != nil {
		return err
	}
	if o.notify {
		return o.call(ctx, rules, results)
	}
	failing := int64(0)
	for _, r := range results {
		if r.State == checks.Fail {
			failing++
		}
	}
	if failing > 0 {
		return fmt.Errorf("%s failing", output.Count(failing, "check"))
	}
	return nil
}

// look runs the checks of the lake, or says that it can't be reached, and looks for workers.
func (o *runChecks) look(ctx context.Context, l *lake.Lake, unreachable error, rules *notify.Rules) []checks.Result {
	options := checks.Options{Now: time.Now(), Limits: rules.Checks, Goals: rules.Goals,
		Folders: []string{os.TempDir(), o.Dir},
		Explain: activities.Outage}
	results := checks.Unreachable(options, unreachable)
	if l != nil {
		results = checks.Run(ctx, l, options)
	}
	if rules.SQLChecks != "" {
		results = append(results, checks.RunSQL(ctx, rules.SQLChecks, options,
			func() (*sql.DB, error) { return session.OpenSQL(o.Settings) })...)
	}
	if found, ok := session.CheckWorkers(ctx, o.Settings, options); ok {
		results = append(results, found)
	}
	return results
}

func (o *runChecks) print(results []checks.Result, since map[string]time.Time) error {
	p := o.NewPrinter("CHECK", "STATE", "FIGURE", "WARN", "FAIL", "UNIT", "SINCE", "FOUND")
	for _, r := range results {
		from := ""
		if at, known := since[r.Check+r.State]; known {
			from = output.Instant(at)
		}
		if err := p.Add(r, r.Check, r.State, figure(r.Figure), figure(r.WarnAt), figure(r.FailAt), r.Unit,
			output.OrDash(from), r.Text); err != nil {
			return err
		}
	}
	return p.Flush()
}

// recorded is what --output json writes of a row of ops.checks.
type recorded struct {
	checks.Result
	Since     time.Time `json:"since"`
	CheckedAt time.Time `json:"checked_at"`
}

func (o *runChecks) printRecorded(ctx context.Context, l *lake.Lake) error {
	rows, _, err := checks.Saved(ctx, l)
	if err != nil {
		return err
	}
	p := o.NewPrinter("CHECK", "STATE", "FIGURE", "UNIT", "SINCE", "RECORDED", "FOUND")
	for _, row := range rows {
		object := recorded{checks.ResultOf(row), time.UnixMicro(row.Since).UTC(), time.UnixMicro(row.CheckedAt).UTC()}
		if err := p.Add(object, row.Check, row.State, figure(row.Figure), row.Unit, output.Micros(row.Since),
			output.Micros(row.CheckedAt), row.Text); err != nil {
			return err
		}
	}
	return p.Flush()
}

// figure writes a number with as many digits as people read.
func figure(value *float64) string {
	if value == nil {
		return ""
	}
	return strconv.FormatFloat(*value, 'g', 4, 64)
}

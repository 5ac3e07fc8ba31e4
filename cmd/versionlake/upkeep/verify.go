package upkeep

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

type verifyLake struct {
	*settings.Settings
	from, to telemetry.Hour
}

func newVerify(s *settings.Settings) *cobra.Command {
	o := &verifyLake{Settings: s}
	var window usage.Window
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compute the tables again in another, plain way, and print where they differ",
		Long: `verify makes gold.users again from silver, and silver from bronze, by a second and simple
implementation, and checks that the ledger, the rows and the tags agree. It prints a line for each
difference, and at the end what was checked; the exit code is 1 if there is any, and 3 if
objects of the lake are gone or damaged: each is told, and the rest is compared. versionlake repair does
what the differences ask for. What gold has not taken in yet is no difference: gold is compared with
silver as of what it reflects. A copy that was not relocated is not verified, since its tables name the
files of the original: the exit code is 4.

It changes no row, needs no Temporal, and may run beside ingestion. It reads every table whole, save with
--from and --to, or --date, which bound the hours of bronze and silver; and it needs room in TMPDIR, about
as much as silver has rows. What a verify of all hours found is kept, for versionlake checks.`,
		Example: `  versionlake verify
  versionlake verify --from 2022-05-27T00 --to 2022-05-28T00
  versionlake verify --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if window.Given() {
				if o.from, o.to, err = window.Parse(o.Times()); err != nil {
					return err
				}
			}
			return o.run(cmd.Context())
		},
	}
	window.AddFlags(cmd)
	return cmd
}

func (o *verifyLake) run(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if l.Moved != nil {
		return usage.WithExit(usage.ExitOriginal, fmt.Errorf(
			"nothing was verified: the tables here name the files of the original. %w", l.Moved))
	}
	parsing, err := o.KeptParsing(ctx, l)
	if err != nil {
		return err
	}
	bar := o.Stderr.NewProgress("verify")
	p := o.NewPrinter()
	checked, err := verify.Run(ctx, l, verify.Options{
		From: o.from, To: o.to, Parsing: parsing,
		Progress: func(doing string, done, total int, unit string) {
			bar.Update(doing, int64(done), int64(total), unit)
		},
	}, func(d verify.Difference) error {
		if o.Objects() {
			return p.Add(d)
		}
		return o.Stdout.Printf("%s\n", differenceLine(d))
	})
	bar.End()
	if err != nil {
		return err
	}
	if err := printVerified(o.Settings, p, checked); err != nil {
		return err
	}
	o.remember(ctx, l, checked)
	if checked.Unreadable > 0 {
		return usage.WithExit(usage.ExitUnreadable, fmt.Errorf("%s could not be read, and nothing in there "+
			"was compared; %s found in all: versionlake repair does what can be done",
			output.Count(checked.Unreadable, "object"), output.Count(checked.Differences, "difference")))
	}
	if checked.Differences > 0 {
		return fmt.Errorf("%s found; docs/OPERATIONS.md, Verifying, says what they mean, and versionlake repair does "+
			"what they ask for",
			output.Count(checked.Differences, "difference"))
	}
	return nil
}

// remember leaves in the lake what a verify of all hours found, for its check. It needs a lake that it may write
// to; a verify without is none the worse.
func (o *verifyLake) remember(ctx context.Context, l *lake.Lake, checked verify.Verified) {
	if o.from != 0 || o.to != 0 {
		return
	}
	outcome := checks.Outcome{At: time.Now(), Count: int(checked.Differences),
		Text: output.Count(checked.Differences, "difference") + " in " + output.Count(checked.Hours, "hour")}
	if err := checks.Remember(ctx, l, checks.CheckVerify, outcome); err != nil {
		o.Stderr.Printf("note: versionlake checks does not learn of this verify: %s\n", usage.Message(err))
	}
}

// differenceLine is a difference for people: which rule, where, and what.
func differenceLine(d verify.Difference) string {
	where := []string{fmt.Sprintf("rule %d", d.Rule), d.Table}
	for _, part := range []struct{ name, value string }{{"version", d.Version}, {"hour", d.Hour}, {"", d.File},
		{"user", d.User}} {
		if part.value != "" {
			where = append(where, strings.TrimSpace(part.name+" "+part.value))
		}
	}
	return strings.Join(where, ", ") + ": " + d.Text
}

// verifySummary is the last line of --output json.
type verifySummary struct {
	Checked verify.Verified `json:"checked"`
}

func printVerified(s *settings.Settings, p *output.Printer, checked verify.Verified) error {
	out := s.Stdout
	switch s.Format {
	case output.JSON:
		return p.Add(verifySummary{checked})
	case output.CSV: // has the differences alone
		out = s.Stderr
	}
	for _, note := range checked.Notes {
		out.Printf("note: %s\n", note)
	}
	out.Printf("checked %s: %s of files; %s and %s in bronze; %s, %s and %s in silver\n",
		output.Count(checked.Hours, "hour"), output.Count(checked.Files, "version"),
		output.Count(checked.Events, "event"), output.Count(checked.Rejects, "reject"),
		output.Count(checked.Silver, "event"), output.Count(checked.Sightings, "sighting"),
		output.Count(checked.Bindings, "binding"))
	return out.Printf("checked gold: %s; %s with %s; %s of daily aggregates\n%s\n",
		output.Count(checked.Users, "user"), output.Count(checked.Versions, "version"),
		output.Count(checked.Tags, "tag"), output.Count(checked.Daily, "row"),
		output.Count(checked.Differences, "difference"))
}

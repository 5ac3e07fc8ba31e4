package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

type verifyOptions struct {
	*settings
	from, to telemetry.Hour
}

func newVerifyCommand(s *settings, runF func(context.Context, *verifyOptions) error) *cobra.Command {
	o := &verifyOptions{settings: s}
	var window window
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compute the tables again in another, plain way, and print where they differ",
		Long: `verify makes gold.users again from silver, and silver from bronze, by a second and simple implementation, and checks
that the ledger, the rows and the tags agree. It prints a line for each difference, and at the end what was checked; the
exit code is 1 if there is any. What gold has not taken in yet is no difference: gold is compared with silver as of what
it reflects.

It only reads the lake, needs no Temporal, and may run beside ingestion. It reads every table whole, save with --from and
--to, or --date, which bound the hours of bronze and silver; and it needs room in TMPDIR, about as much as silver has rows.`,
		Example: `  versionlake verify
  versionlake verify --from 2022-05-27T00 --to 2022-05-28T00
  versionlake verify --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if window.given() {
				if o.from, o.to, err = window.parse(); err != nil {
					return err
				}
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return verifyRun(cmd.Context(), o)
		},
	}
	window.addFlags(cmd)
	return cmd
}

func verifyRun(ctx context.Context, o *verifyOptions) error {
	l, err := o.readLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := o.takeKept(ctx, l); err != nil {
		return err
	}
	parsing, err := o.parsing()
	if err != nil {
		return err
	}
	bar := o.stderr.NewProgress("verify")
	p := o.newPrinter()
	checked, err := verify.Run(ctx, l, verify.Options{
		From: o.from, To: o.to, Parsing: parsing,
		Progress: func(doing string, done, total int,
			unit string) {
			bar.Update(doing, int64(done), int64(total), unit)
		},
	}, func(d verify.Difference) error {
		if o.output == outputJSON {
			return p.add(d)
		}
		return o.stdout.Printf("%s\n", differenceLine(d))
	})
	bar.End()
	if err != nil {
		return err
	}
	if err := o.printVerified(p, checked); err != nil {
		return err
	}
	if checked.Differences > 0 {
		return fmt.Errorf("%s found; docs/OPERATIONS.md, Verifying, says what to do",
			count(checked.Differences, "difference"))
	}
	return nil
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

func (s *settings) printVerified(p *printer, checked verify.Verified) error {
	if s.output == outputJSON {
		return p.add(verifySummary{checked})
	}
	for _, note := range checked.Notes {
		s.stdout.Printf("note: %s\n", note)
	}
	s.stdout.Printf("checked %s: %s of files; %s and %s in bronze; %s, %s and %s in silver\n",
		count(checked.Hours, "hour"), count(checked.Files, "version"), count(checked.Events, "event"),
		count(checked.Rejects, "reject"),
		count(checked.Silver, "event"), count(checked.Sightings, "sighting"), count(checked.Bindings, "binding"))
	return s.stdout.Printf("checked gold: %s; %s with %s; %s of daily aggregates\n%s\n",
		count(checked.Users, "user"), count(checked.Versions, "version"), count(checked.Tags, "tag"),
		count(checked.Daily, "row"),
		count(checked.Differences, "difference"))
}

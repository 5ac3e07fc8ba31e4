package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/look/page"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/report"
	"github.com/versionlake/versionlake/notify/digest"
	"github.com/versionlake/versionlake/trino"
)

// writeReport writes a page of charts.
type writeReport struct {
	*settings.Settings
	service, version, out string
	days                  int
	digest                bool
	asksTrino             bool
}

func newReport(s *settings.Settings) *cobra.Command {
	o := &writeReport{Settings: s}
	cmd := &cobra.Command{
		Use:   "report --out FILE",
		Short: "A page of charts in one HTML file, that works offline and prints",
		Long: `report writes charts of each service into one HTML file: users by version and day, issues, what is in
use, who would be hit by shutting versions down, upgrades, devices, notifications, features. Behind each chart
stands a table. The file holds all that it needs, and no ids of users.

It reads the daily aggregates and gold.users, which stay when events are dropped, and needs neither Trino nor
Temporal. With --trino it asks a Trino for the same, and needs neither the lake nor a login that sees ids; of
releases it then marks those that somebody ran.

Issues and features are compared between a version, the newest that a hundredth of the users run unless
--version names one, and the one before it.

--digest is the last seven whole days in few numbers and two pictures a service, as workers send it each week by
e-mail and Slack (docs/CHECKS.md): as text, or with --out as the page of the letter.`,
		Example: `  versionlake report --out report.html
  versionlake report --service ClientApp --version 1.22.4 --days 90 --out release.html
  versionlake report --digest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.asksTrino = cmd.Flags().Changed("trino")
			switch {
			case o.out == "" && !o.digest:
				return usage.Errorf("report needs --out FILE, such as --out report.html")
			case o.digest && (o.version != "" || cmd.Flags().Changed("days")):
				return usage.Errorf("--digest is of the newest version and of a week: without --version and --days")
			case o.days < 1 || o.days > 3660:
				return usage.Errorf("--days %d: from 1 to 3660", o.days)
			case o.version != "" && o.service == "":
				return usage.Errorf("--version needs --service: versions are of one")
			}
			if o.digest {
				return o.runDigest(cmd.Context())
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.service, "service", "", "of this service only")
	flags.StringVar(&o.version, "version", "", "the version to look at")
	flags.StringVar(&o.out, "out", "", "the file to write")
	flags.BoolVar(&o.digest, "digest", false, "the last week, as it is sent by e-mail")
	flags.IntVar(&o.days, "days", 60, "days of the charts over time, up to the end of data")
	s.AddTrinoFlag(cmd)
	return cmd
}

// writable refuses a file for which there is no place.
func writable(file string) error {
	if at, err := os.Stat(file); err == nil && at.IsDir() {
		return usage.Saidf("--out %q is a folder: name a file in it, such as %s", file,
			filepath.Join(file, "report.html"))
	}
	folder := filepath.Dir(file)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return usage.Saidf("--out %q: there is no folder %s: make it first", file, folder)
	}
	return nil
}

func (o *writeReport) run(ctx context.Context) error {
	if err := writable(o.out); err != nil {
		return err
	}
	gathered, err := o.gather(ctx, report.Options{Service: o.service, Version: o.version, Days: int32(o.days)})
	if err != nil {
		return err
	}
	if err := o.whole(func(to io.Writer) error { return page.Write(to, gathered, time.Now()) }); err != nil {
		return err
	}
	info, err := os.Stat(o.out)
	if err != nil {
		return fmt.Errorf("look at the report: %w", err)
	}
	o.Stdout.Printf("%s: %s, %s\n", o.out, output.Count(int64(len(gathered.Services)), "service"),
		output.Size(info.Size()))
	return nil
}

// gather reads the lake; where a Trino was named, it asks that.
func (o *writeReport) gather(ctx context.Context, options report.Options) (r *report.Report, err error) {
	if o.asksTrino {
		db, err := session.OpenSQL(o.Settings)
		if err != nil {
			return nil, err
		}
		defer db.Close()
		if r, err = report.GatherThrough(ctx, db, options); err != nil {
			return nil, trino.Plain(err)
		}
		return r, nil
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return report.Gather(ctx, l, options)
}

func (o *writeReport) runDigest(ctx context.Context) error {
	gathered, err := o.gather(ctx, report.Options{Service: o.service, Days: digest.Days})
	if err != nil {
		return err
	}
	week, err := digest.Of(gathered, "", time.Now())
	if err != nil {
		return err
	}
	if o.out == "" {
		o.Stdout.Printf("%s", week.Text())
		return nil
	}
	return o.whole(func(to io.Writer) error { return week.WriteHTML(to, "") })
}

// whole writes the file, whole or not at all.
func (o *writeReport) whole(write func(io.Writer) error) error {
	beside, err := os.CreateTemp(filepath.Dir(o.out), ".report-*")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer os.Remove(beside.Name())
	err = write(beside)
	if closed := beside.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(beside.Name(), o.out)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

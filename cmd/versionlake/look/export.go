package look

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/lists"
	"github.com/versionlake/versionlake/trino"
)

// export writes a view into a file.
type export struct {
	*settings.Settings
	list lists.List
}

func newExport(s *settings.Settings) *cobra.Command {
	o := &export{Settings: s}
	cmd := &cobra.Command{
		Use:   "export VIEW --to PLACE",
		Short: "Write a list, such as stuck_users or shutdown_users, as CSV or Parquet to a folder or to S3",
		Long: `export asks Trino for all rows of a view and writes them into PLACE/VIEW-2026-11-30.csv, whole or not at
all. A file of the same day is replaced. PLACE is a folder or s3://bucket/prefix; S3 is set up by AWS_* variables.

Trino says what the login of --trino may see: who sees ids masked gets them masked. In CSV, NULL is an empty
field, and a text that a spreadsheet would take for a formula gets a ' in front.

Workers write lists each day, those of lists in the file of rules, see docs/CHECKS.md.`,
		Example: `  versionlake export stuck_users --to lists
  versionlake export shutdown_users --to s3://campaigns/lists --format parquet --trino https://lists:…@trino:8443`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage.Errorf("export needs a view: versionlake views lists them")
			}
			o.list.View = args[0]
			if err := o.list.Check(); err != nil {
				return usage.Errorf("export: %w", err)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.list.To, "to", "", "where the file goes: a folder, or s3://bucket/prefix")
	cmd.Flags().StringVar(&o.list.Format, "format", lists.CSV, "csv or parquet")
	s.AddTrinoFlag(cmd)
	return cmd
}

func (o *export) run(ctx context.Context) (err error) {
	db, err := session.OpenSQL(o.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	written, err := lists.Write(ctx, db, o.list, "", time.Now())
	if err != nil {
		return trino.Plain(err)
	}
	p := o.NewPrinter("LIST", "ROWS")
	if err := p.Add(written, written.Object, written.Rows); err != nil {
		return err
	}
	return p.Flush()
}

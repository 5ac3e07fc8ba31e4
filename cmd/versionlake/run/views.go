package run

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/trino"
)

func (o *localTrino) views(ctx context.Context) error {
	if o.schema != "" && (o.asOf == "" || !isName(o.schema)) {
		return usage.Errorf("trino views: --schema goes with --as-of, and is a name of small letters, digits and _")
	}
	address, err := o.TrinoAddress()
	switch {
	case err != nil:
		return err
	case o.asOf != "":
		return o.pinViews(ctx, address)
	case o.Trino == "":
		return MakeLocalViews(ctx, o.Settings, address)
	}
	return makeViews(o.Settings, address, func(db *sql.DB, made func(trino.View)) error {
		return trino.CreateViews(ctx, db, made)
	})
}

// MakeLocalViews makes the views in a Trino that `versionlake trino up` has started.
func MakeLocalViews(ctx context.Context, s *settings.Settings, address string) error {
	return makeViews(s, trino.AsAdmin(address), func(db *sql.DB, made func(trino.View)) error {
		return trino.CreateViewsThrough(ctx, db, trino.AdminName, made)
	})
}

func makeViews(s *settings.Settings, address string, create func(*sql.DB, func(trino.View)) error) error {
	db, err := trino.Open(address, trino.CatalogName, trino.Schema)
	if err != nil {
		return err
	}
	defer db.Close()
	made := 0
	if err := create(db, func(trino.View) { made++ }); err != nil {
		return err
	}
	s.Stderr.Printf("%s made in the schema %s\n", output.Count(int64(made), "view"), trino.Schema)
	return nil
}

// pinViews makes the views that have a past, and names the others.
func (o *localTrino) pinViews(ctx context.Context, address string) error {
	o.asOf = o.Times().AsOf(o.asOf)
	past, schema, err := trino.Pin(ctx, address, o.asOf)
	if err != nil {
		return err
	}
	if o.schema != "" {
		schema = o.schema
	}
	db, err := trino.Open(trino.At(address, trino.ScratchName), trino.ScratchName, schema)
	if err != nil {
		return err
	}
	defer db.Close()
	made := 0
	others, err := trino.PinViews(ctx, db, trino.LakeAt(address), past, func(trino.View) { made++ })
	if err != nil {
		return err
	}
	names := make([]string, len(others))
	for i, other := range others {
		names[i] = other.View + " (" + other.Table + ")"
	}
	o.Stderr.Printf(
		"%s as of %s made in the schema %s.%s\nnot made, since the tables that they read keep no past: %s\n",
		output.Count(int64(made), "view"), o.asOf, trino.ScratchName, schema, strings.Join(names, ", "))
	return nil
}

type load struct {
	*settings.Settings
	path, schema, table string
}

func newLoad(s *settings.Settings) *cobra.Command {
	o := &load{Settings: s}
	cmd := &cobra.Command{
		Use:   "load FILE.csv SCHEMA.TABLE",
		Short: "Make a table of a CSV file, in Trino's catalog scratch",
		Long: `load makes a table of a CSV file whose first line names the columns, and prints the type of each. What
all values of a column are decides on it: bigint, double, boolean, timestamp(6) with time zone (UTC where
no zone is written), date, else varchar. Columns called user_id, session_id, service, device or version
are always varchar, and so is what would not print as it is in the file, such as 007 or 1.10.

The table appears when all rows are there. versionlake forget does not reach it.`,
		Example: `  versionlake trino load tickets.csv support.tickets
  versionlake sql "SELECT * FROM scratch.support.tickets LIMIT 10"`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			o.schema, o.table, _ = strings.Cut(args[1], ".")
			if !isName(o.schema) || !isName(o.table) {
				return usage.Errorf("trino load: %q is not of the form SCHEMA.TABLE, in small letters, digits and _",
					args[1])
			}
			return o.run(cmd.Context())
		},
	}
	s.AddTrinoFlag(cmd)
	return cmd
}

var plainName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func isName(text string) bool { return plainName.MatchString(text) }

func (o *load) run(ctx context.Context) error {
	address, err := o.TrinoAddress()
	if err != nil {
		return err
	}
	db, err := trino.Open(trino.At(address, trino.ScratchName), trino.ScratchName, o.schema)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, columns, err := trino.Load(ctx, db, o.table, o.path)
	if err != nil {
		return err
	}
	table := fmt.Sprintf("%s.%s.%s", trino.ScratchName, o.schema, o.table)
	o.Stderr.Printf("%s in the table %s\n", output.Count(rows, "row"), table)
	p := o.NewPrinter("COLUMN", "TYPE")
	for _, column := range columns {
		if err := p.Add(struct {
			Column string `json:"column"`
			Type   string `json:"type"`
		}{column.Name, column.Comment}, column.Name, column.Comment); err != nil {
			return err
		}
	}
	return p.Flush()
}

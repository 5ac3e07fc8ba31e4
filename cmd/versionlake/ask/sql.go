package ask

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	trinoclient "github.com/trinodb/trino-go-client/trino"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

// SQL asks a Trino.
type SQL struct {
	*settings.Settings
	Query string
	AsOf  string // a tag, a snapshot or a time; "" is now
}

func newSQL(s *settings.Settings) *cobra.Command {
	o := &SQL{Settings: s}
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Ask the lake in SQL, through Trino",
		Long: `sql sends a query to Trino and prints what it answers. Names without a schema are those of the views,
and tables are named gold.users, ops.hours and so on; docs/SQL.md has queries to begin with. Times are
UTC. What is too wide for the terminal is best read through less -S, or with --output json.

With --as-of, views that follow from gold.users answer by what the lake knew then; names without a schema
are those of such views alone. FOR VERSION AS OF behind a view is refused: Trino would ignore it.

It asks the Trino that versionlake trino up has started on the same --dir, or the one that --trino
names.`,
		Example: `  versionlake sql "SELECT * FROM version_intervals WHERE user_id = 'p1' ORDER BY valid_from"
  versionlake sql "SELECT count(*) FROM gold.users FOR VERSION AS OF 'hour-2022-05-27T05'" --output json
  versionlake sql --as-of hour-2022-05-27T05 "SELECT version, users FROM active_versions"
  versionlake sql "SELECT * FROM users" | less -S`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Query = strings.TrimRight(strings.TrimSpace(args[0]), "; \n"); o.Query == "" {
				return usage.Errorf("sql: the query is empty")
			}
			o.AsOf = o.Times().AsOf(o.AsOf)
			return o.Run(cmd.Context())
		},
	}
	s.AddTrinoFlag(cmd)
	cmd.Flags().StringVar(&o.AsOf, "as-of", "", "read the views that follow from gold.users as the lake knew it then: "+
		"a tag (hour-2022-05-27T05), a snapshot id, or a time")
	return cmd
}

// Run prints the answer.
func (o *SQL) Run(ctx context.Context) error {
	address, err := o.TrinoAddress()
	if err != nil {
		return err
	}
	db, err := o.open(ctx, address)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := trino.RefuseAsOfOnViews(ctx, db, o.Query); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, o.Query)
	if err != nil {
		return trino.Plain(err)
	}
	defer rows.Close()
	return trino.Plain(printRows(&o.Streams, rows))
}

// open connects to the views: those of now, or those of the past, which are made where they are missing.
func (o *SQL) open(ctx context.Context, address string) (*sql.DB, error) {
	if o.AsOf == "" {
		return trino.Open(address, trino.CatalogName, trino.Schema)
	}
	if err := trino.CheckPinned(o.Query); err != nil {
		return nil, err
	}
	past, schema, err := trino.Pin(ctx, address, o.AsOf)
	if err != nil {
		return nil, err
	}
	db, err := trino.Open(trino.At(address, trino.ScratchName), trino.ScratchName, schema)
	if err != nil {
		return nil, err
	}
	if err := trino.EnsurePinned(ctx, db, trino.LakeAt(address), past); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func printRows(s *output.Streams, rows *sql.Rows) error {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	header, cells, into := make([]any, len(columns)), make([]any, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		header[i], into[i] = column.Name(), &cells[i]
	}
	p := s.NewPrinter(header...)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		object, shown := make(sqlRow, len(cells)), make([]any, len(cells))
		for i, cell := range cells {
			object[i] = sqlCell{columns[i].Name(), sqlValue(columns[i].DatabaseTypeName(), cell)}
			switch value := object[i].value.(type) {
			case nil:
				shown[i] = output.OrDash("")
			case string, int64, bool, float64:
				shown[i] = value
			default: // lists and such
				text, err := terminal.JSON(value)
				if err != nil {
					return fmt.Errorf("print %s: %w", object[i].name, err)
				}
				shown[i] = output.Composed(text)
			}
		}
		if err := p.Add(object, shown...); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), p.Flush())
}

// sqlRow is a row, of a table or within a value, as --output json writes it: an object with the columns in their order.
type (
	sqlRow  []sqlCell
	sqlCell struct {
		name  string
		value any
	}
)

func (r sqlRow) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, cell := range r {
		if i > 0 {
			text.WriteByte(',')
		}
		for _, part := range []any{cell.name, cell.value} {
			written, err := terminal.JSON(part)
			if err != nil {
				return nil, err
			}
			text.Write(written)
			text.WriteByte(':')
		}
		text.Truncate(text.Len() - 1)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// sqlValue is a value in a form that JSON has: times as instant writes them, where they are moments.
func sqlValue(typeName string, value any) any {
	switch value := value.(type) {
	case time.Time:
		switch typeName, _, _ = strings.Cut(strings.ToUpper(typeName), "("); typeName {
		case "DATE":
			return value.Format(time.DateOnly)
		case "TIME":
			return value.Format("15:04:05.999999999")
		case "TIMESTAMP":
			return value.Format("2006-01-02T15:04:05.999999999")
		}
		return output.Instant(value)
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return strconv.FormatFloat(value, 'g', -1, 64)
		}
	case trinoclient.Row:
		if !value.Valid {
			return nil
		}
		row := make(sqlRow, value.Len())
		for i := range row {
			row[i] = sqlCell{value.Name(i), sqlValue("", value.Value(i))}
		}
		return row
	case []any:
		list := make([]any, len(value))
		for i, each := range value {
			list[i] = sqlValue("", each)
		}
		return list
	}
	return value
}

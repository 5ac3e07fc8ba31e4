package ask

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	trinoclient "github.com/trinodb/trino-go-client/trino"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

// SQL asks a Trino.
type SQL struct {
	*settings.Settings
	Query string // one statement or several
	AsOf  string // a tag, a snapshot or a time; "" is now

	file string
}

func newSQL(s *settings.Settings) *cobra.Command {
	o := &SQL{Settings: s}
	cmd := &cobra.Command{
		Use:   "sql QUERY | --file FILE | < FILE",
		Short: "Ask the lake in SQL, through Trino",
		Long: `sql sends a query to Trino and prints what it answers. Names without a schema are those of the views,
which versionlake views lists, and tables are named gold.users, ops.hours and so on; docs/SQL.md has
queries to begin with. Times are UTC. What is too wide for the terminal is best read through less -S, or
with --output json or csv. Without QUERY it reads standard input; several statements, with ; between
them, are asked in turn until one fails.

With --as-of, views that follow from gold.users answer by what the lake knew then; names without a schema
are those of such views alone. FOR VERSION AS OF behind a view is refused: Trino would ignore it.

It asks the Trino that versionlake trino up has started on the same --dir, or the one that --trino
names.`,
		Example: `  versionlake sql "SELECT * FROM version_intervals WHERE user_id = 'p1' ORDER BY valid_from"
  versionlake sql "SELECT count(*) FROM gold.users FOR VERSION AS OF 'hour-2022-05-27T05'" --output json
  versionlake sql --as-of hour-2022-05-27T05 "SELECT version, users FROM active_versions"
  versionlake sql --file questions.sql --output csv
  versionlake sql "SELECT * FROM users" | less -S`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Query, err = o.text(cmd.InOrStdin(), args); err != nil {
				return err
			}
			o.AsOf = o.Times().AsOf(o.AsOf)
			return o.Run(cmd.Context())
		},
	}
	s.AddTrinoFlag(cmd)
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "read the statements from this file")
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
	statements := trino.Statements(o.Query)
	for i, statement := range statements {
		if i > 0 && !o.Objects() {
			o.Stdout.Printf("\n")
		}
		if err := o.ask(ctx, db, statement); err != nil && len(statements) > 1 {
			return fmt.Errorf("statement %d of %d: %w", i+1, len(statements), err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (o *SQL) ask(ctx context.Context, db *sql.DB, statement string) error {
	if err := trino.RefuseAsOfOnViews(ctx, db, statement); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return unknownName(trino.Plain(err))
	}
	defer rows.Close()
	return unknownName(trino.Plain(printRows(&o.Streams, rows)))
}

// text is the query: of the command line, of a file, or of standard input.
func (o *SQL) text(stdin io.Reader, args []string) (text string, err error) {
	switch {
	case len(args) > 0 && o.file != "":
		return "", usage.Errorf("sql: give the query or --file, not both")
	case o.file != "":
		read, err := os.ReadFile(o.file)
		if err != nil {
			return "", fmt.Errorf("read the statements: %w", err)
		}
		text = string(read)
	case len(args) > 0 && args[0] != "-":
		text = args[0]
		if _, err := os.Stat(text); err == nil {
			return "", usage.Errorf("sql: %q is a file; write: versionlake sql --file %q", text, text)
		}
	case len(args) == 0 && isTerminal(stdin):
		return "", usage.Errorf("sql: the query is missing; write: versionlake sql \"SELECT …\", or --file FILE")
	default:
		read, err := io.ReadAll(stdin)
		if err != nil {
			return "", fmt.Errorf("read the statements from standard input: %w", err)
		}
		text = string(read)
	}
	if len(trino.Statements(text)) == 0 {
		return "", usage.Errorf("sql: the query is empty")
	}
	return text, nil
}

func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

var missingTable = regexp.MustCompile(`Table '([^']*)' does not exist`)

// unknownName adds to Trino's word on a table that is not there which views are named alike, and to that on a column
// where the columns are listed.
func unknownName(err error) error {
	var said *trinoclient.ErrTrino
	if !errors.As(err, &said) {
		return err
	}
	switch said.ErrorName {
	case "TABLE_NOT_FOUND":
	case "COLUMN_NOT_FOUND":
		return fmt.Errorf("%w; `versionlake views NAME` lists the columns of a view, and docs/TABLES.md has those of "+
			"tables", err)
	default:
		return err
	}
	hint := ";"
	if found := missingTable.FindStringSubmatch(said.Message); found != nil {
		views, viewsErr := trino.Views()
		if viewsErr != nil {
			return errors.Join(err, viewsErr)
		}
		name := found[1][strings.LastIndex(found[1], ".")+1:]
		hint = cmp.Or(usage.DidYouMean(name, append(viewNames(views), tableNames()...), ""), hint)
	}
	return fmt.Errorf("%w%s `versionlake views` lists the views, and docs/TABLES.md has the tables", err, hint)
}

func tableNames() (names []string) {
	for _, definition := range lake.TableDefinitions {
		names = append(names, definition.Name)
	}
	return names
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
	case []byte:
		if utf8.Valid(value) {
			return string(value)
		}
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

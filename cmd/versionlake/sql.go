package main

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

	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

type sqlOptions struct {
	*settings
	query string
}

func newSQLCommand(s *settings, runF func(context.Context, *sqlOptions) error) *cobra.Command {
	o := &sqlOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Ask the lake in SQL, through Trino",
		Long: `sql sends a query to Trino and prints what it answers. Names without a schema are those of the views, and tables are named
gold.users, ops.hours and so on; docs/SQL.md has queries to begin with. Times are UTC. What is too wide for the terminal is best
read through less -S, or with --output json.

It asks the Trino that versionlake trino up has started on the same --dir, or the one that --trino names.`,
		Example: `  versionlake sql "SELECT * FROM version_intervals WHERE user_id = 'p1' ORDER BY valid_from"
  versionlake sql "SELECT count(*) FROM gold.users FOR VERSION AS OF 'hour-2022-05-27T05'" --output json
  versionlake sql "SELECT * FROM users" | less -S`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.query = strings.TrimRight(strings.TrimSpace(args[0]), "; \n"); o.query == "" {
				return usagef("sql: the query is empty")
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return sqlRun(cmd.Context(), o)
		},
	}
	addTrinoServer(cmd, s)
	return cmd
}

// addTrinoServer adds the flag that names another Trino than that of --dir.
func addTrinoServer(cmd *cobra.Command, s *settings) {
	cmd.Flags().StringVar(&s.trino, "trino", "", "a Trino with the lake in its catalog versionlake: "+
		"https://user:password@host:port[/catalog] [VERSIONLAKE_TRINO_URL]")
}

// noTrinoError: no Trino runs on the folder.
type noTrinoError struct{ dir string }

func (e *noTrinoError) Error() string {
	return fmt.Sprintf("no Trino runs on %s: start one with `versionlake trino up`, or name one with --trino", e.dir)
}

func (s *settings) trinoAddress() (string, error) {
	if s.trino != "" {
		return s.trino, nil
	}
	server, err := trino.Running(s.trinoDir())
	if err != nil {
		return "", err
	}
	if server == nil {
		return "", &noTrinoError{s.dir}
	}
	return server.URL, nil
}

func sqlRun(ctx context.Context, o *sqlOptions) error {
	address, err := o.trinoAddress()
	if err != nil {
		return err
	}
	db, err := trino.Open(address, trino.CatalogName, trino.Schema)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, o.query)
	if err != nil {
		return trino.Plain(err)
	}
	defer rows.Close()
	return trino.Plain(o.printRows(rows))
}

func (s *settings) printRows(rows *sql.Rows) error {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	header, cells, into := make([]any, len(columns)), make([]any, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		header[i], into[i] = column.Name(), &cells[i]
	}
	p := s.newPrinter(header...)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		object, shown := make(sqlRow, len(cells)), make([]any, len(cells))
		for i, cell := range cells {
			object[i] = sqlCell{columns[i].Name(), sqlValue(columns[i].DatabaseTypeName(), cell)}
			switch value := object[i].value.(type) {
			case nil:
				shown[i] = orDash("")
			case string, int64, bool, float64:
				shown[i] = value
			default: // lists and such
				text, err := terminal.JSON(value)
				if err != nil {
					return fmt.Errorf("print %s: %w", object[i].name, err)
				}
				shown[i] = composed(text)
			}
		}
		if err := p.add(object, shown...); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), p.flush())
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
		return instant(value)
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

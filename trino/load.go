package trino

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statementSize is how much of a file goes into one statement: Trino takes a million characters.
const statementSize = 800_000

// exactDigits is how many digits a fraction keeps in any case.
const exactDigits = 15

// ErrCSV: a file can't be loaded as it is.
var ErrCSV = errors.New("CSV")

// Load makes a table of a CSV file whose first line names the columns, in the catalog and schema to which db is
// connected; the schema is made where it is missing. It returns how many rows the table has, and its columns with their
// types. The table appears when all rows are there; a file that can't be loaded whole leaves none. Errors: ErrCSV.
func Load(ctx context.Context, db *sql.DB, table, path string) (rows int64, columns []Column, err error) {
	l := &loader{path: path, staging: QuoteName("loading_" + strings.ToLower(rand.Text()))}
	if err := l.infer(); err != nil {
		return 0, nil, err
	}
	if err := ensureSchema(ctx, db); err != nil {
		return 0, nil, err
	}
	found := 0
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM information_schema.tables WHERE table_schema = "+
		"current_schema AND table_name = "+Quote(strings.ToLower(table))).Scan(&found); err != nil {
		return 0, nil, fmt.Errorf("look for the table %s: %w", table, Plain(err))
	}
	if found > 0 {
		return 0, nil, fmt.Errorf("the table %s already exists: drop it in SQL, or name another", table)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE "+l.staging+" ("+l.list(loadedColumn.staged)+")"); err != nil {
		return 0, nil, fmt.Errorf("load %s: %w", path, Plain(err))
	}
	// Masks keep rows from being inserted into columns of some names, but not from being there from the start.
	if err = l.insert(ctx, db); err == nil {
		_, err = db.ExecContext(ctx, "CREATE TABLE "+QuoteName(table)+" AS SELECT "+l.list(loadedColumn.read)+" FROM "+
			l.staging)
	}
	_, dropped := db.ExecContext(context.WithoutCancel(ctx), "DROP TABLE "+l.staging)
	if err = errors.Join(err, dropped); err != nil {
		return 0, nil, fmt.Errorf("load %s: %w", path, Plain(err))
	}
	for _, c := range l.columns {
		columns = append(columns, Column{c.name, c.kind.trino()})
	}
	return l.rows, columns, nil
}

// ensureSchema makes the schema to which db is connected. One that is there is left alone: who may use it may not make
// it, perhaps.
func ensureSchema(ctx context.Context, db *sql.DB) error {
	var schema string
	found := 0
	if err := db.QueryRowContext(ctx, "SELECT current_schema, (SELECT count(*) FROM information_schema.schemata WHERE "+
		"schema_name = current_schema)").Scan(&schema, &found); err != nil {
		return fmt.Errorf("look for the schema: %w", Plain(err))
	}
	if found > 0 {
		return nil
	}
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+QuoteName(schema)); err != nil {
		return fmt.Errorf("make the schema %s: %w", schema, Plain(err))
	}
	return nil
}

type loader struct {
	path    string
	staging string // a table for the rows as they come
	columns []loadedColumn
	rows    int64
}

type loadedColumn struct {
	name string
	kind kind
	seen bool // a value that is not empty
	long bool // a whole number that no fraction holds
}

// kind is what a column holds: the first of these that all its values are.
type kind int

const (
	kindWhole kind = iota
	kindFraction
	kindTruth
	kindInstant
	kindDate
	kindText
)

func (k kind) trino() string {
	return [...]string{"bigint", "double", "boolean", "timestamp(6) with time zone", "date", "varchar"}[k]
}

// sent is the type in which values go to Trino, and read how they become the column's.
func (k kind) sent() string {
	if k == kindInstant || k == kindDate {
		return "varchar"
	}
	return k.trino()
}

func (k kind) read(column string) string {
	switch k {
	case kindInstant:
		return "CAST(from_iso8601_timestamp_nanos(" + column + ") AS timestamp(6) with time zone)"
	case kindDate:
		return "from_iso8601_date(" + column + ")"
	}
	return column
}

// texts are columns that are joined with texts, whatever their values look like.
var texts = []string{"user_id", "session_id", "service", "device", "version"}

// value reads a text as a kind; not ok where a number would not print as it stands in the file: 007 and 1.10 are no
// numbers to those who wrote them.
func (k kind) value(written string) (value any, ok bool) {
	switch k {
	case kindWhole:
		n, err := strconv.ParseInt(written, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == written
	case kindFraction:
		n, err := strconv.ParseFloat(written, 64)
		return n, err == nil && strconv.FormatFloat(n, 'f', -1, 64) == written
	case kindTruth:
		return written == "true", written == "true" || written == "false"
	case kindInstant:
		at, ok := parseInstant(written)
		return at.Format("2006-01-02T15:04:05.000000Z"), ok
	case kindDate:
		_, err := time.Parse(time.DateOnly, written)
		return written, err == nil
	}
	return written, true
}

// parseInstant reads a time, of UTC where no zone is written.
func parseInstant(written string) (time.Time, bool) {
	written = strings.TrimSuffix(written, " UTC")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05",
		"2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.Parse(layout, written); err == nil && at.Year() > 0 && at.Year() < 10000 {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// read goes through the rows of the file, after its header.
func (l *loader) read(header func([]string) error, row func([]string) error) error {
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	for first := true; ; first = false {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) && !first {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s is empty; its first line must name the columns", ErrCSV, l.path)
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCSV, l.path, err)
		}
		if first {
			cells[0] = strings.TrimPrefix(cells[0], "\ufeff") // Excel's mark
			err = header(cells)
		} else {
			err = row(cells)
		}
		if err != nil {
			return err
		}
	}
}

// infer finds out what the columns hold.
func (l *loader) infer() error {
	err := l.read(func(names []string) error {
		for _, name := range names {
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "" || slices.ContainsFunc(l.columns, func(c loadedColumn) bool { return c.name == name }) {
				return fmt.Errorf(
					"%w: %s: its first line must name the columns, each with a name of its own, and %q is "+
						"none", ErrCSV, l.path, name)
			}
			column := loadedColumn{name: name}
			if slices.Contains(texts, name) {
				column.kind = kindText
			}
			l.columns = append(l.columns, column)
		}
		return nil
	}, func(cells []string) error {
		for i, cell := range cells {
			column := &l.columns[i]
			for cell != "" && column.kind != kindText {
				if _, ok := column.kind.value(cell); ok {
					break
				}
				if column.kind++; column.seen && (column.kind != kindFraction || column.long) {
					column.kind = kindText // the values before were of another kind
				}
			}
			column.seen = column.seen || cell != ""
			column.long = column.long || len(strings.TrimLeft(cell, "-")) > exactDigits
		}
		return nil
	})
	for i := range l.columns {
		if !l.columns[i].seen {
			l.columns[i].kind = kindText
		}
	}
	return err
}

// list is a list of something of each column, by its place.
func (l *loader) list(of func(loadedColumn, string) string) string {
	each := make([]string, len(l.columns))
	for i, column := range l.columns {
		each[i] = of(column, "c"+strconv.Itoa(i))
	}
	return strings.Join(each, ", ")
}

// staged is the column as it comes, read how it becomes the table's.
func (c loadedColumn) staged(name string) string { return name + " " + c.kind.sent() }
func (c loadedColumn) read(name string) string   { return c.kind.read(name) + " AS " + QuoteName(c.name) }

// notConstant keeps Trino from reading a JSON text while it plans, and from handing its rows around as a part of
// the plan.
const notConstant = "if(random() < 0, ' ', '')"

// insert sends the rows, as one JSON text for each statement: Trino plans many rows of VALUES for minutes.
func (l *loader) insert(ctx context.Context, db *sql.DB) error {
	var batch bytes.Buffer
	flush := func() error {
		if batch.Len() == 0 {
			return nil
		}
		_, err := db.ExecContext(ctx, "INSERT INTO "+l.staging+" SELECT * FROM UNNEST(CAST(json_parse(concat("+
			Quote("["+batch.String()+"]")+", "+notConstant+")) AS array(row("+l.list(loadedColumn.staged)+"))))")
		batch.Reset()
		return err
	}
	err := l.read(func([]string) error { return nil }, func(cells []string) error {
		values := make([]any, len(cells))
		for i, cell := range cells {
			if cell != "" {
				values[i], _ = l.columns[i].kind.value(cell)
			}
		}
		written, err := json.Marshal(values)
		if err != nil {
			return err
		}
		if batch.Len() > 0 && batch.Len()+len(written) > statementSize {
			if err := flush(); err != nil {
				return err
			}
		}
		if batch.Len() > 0 {
			batch.WriteByte(',')
		}
		batch.Write(written)
		l.rows++
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

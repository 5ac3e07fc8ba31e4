// Package lists writes what a view says into a file for other programs: who is stuck, who would be hit. Trino says what
// the login may see; ids that it masks stay masked.
package lists

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
)

// Formats of files.
const (
	CSV     = "csv"
	Parquet = "parquet"
)

// List is a view that goes to a place.
type List struct {
	View   string `yaml:"view"`
	To     string `yaml:"to"`     // a local folder, or s3://bucket/prefix
	Format string `yaml:"format"` // csv when empty, or parquet
}

// Written is a list that was written.
type Written struct {
	Object string `json:"object"`
	Rows   int64  `json:"rows"`
}

var viewName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Check says what is wrong with a list; it repeats no place, which may hold a secret.
func (l *List) Check() error {
	if !viewName.MatchString(l.View) {
		return fmt.Errorf("%q is no name of a view, such as stuck_users", l.View)
	}
	if l.To == "" {
		return errors.New("to is a folder, or s3://bucket/prefix")
	}
	if l.Format != "" && l.Format != CSV && l.Format != Parquet {
		return fmt.Errorf("the format %q is none of csv and parquet", l.Format)
	}
	return nil
}

// Write asks for all rows of the view and writes them into one file, VIEW-2026-11-30.csv, whole or not at all. One
// of the same day is replaced.
func Write(ctx context.Context, db *sql.DB, l List, scratch string, now time.Time) (written Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the list %s: %w", l.View, err)
		}
	}()
	if err := l.Check(); err != nil {
		return written, err
	}
	place, err := placeOf(l.To)
	if err != nil {
		return written, err
	}
	store, err := objects.Open(ctx, place, scratch, database.Properties(place))
	if err != nil {
		return written, err
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+l.View+`"`)
	if err != nil {
		return written, err
	}
	defer rows.Close()
	object := store.Create(store.Root)
	defer func() {
		if err != nil {
			object.Abort()
		}
	}()
	format, write := l.Format, writeCSV
	if format == Parquet {
		write = writeParquet
	} else {
		format = CSV
	}
	if written.Rows, err = write(object, rows); err != nil {
		return written, err
	}
	written.Object = fmt.Sprintf("%s/%s-%s.%s", store.Root, l.View, now.UTC().Format(time.DateOnly), format)
	return written, object.Publish(written.Object)
}

// placeOf is a place as a URL.
func placeOf(to string) (string, error) {
	if strings.Contains(to, "://") {
		return to, nil
	}
	folder, err := filepath.Abs(to)
	return "file://" + filepath.ToSlash(folder), err
}

// each hands out the rows with their columns.
func each(rows *sql.Rows, begin func([]*sql.ColumnType) error, row func([]any) error) (n int64, err error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	if err := begin(columns); err != nil {
		return 0, err
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		if err := row(cells); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// writeCSV writes a header and the rows; NULL is an empty field.
func writeCSV(to io.Writer, rows *sql.Rows) (int64, error) {
	out := csv.NewWriter(to)
	var texts []string
	var types []string
	n, err := each(rows, func(columns []*sql.ColumnType) error {
		texts = make([]string, len(columns))
		for i, column := range columns {
			texts[i] = column.Name()
			types = append(types, kindOf(column))
		}
		return out.Write(texts)
	}, func(cells []any) error {
		for i, cell := range cells {
			var err error
			if texts[i], err = text(types[i], cell); err != nil {
				return err
			}
		}
		return out.Write(texts)
	})
	out.Flush()
	return n, errors.Join(err, out.Error())
}

// kindOf is a column's type, without its size.
func kindOf(column *sql.ColumnType) string {
	kind, _, _ := strings.Cut(strings.ToUpper(column.DatabaseTypeName()), "(")
	return kind
}

// text is a value as CSV has it. What a spreadsheet would take for a formula gets a quote in front: clients choose
// texts.
func text(kind string, value any) (string, error) {
	switch value := value.(type) {
	case nil:
		return "", nil
	case string:
		if value != "" && strings.ContainsRune("=+-@\t\r", rune(value[0])) {
			return "'" + value, nil
		}
		return value, nil
	case time.Time:
		if kind == "DATE" {
			return value.Format(time.DateOnly), nil
		}
		return value.UTC().Format(time.RFC3339Nano), nil
	case int64, float64, bool:
		return fmt.Sprint(value), nil
	}
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

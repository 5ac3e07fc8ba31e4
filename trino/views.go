package trino

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// View is a view that is to be in the schema Schema.
type View struct {
	Name    string
	Comment string
	Columns []Column // in the order in which they are described
	Query   string
}

// Column is a column of a view, with its comment.
type Column struct{ Name, Comment string }

//go:embed views/*.sql
var viewFiles embed.FS

// Views reads the views, in an order in which they can be made: each after those that it reads.
func Views() ([]View, error) { return readViews(viewFiles) }

func readViews(files fs.FS) ([]View, error) {
	paths, err := fs.Glob(files, "views/*.sql")
	if err != nil {
		return nil, err
	}
	views := map[string]View{}
	for _, name := range paths {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		view, err := parseView(strings.TrimSuffix(path.Base(name), ".sql"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		views[view.Name] = view
	}
	var ordered []View
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(View) error
	visit = func(view View) error {
		switch state[view.Name] {
		case visiting:
			return fmt.Errorf("the view %s reads itself", view.Name)
		case done:
			return nil
		}
		state[view.Name] = visiting
		for _, name := range view.reads() {
			if other, ok := views[name]; ok {
				if err := visit(other); err != nil {
					return err
				}
			}
		}
		state[view.Name] = done
		ordered = append(ordered, view)
		return nil
	}
	for _, name := range paths {
		if err := visit(views[strings.TrimSuffix(path.Base(name), ".sql")]); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

var described = regexp.MustCompile(`^([a-z][a-z0-9_]*): (.+)$`)

// parseView reads a file: comment lines with what the view is, an empty one, a line for each column (or more than
// one: what names no column goes on), and then a query.
func parseView(name, text string) (View, error) {
	view := View{Name: name}
	var comment []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, "--") {
			break
		}
		text = text[min(len(line)+1, len(text)):]
		comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, "--")))
	}
	blank := slices.Index(comment, "")
	if blank < 1 {
		return view, fmt.Errorf("it must begin with -- and what the view is, an empty --, and a line -- column: " +
			"what it holds for each column")
	}
	view.Comment = strings.Join(comment[:blank], " ")
	for _, line := range comment[blank+1:] {
		if match := described.FindStringSubmatch(line); match != nil {
			view.Columns = append(view.Columns, Column{match[1], match[2]})
		} else if n := len(view.Columns); n > 0 && line != "" {
			view.Columns[n-1].Comment += " " + line
		} else {
			return view, fmt.Errorf("%q is no description of a column", line)
		}
	}
	view.Query = strings.TrimSuffix(strings.TrimSpace(text), ";")
	if view.Query == "" || len(view.Columns) == 0 {
		return view, fmt.Errorf("it has no columns or no query")
	}
	return view, nil
}

var (
	sqlComment = regexp.MustCompile(`--[^\n]*|(?s)/\*.*?\*/`)
	source     = regexp.MustCompile(`(?i)\b(?:FROM|JOIN)\s+([a-z_][a-z0-9_]*)\b(?:[^.a-z0-9_]|$)`)
)

// reads names what the query reads without saying of which schema: views, and parts of the query itself.
func (v View) reads() []string {
	var names []string
	for _, match := range source.FindAllStringSubmatch(sqlComment.ReplaceAllString(v.Query, " ")+" ", -1) {
		names = append(names, strings.ToLower(match[1]))
	}
	return names
}

// CreateViews makes or replaces all views, in the catalog to which db is connected, and calls made after each. Who
// reads one meanwhile gets the old or the new one.
func CreateViews(ctx context.Context, db *sql.DB, made func(View)) error {
	return createViews(ctx, db, Schema, made)
}

// CreateViewsThrough does so through another catalog over the same lake, one that may write: the views stay bound
// to the one to which db is connected.
func CreateViewsThrough(ctx context.Context, db *sql.DB, catalog string, made func(View)) error {
	return createViews(ctx, db, QuoteName(catalog)+"."+Schema, made)
}

func createViews(ctx context.Context, db *sql.DB, schema string, made func(View)) error {
	views, err := Views()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil {
		return fmt.Errorf("make the schema of the views: %w", Plain(err))
	}
	for _, view := range views {
		for _, statement := range view.statements(schema) {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make the view %s: %w", view.Name, Plain(err))
			}
		}
		made(view)
	}
	return nil
}

func (v View) statements(schema string) []string {
	name := schema + "." + QuoteName(v.Name)
	statements := []string{"CREATE OR REPLACE VIEW " + name + " COMMENT " + Quote(v.Comment) + " AS\n" + v.Query}
	for _, column := range v.Columns {
		statements = append(statements,
			"COMMENT ON COLUMN "+name+"."+QuoteName(column.Name)+" IS "+Quote(column.Comment))
	}
	return statements
}

// MissingViews are the views of this program that the schema a connection is in lacks.
func MissingViews(ctx context.Context, db *sql.DB) (missing []string, err error) {
	all, err := Views()
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = '"+
		Schema+"'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		there[name] = true
	}
	for _, view := range all {
		if !there[view.Name] {
			missing = append(missing, view.Name)
		}
	}
	return missing, rows.Err()
}

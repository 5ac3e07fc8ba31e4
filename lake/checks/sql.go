package checks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/terminal"
)

// SQL is a check that somebody wrote: a query whose rows are what is not well.
type SQL struct {
	Name  string // of its file, without .sql
	What  string
	State string // of the check where there is a row
	Query string
}

const (
	sqlEnding  = ".sql"
	sqlTimeout = time.Minute
	// mostRows of an answer are looked at.
	mostRows = 1000
)

// ofSomebody are columns that no answer may have: what is found goes into mails.
var ofSomebody = []string{"user_id", "session_id", "title_session_id", "session_key", "body_message", "raw_line",
	"message",
	"history"}

// ReadSQL reads the checks of a folder, by name: comments that say what it finds, perhaps a line "-- state: warn" (fail
// where there is none), and a query.
func ReadSQL(folder string) ([]SQL, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the checks in SQL: %w", err)
	}
	var all []SQL
	for _, file := range files {
		name, isSQL := strings.CutSuffix(file.Name(), sqlEnding)
		if !isSQL || file.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the checks in SQL: %w", err)
		}
		check, err := parseSQL(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("the check %s: %w", filepath.Join(folder, file.Name()), err)
		}
		all = append(all, check)
	}
	return all, nil
}

func parseSQL(name, text string) (SQL, error) {
	check := SQL{Name: name, State: Fail}
	if IsBuiltIn(name) {
		return check, errors.New("a check that is built in has its name")
	}
	var what []string
	for line := range strings.Lines(text) {
		comment, isComment := strings.CutPrefix(strings.TrimSpace(line), "--")
		if !isComment {
			break
		}
		text = text[len(line):]
		comment = strings.TrimSpace(comment)
		state, isState := strings.CutPrefix(comment, "state:")
		switch {
		case !isState && comment != "":
			what = append(what, comment)
		case isState:
			if check.State = strings.TrimSpace(state); check.State != Warn && check.State != Fail {
				return check, fmt.Errorf("its state is %q, and neither warn nor fail", check.State)
			}
		}
	}
	check.What = strings.Join(what, " ")
	check.Query = strings.TrimRight(strings.TrimSpace(text), "; \n")
	if check.What == "" || check.Query == "" {
		return check, errors.New("it needs a comment that says what it finds, and a query")
	}
	return check, nil
}

// RunSQL runs the checks of a folder. Without a Trino they are unknown, and say so.
func RunSQL(ctx context.Context, folder string, o Options, open func() (*sql.DB, error)) []Result {
	all, err := ReadSQL(folder)
	if err != nil {
		d := Definition{Name: "sql", Unit: "rows", Fail: limit(1)}
		return []Result{d.silent(Fail, err.Error())}
	}
	all = slices.DeleteFunc(all, func(c SQL) bool { return o.Limits[c.Name].Off })
	if len(all) == 0 {
		return nil
	}
	k := &looker{Options: o}
	db, err := open()
	if err == nil {
		defer db.Close()
	}
	var results []Result
	for _, check := range all {
		d := check.definition()
		if err != nil {
			results = append(results, d.silent(Unknown, "needs a Trino: "+k.explain(err)))
			continue
		}
		subjects, n, err := check.ask(ctx, db)
		switch {
		case err != nil:
			results = append(results, d.silent(Fail, check.What+" This could not be asked: "+k.explain(err)))
		case n == 0:
			results = append(results, d.Result(0, nil, "no row. %s", check.What))
		default:
			results = append(results, d.Result(float64(n), subjects, "%s %s", check.What, named(subjects)))
		}
	}
	return results
}

func (c *SQL) definition() Definition {
	d := Definition{Name: c.Name, What: c.What, Unit: "rows"}
	if c.State == Warn {
		d.Warn = limit(1)
	} else {
		d.Fail = limit(1)
	}
	return d
}

// ask runs the query. The first column of a row names what is not well.
func (c *SQL) ask(ctx context.Context, db *sql.DB) (subjects []string, n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout)
	defer cancel()
	rows, err := db.QueryContext(ctx, c.Query)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, 0, err
	}
	for _, column := range columns {
		if slices.Contains(ofSomebody, strings.ToLower(column)) {
			return nil, 0, fmt.Errorf("its answer has the column %s, which is of somebody: count, and name "+
				"versions, devices "+
				"or hours", column)
		}
	}
	cells := make([]any, len(columns))
	for i := range cells {
		cells[i] = new(any)
	}
	for rows.Next() && n < mostRows {
		if err := rows.Scan(cells...); err != nil {
			return nil, 0, err
		}
		n++
		first := *cells[0].(*any)
		if moment, isTime := first.(time.Time); isTime {
			first = moment.UTC().Format(time.RFC3339)
		}
		subjects = append(subjects, Cut(terminal.Clean(fmt.Sprint(first)), longestSubject))
	}
	return subjects, n, rows.Err()
}

package trino

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Past is a state of gold.users.
type Past struct {
	Text     string // as it was asked for
	Snapshot int64
	Tag      string // "" where a snapshot or a time was asked for
}

// clause is what goes behind gold.users.
func (p Past) clause() string {
	if p.Tag != "" { // an erasure keeps tags, and says more in the text of a view
		return "FOR VERSION AS OF " + Quote(p.Tag)
	}
	return "FOR VERSION AS OF " + strconv.FormatInt(p.Snapshot, 10)
}

// ErrNoPast: the lake has no such tag, snapshot or time any more.
var ErrNoPast = errors.New("no such version of gold.users")

// FindPast finds a tag, a snapshot by its id, or what was known at a time of RFC 3339. Errors: ErrNoPast.
func FindPast(ctx context.Context, db *sql.DB, lakeCatalog, text string) (Past, error) {
	table := func(kind string) string { return QuoteName(lakeCatalog) + `.gold."users$` + kind + `"` }
	past := Past{Text: text}
	var query string
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		query = fmt.Sprintf("SELECT snapshot_id FROM %s WHERE snapshot_id = %d", table("snapshots"), id)
	} else if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		query = fmt.Sprintf("SELECT max_by(snapshot_id, made_current_at) FROM %s WHERE made_current_at <= "+
			"from_iso8601_timestamp_nanos('%s')", table("history"), at.UTC().Format(time.RFC3339Nano))
	} else {
		past.Tag = text
		query = fmt.Sprintf("SELECT snapshot_id FROM %s WHERE type = 'TAG' AND name = %s", table("refs"), Quote(text))
	}
	var snapshot sql.NullInt64
	err := db.QueryRowContext(ctx, query).Scan(&snapshot)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return past, fmt.Errorf("look for %q in gold.users: %w", text, Plain(err))
	}
	if snapshot.Valid {
		past.Snapshot = snapshot.Int64
		return past, nil
	}
	var next sql.NullString
	if err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT min(name) FROM %s WHERE type = 'TAG' AND name > %s",
		table("refs"), Quote(text))).Scan(&next); err != nil {
		return past, fmt.Errorf("look for a tag after %q in gold.users: %w", text, Plain(err))
	}
	if past.Tag != "" && next.Valid {
		return past, fmt.Errorf("%w: %q; the first tag after it is %q", ErrNoPast, text, next.String)
	}
	return past, fmt.Errorf("%w: %q; it may have been there and expired: `versionlake status --versions` lists what "+
		"can still be read", ErrNoPast, text)
}

// Pin finds a past state of the lake at a server's address, as FindPast does, and names the schema for its views.
func Pin(ctx context.Context, address, text string) (past Past, schema string, err error) {
	lake := LakeAt(address)
	db, err := Open(At(address, lake), lake, Schema)
	if err != nil {
		return past, "", err
	}
	defer db.Close()
	if past, err = FindPast(ctx, db, lake, text); err != nil {
		return past, "", err
	}
	schema, err = PastSchema(lake, past)
	return past, schema, err
}

var tableRead = regexp.MustCompile(`(?i)\b(FROM|JOIN)(\s+)([a-z_]+\.[a-z_]+)\b`)

// Unpinned is a view that can't be asked for the past, and the table because of which it can't.
type Unpinned struct{ View, Table string }

// pinnable parts the views into those that follow from gold.users and the order of versions, in an order in which they
// can be made, and the others, whose tables keep no past.
func pinnable(views []View) (pinned []View, others []Unpinned) {
	because := map[string]string{}
	for _, view := range views {
		query := sqlComment.ReplaceAllString(view.Query, " ")
		for _, match := range tableRead.FindAllStringSubmatch(query, -1) {
			if table := strings.ToLower(match[3]); table != "gold.users" && table != "gold.versions" {
				because[view.Name] = table
			}
		}
		for _, name := range view.reads() {
			if because[view.Name] == "" && because[name] != "" {
				because[view.Name] = because[name]
			}
		}
		if table := because[view.Name]; table != "" {
			others = append(others, Unpinned{view.Name, table})
		} else {
			pinned = append(pinned, view)
		}
	}
	return pinned, others
}

// pinnedTo is a view's query over a state of gold.users. Views that it reads are those beside it.
func (v View) pinnedTo(lakeCatalog string, past Past) string {
	return tableRead.ReplaceAllStringFunc(v.Query, func(read string) string {
		match := tableRead.FindStringSubmatch(read)
		table := QuoteName(lakeCatalog) + "." + match[3]
		if strings.EqualFold(match[3], "gold.users") {
			table += " " + past.clause()
		}
		return match[1] + match[2] + table
	})
}

// PinViews makes the views that follow from gold.users over a past state of it, in the catalog and the schema to which
// db is connected; the schema is made. It returns the views that can't be pinned.
func PinViews(ctx context.Context, db *sql.DB, lakeCatalog string, past Past, made func(View)) ([]Unpinned, error) {
	views, err := Views()
	if err != nil {
		return nil, err
	}
	pinned, others := pinnable(views)
	if err := checkOrder(ctx, db, lakeCatalog, past, views); err != nil {
		return nil, err
	}
	if err := ensureSchema(ctx, db); err != nil {
		return nil, err
	}
	for _, view := range pinned {
		statement := "CREATE OR REPLACE VIEW " + QuoteName(view.Name) + " COMMENT " +
			Quote("As of "+past.Text+": "+view.Comment) + " AS\n" + view.pinnedTo(lakeCatalog, past)
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("make the view %s as of %s: %w", view.Name, past.Text, Plain(err))
		}
		made(view)
	}
	return others, nil
}

// checkOrder sees to it that the order of versions, which has no past of its own, knows all that were known then: gold
// that was made anew from other events has no keys of versions that are gone.
func checkOrder(ctx context.Context, db *sql.DB, lakeCatalog string, past Past, views []View) error {
	intervals := views[slices.IndexFunc(views, func(v View) bool { return v.Name == "version_intervals" })]
	rows, err := db.QueryContext(ctx, fmt.Sprintf(`SELECT service, version FROM (%s)
		EXCEPT SELECT service, version FROM %s.gold.versions ORDER BY 1, 2 LIMIT 3`,
		intervals.pinnedTo(lakeCatalog, past), QuoteName(lakeCatalog)))
	if err != nil {
		return fmt.Errorf("compare the versions of %s with those that have an order: %w", past.Text, Plain(err))
	}
	defer rows.Close()
	var lost []string
	for rows.Next() {
		var service, version string
		if err := rows.Scan(&service, &version); err != nil {
			return fmt.Errorf("compare the versions of %s with those that have an order: %w", past.Text, Plain(err))
		}
		lost = append(lost, service+" "+version)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("compare the versions of %s with those that have an order: %w", past.Text, Plain(err))
	}
	if len(lost) > 0 {
		return fmt.Errorf(
			"the views can't be made as of %s: gold.versions has no order any more for %s, since gold was "+
				"made anew; ask gold.users FOR VERSION AS OF itself", past.Text, strings.Join(lost, ", "))
	}
	return nil
}

// ErrUnpinned: a query asks a view for the past that has none.
var ErrUnpinned = errors.New("--as-of")

// CheckPinned is an error where a query reads a view that can't be pinned. Errors: ErrUnpinned.
func CheckPinned(query string) error {
	views, err := Views()
	if err != nil {
		return err
	}
	pinned, others := pinnable(views)
	names, parts := Reads(query), namedParts(query)
	if readsNow(query) {
		return fmt.Errorf("%w: what is named with the schema %s is read as it is now: leave the schema out",
			ErrUnpinned, Schema)
	}
	for _, view := range others {
		if slices.Contains(names, view.View) && !parts[view.View] {
			var can []string
			for _, view := range pinned {
				can = append(can, view.Name)
			}
			slices.Sort(can)
			return fmt.Errorf(
				"%w: %s can't be asked for the past, because %s keeps none: it is read as it is now, without "+
					"--as-of. Those that can: %s", ErrUnpinned, view.View, view.Table, strings.Join(can, ", "))
		}
	}
	return nil
}

var noName = regexp.MustCompile(`[^a-z0-9]+`)

// PastSchema names a schema for the views over a state of gold.users, so that views of other states, other lakes or
// other programs are never taken for them.
func PastSchema(lakeCatalog string, past Past) (string, error) {
	views, err := Views()
	if err != nil {
		return "", err
	}
	hash := fnv.New64a()
	pinned, _ := pinnable(views)
	for _, view := range pinned {
		fmt.Fprintf(hash, "%s\x00%s\x00", view.Name, view.pinnedTo(lakeCatalog, past))
	}
	name := past.Tag
	if name == "" {
		name = strconv.FormatInt(past.Snapshot, 10)
	}
	return fmt.Sprintf("as_of_%s_%08x", noName.ReplaceAllString(strings.ToLower(name), "_"), uint32(hash.Sum64())), nil
}

// EnsurePinned makes the views over a state of gold.users where the schema to which db is connected, which is
// PastSchema's, has not all of them yet.
func EnsurePinned(ctx context.Context, db *sql.DB, lakeCatalog string, past Past) error {
	views, err := Views()
	if err != nil {
		return err
	}
	pinned, _ := pinnable(views)
	found := 0
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM information_schema.tables WHERE table_schema = "+
		"current_schema AND table_type = 'VIEW'").Scan(&found); err != nil {
		return fmt.Errorf("look for views as of %s: %w", past.Text, Plain(err))
	}
	if found == len(pinned) {
		return nil
	}
	if _, err = PinViews(ctx, db, lakeCatalog, past, func(View) {}); err != nil {
		return fmt.Errorf("%w. Who may not make views finds those that others have made: `versionlake trino views "+
			"--as-of %s`", err, past.Text)
	}
	return nil
}

package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/versionlake/versionlake/lake/objects"
)

// Catalog is Iceberg's catalog in the database. It reads and parses a table's metadata once for as long as the table
// stays as it is: a metadata file never changes, and every load asks the database which one counts. Small hours load
// tables more often than they do anything else.
type Catalog struct {
	*sqlcatalog.Catalog
	name       string
	db         *sql.DB
	dialect    sqlcatalog.SupportedDialect
	properties iceberg.Properties

	mutex  sync.Mutex
	loaded map[string]*table.Table // as they were last seen, by their identifiers
}

// Properties hands AWS_* settings that Iceberg's S3 I/O does not read by itself to it.
func Properties(warehouse string) iceberg.Properties {
	properties := iceberg.Properties{"warehouse": warehouse, sqlcatalog.SchemaVersionKey: sqlcatalog.SchemaVersionV1}
	for _, variable := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if endpoint := os.Getenv(variable); endpoint != "" {
			properties[icebergio.S3EndpointURL] = endpoint
			break
		}
	}
	return properties
}

// OpenCatalog opens a database, and the catalog of a name in it.
func OpenCatalog(location, name string, properties iceberg.Properties, create bool) (*sql.DB, *Catalog, error) {
	db, dialect, err := Open(location, create)
	if err != nil {
		return nil, nil, err
	}
	opened, err := NewCatalog(name, db, dialect, properties, create)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, opened, nil
}

// NewCatalog opens the catalog of a name in a database that Open gave. create makes its tables where there are none,
// which is ErrNone otherwise.
func NewCatalog(name string, db *sql.DB, dialect sqlcatalog.SupportedDialect, properties iceberg.Properties,
	create bool) (*Catalog, error) {
	if !create {
		if err := hasTables(db, dialect); err != nil {
			return nil, err
		}
		properties = maps.Clone(properties)
		properties["init_catalog_tables"] = "false"
	}
	inner, err := sqlcatalog.NewCatalog(name, db, dialect, properties)
	// Postgres refuses CREATE TABLE IF NOT EXISTS where another session makes the same table: then it is there.
	for left := madeByOthers; left > 0 && isMadeByOther(err); left-- {
		inner, err = sqlcatalog.NewCatalog(name, db, dialect, properties)
	}
	if err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	return &Catalog{Catalog: inner, name: name, db: db, dialect: dialect, properties: properties,
		loaded: map[string]*table.Table{}}, nil
}

// hasTables is ErrNone where the catalog's tables are not in the database.
func hasTables(db *sql.DB, dialect sqlcatalog.SupportedDialect) error {
	query := `SELECT count(*) FROM sqlite_master WHERE name IN ('iceberg_tables', 'iceberg_namespace_properties')`
	if dialect == sqlcatalog.Postgres {
		query = `SELECT (to_regclass('iceberg_tables') IS NOT NULL)::int +
			(to_regclass('iceberg_namespace_properties') IS NOT NULL)::int`
	}
	var tables int
	if err := db.QueryRow(query).Scan(&tables); err != nil {
		return fmt.Errorf("open the catalog: %w", err)
	}
	if tables < 2 {
		return fmt.Errorf("%w: the database has no tables of a catalog", ErrNone)
	}
	return nil
}

// madeByOthers is how often a new catalog's tables may be made by others at the same moment: there are two, and each
// of them can be met as a type, as a relation or as an index.
const madeByOthers = 6

// isMadeByOther says whether something of the database was made by another session at the same moment.
func isMadeByOther(err error) bool {
	var refused *pgconn.PgError
	const uniqueViolation, duplicateTable, duplicateObject = "23505", "42P07", "42710"
	return errors.As(err, &refused) &&
		slices.Contains([]string{uniqueViolation, duplicateTable, duplicateObject}, refused.Code)
}

// Rebind writes a statement's placeholders as the database wants them.
func (c *Catalog) Rebind(statement string) string {
	if c.dialect != sqlcatalog.Postgres {
		return statement
	}
	var out strings.Builder
	n := 0
	for _, part := range strings.SplitAfter(statement, "?") {
		if before, ok := strings.CutSuffix(part, "?"); ok {
			n++
			fmt.Fprintf(&out, "%s$%d", before, n)
			continue
		}
		out.WriteString(part)
	}
	return out.String()
}

// Locations are where the catalog says that the metadata of a table lies, and lay before its last commit; "" where it
// has no such table, or there was no commit before.
func (c *Catalog) Locations(ctx context.Context, identifier table.Identifier) (now, before string, err error) {
	var present, previous sql.NullString
	err = c.db.QueryRowContext(ctx,
		c.Rebind(`SELECT metadata_location, previous_metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`), c.name, identifier[0],
		identifier[1]).Scan(&present, &previous)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", "", fmt.Errorf("find the metadata of %s in the catalog: %w", strings.Join(identifier, "."), err)
	}
	return present.String, previous.String, nil
}

// LoadTable is a table's present state. Errors: catalog.ErrNoSuchTable; IsDamage where its metadata is missing though
// the catalog goes on naming it (an erasure takes old metadata away).
func (c *Catalog) LoadTable(ctx context.Context, identifier table.Identifier) (*table.Table, error) {
	name := strings.Join(identifier, ".")
	c.mutex.Lock()
	known := c.loaded[name]
	c.mutex.Unlock()
	var missing string
	for {
		location, _, err := c.Locations(ctx, identifier)
		switch {
		case err != nil:
			return nil, err
		case location != "" && location == missing:
			return nil, &objects.Damage{Object: location, What: "is missing"}
		case known != nil && location == known.MetadataLocation():
			return known, nil
		}
		loaded, err := c.Catalog.LoadTable(ctx, identifier)
		if err == nil {
			c.keep(name, loaded)
		}
		if !objects.IsMissing(err) || errors.Is(err, catalog.ErrNoSuchTable) || location == "" {
			return loaded, err
		}
		missing = location
	}
}

// Check reads the metadata of a table as it lies in the warehouse. Errors: IsDamage.
func (c *Catalog) Check(ctx context.Context, identifier table.Identifier,
	read func(object string) ([]byte, error)) error {
	location, _, err := c.Locations(ctx, identifier)
	if err != nil {
		return err
	}
	text, err := read(location)
	if objects.IsMissing(err) {
		if now, _, naming := c.Locations(ctx, identifier); naming == nil && now != location {
			return nil // another one counts by now
		}
		return &objects.Damage{Object: location, What: "is missing"}
	}
	if err != nil {
		return err
	}
	if _, err := table.ParseMetadataBytes(text); err != nil {
		return &objects.Damage{Object: location, What: "is no metadata of a table: " + err.Error()}
	}
	return nil
}

// Lost is the damage of an object that is missing though the table still is what it was when it was loaded: nobody
// replaced it. It is err for anything else.
func (c *Catalog) Lost(ctx context.Context, loaded *table.Table, object string, err error) error {
	if !objects.IsMissing(err) || objects.IsDamage(err) {
		return err
	}
	now, loading := c.LoadTable(ctx, loaded.Identifier())
	if loading != nil || now.MetadataLocation() != loaded.MetadataLocation() {
		return err
	}
	return &objects.Damage{Object: object, What: "is missing"}
}

func (c *Catalog) keep(name string, loaded *table.Table) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.loaded[name] = loaded
}

// CommitTable changes a table, and keeps what came of it.
func (c *Catalog) CommitTable(ctx context.Context, identifier table.Identifier, requirements []table.Requirement,
	updates []table.Update) (table.Metadata, string, error) {
	return c.CommitAfter(ctx, identifier, requirements, updates, time.Time{})
}

// CommitAfter is a commit that counts as made after a time, whatever our clock says, and after all that the table has.
func (c *Catalog) CommitAfter(ctx context.Context, identifier table.Identifier, requirements []table.Requirement,
	updates []table.Update, after time.Time) (metadata table.Metadata, location string, err error) {
	current, err := c.LoadTable(ctx, identifier)
	if err == nil && (isBehind(current.Metadata()) || time.Now().Before(after)) {
		if newest := time.UnixMilli(current.Metadata().LastUpdatedMillis()); newest.After(after) {
			after = newest
		}
		metadata, location, err = c.commitAfter(ctx, current, requirements, updates, after.Add(time.Millisecond))
	} else if err == nil {
		metadata, location, err = c.Catalog.CommitTable(ctx, identifier, requirements, updates)
	}
	if err == nil {
		c.keep(strings.Join(identifier, "."), table.New(identifier, metadata, location,
			icebergio.LoadFSFunc(c.properties, location), c))
	}
	return metadata, location, err
}

// IsConflict tells that another writer was first and nothing was committed. iceberg-go 0.7.0 reports a stale base as
// plain text; TestStaleBaseIsPlainText fails when it no longer does.
func IsConflict(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, table.ErrCommitFailed) ||
		strings.Contains(err.Error(), "requirement failed") ||
		strings.Contains(err.Error(), "database is locked") ||
		strings.Contains(err.Error(), "SQLSTATE 40001")
}

// Property is a property of a namespace; "" where it has none of this key. Properties are the catalog's alone: who
// reads the warehouse's files does not see them.
func (c *Catalog) Property(ctx context.Context, namespace, key string) (string, error) {
	var value sql.NullString
	err := c.db.QueryRowContext(ctx, c.Rebind(`SELECT property_value FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key = ?`), c.name, namespace, key).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the property %s of namespace %s in the catalog: %w", key, namespace, err)
	}
	return value.String, nil
}

// AddProperty gives a namespace a property, unless it has it. Of several who do so at once, the first wins.
func (c *Catalog) AddProperty(ctx context.Context, namespace, key, value string) error {
	return c.setProperty(ctx, c.db, namespace, key, value, "DO NOTHING")
}

// SetProperty is AddProperty that replaces the one that is there.
func (c *Catalog) SetProperty(ctx context.Context, namespace, key, value string) error {
	return c.setProperty(ctx, c.db, namespace, key, value, replaces)
}

const replaces = "(catalog_name, namespace, property_key) DO UPDATE SET property_value = excluded.property_value"

type executes interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (c *Catalog) setProperty(ctx context.Context, db executes, namespace, key, value, conflict string) error {
	if _, err := db.ExecContext(ctx, c.Rebind(`INSERT INTO iceberg_namespace_properties
		(catalog_name, namespace, property_key, property_value) VALUES (?, ?, ?, ?) ON CONFLICT `+conflict),
		c.name, namespace, key, value); err != nil {
		return fmt.Errorf("set the property %s of namespace %s in the catalog: %w", key, namespace, err)
	}
	return nil
}

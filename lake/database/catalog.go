package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
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

// NewCatalog opens the catalog of a name in a database that Open gave.
func NewCatalog(name string, db *sql.DB, dialect sqlcatalog.SupportedDialect,
	properties iceberg.Properties) (*Catalog, error) {
	inner, err := sqlcatalog.NewCatalog(name, db, dialect, properties)
	if err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	return &Catalog{Catalog: inner, name: name, db: db, dialect: dialect, properties: properties,
		loaded: map[string]*table.Table{}}, nil
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

// Location is where the present metadata of a table lies; "" where the catalog has no such table.
func (c *Catalog) Location(ctx context.Context, identifier table.Identifier) (string, error) {
	var location sql.NullString
	err := c.db.QueryRowContext(ctx, c.Rebind(`SELECT metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`), c.name, identifier[0],
		identifier[1]).Scan(&location)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for %s in the catalog: %w", strings.Join(identifier, "."), err)
	}
	return location.String, nil
}

// LoadTable is a table's present state. Errors: catalog.ErrNoSuchTable.
func (c *Catalog) LoadTable(ctx context.Context, identifier table.Identifier) (*table.Table, error) {
	name := strings.Join(identifier, ".")
	c.mutex.Lock()
	known := c.loaded[name]
	c.mutex.Unlock()
	if known != nil {
		location, err := c.Location(ctx, identifier)
		if err != nil {
			return nil, err
		}
		if location == known.MetadataLocation() {
			return known, nil
		}
	}
	loaded, err := c.Catalog.LoadTable(ctx, identifier)
	if err == nil {
		c.keep(name, loaded)
	}
	return loaded, err
}

func (c *Catalog) keep(name string, loaded *table.Table) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.loaded[name] = loaded
}

// CommitTable changes a table, and keeps what came of it.
func (c *Catalog) CommitTable(ctx context.Context, identifier table.Identifier, requirements []table.Requirement,
	updates []table.Update) (table.Metadata, string, error) {
	metadata, location, err := c.Catalog.CommitTable(ctx, identifier, requirements, updates)
	if err == nil {
		c.keep(strings.Join(identifier, "."), table.New(identifier, metadata, location,
			icebergio.LoadFSFunc(c.properties, location), c))
	}
	return metadata, location, err
}

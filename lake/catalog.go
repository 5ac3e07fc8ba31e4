package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/versionlake/versionlake/lake/objects"
)

const connectTimeout = 10 * time.Second

// silence is how a connection finds within half a minute that the other side is gone.
var silence = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// openDatabase opens the catalog's database: sqlite:///absolute/catalog.db or postgres://….
func openDatabase(location string) (*sql.DB, sqlcatalog.SupportedDialect, error) {
	parsed, err := url.Parse(location)
	// A / or # in a password ends the host too early, and leaves the @ behind.
	if err != nil || parsed.Scheme != "sqlite" && parsed.User == nil && strings.Contains(parsed.String(), "@") {
		// The text may hold a password: it is not repeated.
		return nil, "", fmt.Errorf("%w: the catalog is not a URL such as sqlite:///absolute/catalog.db or "+
			"postgres://user@host/database; in a password, write / as %%2F, @ as %%40, # as %%23, or set PGPASSWORD instead", objects.ErrConfig)
	}
	switch parsed.Scheme {
	case "sqlite":
		if parsed.Path == "" || parsed.Host != "" {
			return nil, "", fmt.Errorf("%w: the catalog %q needs an absolute path: sqlite:///absolute/catalog.db",
				objects.ErrConfig, parsed.Opaque+parsed.Path)
		}
		if err := os.MkdirAll(filepath.Dir(parsed.Path), 0o755); err != nil {
			return nil, "", fmt.Errorf("create the catalog's folder: %w", err)
		}
		// Immediate transactions: one that reads and then writes must not find the lock taken in between.
		query := "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate"
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: parsed.Path}).String()+query)
		if err != nil {
			return nil, "", fmt.Errorf("open the catalog %s: %w", parsed.Path, err)
		}
		return db, sqlcatalog.SQLite, nil
	case "postgres", "postgresql":
		settings, err := pgx.ParseConfig(location)
		if err != nil {
			// which leaves the password out
			return nil, "", fmt.Errorf("%w: the catalog on %s: %w", objects.ErrConfig, parsed.Host, err)
		}
		// A server that is gone without a word must not hold a step for hours.
		if settings.ConnectTimeout == 0 {
			settings.ConnectTimeout = connectTimeout
		}
		settings.DialFunc = (&net.Dialer{KeepAliveConfig: silence}).DialContext
		db := stdlib.OpenDB(*settings)
		db.SetMaxOpenConns(16)
		return db, sqlcatalog.Postgres, nil
	}
	return nil, "", fmt.Errorf("%w: the catalog's scheme %q is neither sqlite nor postgres", objects.ErrConfig,
		parsed.Scheme)
}

// catalogProperties hands AWS_* settings that Iceberg's S3 I/O does not read by itself to it.
func catalogProperties(warehouse string) iceberg.Properties {
	properties := iceberg.Properties{"warehouse": warehouse, sqlcatalog.SchemaVersionKey: sqlcatalog.SchemaVersionV1}
	for _, variable := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if endpoint := os.Getenv(variable); endpoint != "" {
			properties[icebergio.S3EndpointURL] = endpoint
			break
		}
	}
	return properties
}

// createTables makes namespaces and tables that do not exist yet. Two processes may do so at once.
func (l *Lake) createTables(ctx context.Context) error {
	for _, definition := range TableDefinitions {
		identifier := definition.Identifier()
		if exists, err := l.Catalog.CheckTableExists(ctx, identifier); err == nil && exists {
			continue
		}
		err := l.Catalog.CreateNamespace(ctx, identifier[:1], nil)
		if exists, checkErr := l.Catalog.CheckNamespaceExists(ctx, identifier[:1]); checkErr != nil || !exists {
			return fmt.Errorf("create namespace %s: %w", identifier[0], errors.Join(err, checkErr))
		}
		if err := l.CreateTable(ctx, definition); err != nil {
			if exists, checkErr := l.Catalog.CheckTableExists(ctx, identifier); checkErr != nil || !exists {
				return fmt.Errorf("create table %s: %w", definition.Name, err)
			}
		}
	}
	return nil
}

func (l *Lake) CreateTable(ctx context.Context, definition TableDefinition) error {
	spec := definition.spec(l.Config.Buckets)
	properties := iceberg.Properties{
		"comment":                         definition.Comment,
		table.PropertyFormatVersion:       "2",
		table.ManifestMergeEnabledKey:     "true",
		"write.parquet.compression-codec": "zstd",
	}
	maps.Copy(properties, MetadataVersions)
	maps.Copy(properties, definition.properties)
	if definition.Ruled {
		maps.Copy(properties, RulesProperty())
	}
	_, err := l.Catalog.CreateTable(ctx, definition.Identifier(), definition.Schema(),
		catalog.WithLocation(l.Objects.Root+"/"+strings.ReplaceAll(definition.Name, ".", "/")),
		catalog.WithPartitionSpec(&spec), catalog.WithProperties(properties))
	return err
}

// Load reads a table's present state.
func (l *Lake) Load(ctx context.Context, definition TableDefinition) (*table.Table, error) {
	loaded, err := l.Catalog.LoadTable(ctx, definition.Identifier())
	if errors.Is(err, catalog.ErrNoSuchTable) {
		return nil, fmt.Errorf("%w: table %s is missing from the catalog", ErrNoLake, definition.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", definition.Name, err)
	}
	if err := refuseNewer(definition, loaded); err != nil {
		return nil, err
	}
	spec := loaded.Spec()
	if parts := spec.NumFields(); definition.byDay() && parts != len(definition.Partition) {
		return nil, fmt.Errorf("%w: table %s is partitioned by %d columns, and by day alone in this version of "+
			"versionlake: ingest into a new lake",
			objects.ErrConfig, definition.Name, parts)
	}
	return loaded, nil
}

// Rebind writes a statement's placeholders as the catalog's database wants them.
func (l *Lake) Rebind(statement string) string {
	if !strings.HasPrefix(l.Config.Catalog, "postgres") {
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

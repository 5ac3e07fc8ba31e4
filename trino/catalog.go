// Package trino serves the lake to SQL: it runs a Trino server on one machine, writes the catalog with which any
// Trino reads the lake, makes the views, and asks.
//
// It knows a lake by the texts that name it, and imports nothing of ours.
package trino

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// CatalogName is what the catalog is called in Trino, and Schema where the views lie. Views name neither: they are
// bound to the catalog in which they were made.
const (
	CatalogName = "versionlake"
	Schema      = "views"
)

// ErrConfig: a setting can't work; the text says what to change.
var ErrConfig = errors.New("setting")

// Lake says where a lake lies, as the command line does.
type Lake struct {
	// sqlite:///absolute/catalog.db or postgres://user@host/database; PG* variables and files add to it
	Catalog   string
	Warehouse string // file:///absolute/folder or s3://bucket/prefix; AWS_* variables add to it
	Name      string // the Iceberg catalog's name; "versionlake" when empty
}

// Catalog is what Trino must know of a lake. Secrets are not in Properties, which name variables of Env instead.
type Catalog struct {
	Properties map[string]string
	Env        map[string]string
}

// The variables that Properties name.
const (
	passwordVariable  = "VERSIONLAKE_CATALOG_PASSWORD"
	accessKeyVariable = "AWS_ACCESS_KEY_ID"
	secretKeyVariable = "AWS_SECRET_ACCESS_KEY"
)

// NewCatalog makes the settings of Trino's Iceberg connector for a lake. Errors: ErrConfig.
func NewCatalog(lake Lake) (Catalog, error) {
	name := lake.Name
	if name == "" {
		name = CatalogName
	}
	c := Catalog{
		Properties: map[string]string{
			"connector.name":                             "iceberg",
			"iceberg.catalog.type":                       "jdbc",
			"iceberg.jdbc-catalog.catalog-name":          name,
			"iceberg.jdbc-catalog.schema-version":        "V1", // with views
			"iceberg.jdbc-catalog.default-warehouse-dir": strings.TrimRight(lake.Warehouse, "/"),
		},
		Env: map[string]string{},
	}
	if err := c.addDatabase(lake.Catalog); err != nil {
		return Catalog{}, err
	}
	return c, c.addWarehouse(lake.Warehouse)
}

func (c *Catalog) addDatabase(location string) error {
	parsed, err := url.Parse(location)
	if err != nil { // the text may hold a password: it is not repeated
		return fmt.Errorf("%w: the catalog is not a URL such as sqlite:///absolute/catalog.db or "+
			"postgres://user@host/database", ErrConfig)
	}
	switch parsed.Scheme {
	case "sqlite":
		if strings.ContainsAny(parsed.Path, "?") {
			return fmt.Errorf("%w: SQLite's JDBC driver can't open the catalog %q, because of the question mark",
				ErrConfig, parsed.Path)
		}
		c.Properties["iceberg.jdbc-catalog.driver-class"] = "org.sqlite.JDBC"
		c.Properties["iceberg.jdbc-catalog.connection-url"] = "jdbc:sqlite:" + parsed.Path +
			"?journal_mode=WAL&busy_timeout=10000"
		return nil
	case "postgres", "postgresql":
		return c.addPostgres(location, parsed)
	}
	return fmt.Errorf("%w: the catalog's scheme %q is neither sqlite nor postgres", ErrConfig, parsed.Scheme)
}

// addPostgres reads the settings as our own connections do: PGPASSFILE and such count.
func (c *Catalog) addPostgres(location string, parsed *url.URL) error {
	config, err := pgx.ParseConfig(location)
	if err != nil {
		return fmt.Errorf("%w: the catalog on %s: %w", ErrConfig, parsed.Host, err) // pgx leaves passwords out
	}
	jdbc := url.URL{Scheme: "postgresql", Host: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))),
		Path: "/" + config.Database}
	query := url.Values{}
	for setting, variable := range map[string]string{"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"} {
		value := parsed.Query().Get(setting)
		if value == "" {
			value = os.Getenv(variable)
		}
		if value != "" {
			query.Set(setting, value)
		}
	}
	jdbc.RawQuery = query.Encode()
	c.Properties["iceberg.jdbc-catalog.driver-class"] = "org.postgresql.Driver"
	c.Properties["iceberg.jdbc-catalog.connection-url"] = "jdbc:" + jdbc.String()
	c.Properties["iceberg.jdbc-catalog.connection-user"] = config.User
	if config.Password != "" {
		c.Properties["iceberg.jdbc-catalog.connection-password"] = "${ENV:" + passwordVariable + "}"
		c.Env[passwordVariable] = config.Password
	}
	return nil
}

func (c *Catalog) addWarehouse(location string) error {
	parsed, err := url.Parse(location)
	switch {
	case err == nil && parsed.Scheme == "file" && parsed.Host == "":
		if parsed.EscapedPath() != parsed.Path { // Trino takes a%20b for a name
			return fmt.Errorf("%w: Trino can't read the warehouse %q, because of the blanks or special "+
				"characters in its path: keep the lake in another folder", ErrConfig, parsed.Path)
		}
		c.Properties["fs.native-local.enabled"] = "true"
		c.Properties["local.location"] = "/" // tables name their files by absolute paths
	case err == nil && parsed.Scheme == "s3" && parsed.Host != "":
		c.addS3()
	default:
		// it may hold a secret
		return fmt.Errorf("%w: the warehouse is neither file:///absolute/folder nor s3://bucket/prefix", ErrConfig)
	}
	return nil
}

// addS3 sets what Trino does not find by itself: like every AWS tool, it reads profiles, roles and the rest.
func (c *Catalog) addS3() {
	c.Properties["fs.native-s3.enabled"] = "true"
	if region := firstEnv("AWS_REGION", "AWS_DEFAULT_REGION"); region != "" {
		c.Properties["s3.region"] = region
	}
	if endpoint := firstEnv("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"); endpoint != "" {
		c.Properties["s3.endpoint"] = endpoint
		c.Properties["s3.path-style-access"] = "true"
	}
	// Keys that come with a session token must be read together, which Trino does when none is set.
	if key := os.Getenv(accessKeyVariable); key != "" && os.Getenv("AWS_SESSION_TOKEN") == "" {
		for property, variable := range map[string]string{"s3.aws-access-key": accessKeyVariable,
			"s3.aws-secret-key": secretKeyVariable} {
			c.Properties[property] = "${ENV:" + variable + "}"
			c.Env[variable] = os.Getenv(variable)
		}
	}
}

func firstEnv(variables ...string) string {
	for _, variable := range variables {
		if value := os.Getenv(variable); value != "" {
			return value
		}
	}
	return ""
}

// CreateStatement is the SQL that adds the catalog to a server with dynamic catalogs. It holds the secrets.
func (c Catalog) CreateStatement(name string) string {
	var settings []string
	for _, property := range slices.Sorted(maps.Keys(c.Properties)) {
		value := c.Properties[property]
		for variable, secret := range c.Env {
			value = strings.ReplaceAll(value, "${ENV:"+variable+"}", secret)
		}
		if property != "connector.name" {
			settings = append(settings, QuoteName(property)+" = "+Quote(value))
		}
	}
	return "CREATE CATALOG " + QuoteName(name) + " USING " + c.Properties["connector.name"] + " WITH (" +
		strings.Join(settings, ", ") + ")"
}

// Quote makes a literal of a text, QuoteName an identifier.
func Quote(text string) string     { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
func QuoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// propertiesFile writes settings as Java reads them.
func propertiesFile(properties map[string]string) []byte {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", name, escape.Replace(properties[name]))
	}
	return []byte(text.String())
}

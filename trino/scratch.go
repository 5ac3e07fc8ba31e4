package trino

import (
	"fmt"
	"maps"
	"os"
)

// ScratchName is what the catalog for people's own rows is called in Trino, and AdminName the one that may write the
// lake, in which its views are made.
const (
	ScratchName = "scratch"
	AdminName   = "versionlake_admin"
)

// scratchRows is under what name the catalog's database keeps the tables of people's own.
const scratchRows = "versionlake_scratch"

// NewScratch makes the settings of a catalog for people's own rows: in the database of the lake's catalog, under a name
// of its own, and with its files in a local folder, out of which it can't write. Errors: ErrConfig.
func NewScratch(lake Lake, folder string) (Catalog, error) {
	c := Catalog{
		Properties: map[string]string{
			"connector.name":                             "iceberg",
			"iceberg.catalog.type":                       "jdbc",
			"iceberg.jdbc-catalog.catalog-name":          scratchRows,
			"iceberg.jdbc-catalog.schema-version":        "V1",
			"iceberg.jdbc-catalog.default-warehouse-dir": "local:///",
			"fs.native-local.enabled":                    "true",
			"local.location":                             folder,
		},
		Env: map[string]string{},
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Catalog{}, fmt.Errorf("make the folder of people's own tables: %w", err)
	}
	return c, c.addDatabase(lake.Catalog)
}

// ReadOnly is a catalog through which nothing is written, whatever a rule allows.
func (c Catalog) ReadOnly() Catalog {
	c.Properties = maps.Clone(c.Properties)
	c.Properties["iceberg.security"] = "read_only"
	return c
}

// LocalRules lets nobody but the user AdminName touch the catalog that may write the lake. A local server asks for no
// password: this keeps accidents out, not people.
const LocalRules = `{
  "catalogs": [
    { "user": "` + AdminName + `", "allow": "all" },
    { "catalog": "` + AdminName + `", "allow": "none" },
    { "allow": "all" }
  ],
  "procedures": [ { "privileges": ["EXECUTE", "GRANT_EXECUTE"] } ]
}
`

// LocalCatalogs are those of a server on one machine: the lake to read, the same to make its views, and a folder for
// people's own rows. Errors: ErrConfig.
func LocalCatalogs(lake Lake, scratch string) (map[string]Catalog, error) {
	admin, err := NewCatalog(lake)
	if err != nil {
		return nil, err
	}
	own, err := NewScratch(lake, scratch)
	if err != nil {
		return nil, err
	}
	return map[string]Catalog{CatalogName: admin.ReadOnly(), AdminName: admin, ScratchName: own}, nil
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/schema"
)

// CreateTables makes namespaces and tables that do not exist yet. Two processes may do so at once.
func (l *Lake) CreateTables(ctx context.Context) error {
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
	spec := definition.Spec(l.Config.Buckets)
	properties := definition.Properties()
	properties[table.PropertyFormatVersion] = "2"
	if definition.Ruled {
		maps.Copy(properties, RulesProperty())
	}
	wanted := definition.Schema()
	first := schema.First(wanted)
	_, err := l.Catalog.CreateTable(ctx, definition.Identifier(), first,
		catalog.WithLocation(l.Objects.Root+"/"+strings.ReplaceAll(definition.Name, ".", "/")),
		catalog.WithPartitionSpec(&spec), catalog.WithProperties(properties))
	if err != nil || first == wanted {
		return err
	}
	return l.updateSchema(ctx, definition)
}

// Properties are those that every lake's table has.
func (d TableDefinition) Properties() iceberg.Properties {
	properties := schema.FormatProperty()
	maps.Copy(properties, MetadataVersions)
	maps.Copy(properties, d.properties)
	properties["comment"] = d.Comment
	properties[table.ManifestMergeEnabledKey] = "true"
	properties["write.parquet.compression-codec"] = "zstd"
	return properties
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
	if parts := spec.NumFields(); definition.ByDay() && parts != len(definition.Partition) {
		return nil, fmt.Errorf("%w: table %s is partitioned by %d columns, and by day alone in this version of "+
			"versionlake: it was made before November 28, 2026, and can't be upgraded; ingest into a new lake",
			objects.ErrConfig, definition.Name, parts)
	}
	return loaded, nil
}

// Answers asks catalog and warehouse for something. What is known of tables is remembered, so that a Load alone does
// not tell whether the warehouse can be reached.
func (l *Lake) Answers(ctx context.Context) error {
	if _, err := l.Load(ctx, OpsHours); err != nil {
		return err
	}
	_, err := identity.OfWarehouse(l.Objects)
	return err
}

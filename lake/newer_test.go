package lake_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/schema"
)

// TestNewerLake: what a later version has written is refused with a word, not misread.
func TestNewerLake(t *testing.T) {
	for name, update := range map[string]struct {
		definition lake.TableDefinition
		change     func(*table.Table) []table.Update
	}{
		"rules": {lake.SilverSightings, func(*table.Table) []table.Update {
			return []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{lake.PropertyRules: "99"})}
		}},
		"a column": {lake.OpsHours, func(loaded *table.Table) []table.Update {
			fields := append(loaded.Schema().Fields(),
				iceberg.NestedField{ID: 999, Name: "later", Type: iceberg.PrimitiveTypes.String})
			return []table.Update{
				table.NewAddSchemaUpdate(iceberg.NewSchema(loaded.Schema().ID+1, fields...)),
				table.NewSetCurrentSchemaUpdate(-1),
			}
		}},
		"a format": {lake.OpsErasures, func(*table.Table) []table.Update {
			return []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{lake.PropertyFormat: "99"})}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			loaded, err := in.Lake.Load(t.Context(), update.definition)
			in.Must(err)
			_, _, err = in.Lake.Catalog.CommitTable(t.Context(), loaded.Identifier(), nil, update.change(loaded))
			in.Must(err)
			if _, err := lake.Open(t.Context(), in.Lake.Config); !errors.Is(err, lake.ErrNewer) ||
				!strings.Contains(err.Error(), "update this one") {
				t.Errorf("opened to write: %v", err)
			}
			if name == "a column" {
				return // only seen where the lake is opened
			}
			// A worker that runs since before.
			err = in.Lake.Commit(t.Context(), update.definition, func(loaded *table.Table) (*lake.Change, error) {
				return lake.MetadataChange(loaded, iceberg.Properties{"by": "a worker of an earlier version"}), nil
			})
			if !errors.Is(err, lake.ErrNewer) {
				t.Errorf("a worker goes on: %v", err)
			}
		})
	}
}

// TestUnknownTable: a table that a later version made is a lake of a later version; one of another program is not.
func TestUnknownTable(t *testing.T) {
	in := laketest.NewWorld(t)
	for _, properties := range []iceberg.Properties{{}, schema.FormatProperty()} {
		name := fmt.Sprintf("others_%d", len(properties))
		_, err := in.Lake.Catalog.CreateTable(t.Context(), table.Identifier{"gold", name}, lake.OpsHours.Schema(),
			catalog.WithProperties(properties))
		in.Must(err)
		l, err := lake.Open(t.Context(), in.Lake.Config)
		if ours := len(properties) > 0; errors.Is(err, lake.ErrNewer) != ours {
			t.Errorf("opened to write with the table %s: %v", name, err)
		}
		if err == nil {
			in.Must(l.Close())
		}
	}
}

package upgrade

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/schema"
)

// set is a step that sets properties of tables; nil where they have them.
func set(forms []form, does string, wanted func(form) iceberg.Properties) *Step {
	var tables []lake.TableDefinition
	var properties []iceberg.Properties
	for _, f := range forms {
		if f.loaded == nil {
			continue
		}
		if missing := lacks(f.loaded, wanted(f)); len(missing) > 0 {
			tables, properties = append(tables, f.TableDefinition), append(properties, missing)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	return &Step{Does: fmt.Sprintf(does, names(tables)), About: time.Duration(len(tables)) * perCommit,
		run: func(ctx context.Context, l *lake.Lake, _ func(int64)) error {
			for i, definition := range tables {
				if err := l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
					return lake.MetadataChange(loaded, properties[i]), nil
				}); err != nil {
					return err
				}
			}
			return nil
		}}
}

// lacks are the wanted properties that a table does not have.
func lacks(loaded *table.Table, wanted iceberg.Properties) iceberg.Properties {
	missing := maps.Clone(wanted)
	maps.DeleteFunc(missing, func(key, value string) bool { return loaded.Properties()[key] == value })
	return missing
}

func names(tables []lake.TableDefinition) string {
	all := make([]string, len(tables))
	for i, definition := range tables {
		all[i] = definition.Name
	}
	return strings.Join(all, ", ")
}

// closed is the step that lets programs of the version before write to no table but the ledger, which they write last:
// they refuse tables of a later format. Of gold.users it also says which commit is the last of such a program; those
// from before formats refuse nothing, and what they commit later does not count.
func closed(forms []form) *Step {
	return set(forms, "refuse programs of earlier versions, in %s", func(f form) iceberg.Properties {
		if f.Name == lake.OpsHours.Name {
			return nil
		}
		wanted := schema.FormatProperty()
		if f.Name == lake.GoldUsers.Name && f.loaded.Properties()[schema.PropertyFormat] == "" {
			if last := ledger.GoldCommit(f.loaded); last != nil {
				wanted[ledger.PropertyUpgraded] = strconv.FormatInt(last.SnapshotID, 10)
			}
		}
		return wanted
	})
}

// made is the step that makes tables that came since.
func made(forms []form) *Step {
	var tables []lake.TableDefinition
	for _, f := range forms {
		if f.loaded == nil {
			tables = append(tables, f.TableDefinition)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	return &Step{Does: "make " + names(tables), About: time.Duration(len(tables)) * perCommit,
		run: func(ctx context.Context, l *lake.Lake, _ func(int64)) error { return l.CreateTables(ctx) }}
}

// columns is the step that gives tables the columns that came since. They would come by themselves, but what comes
// after this step needs them.
func columns(forms []form) (*Step, error) {
	var tables []lake.TableDefinition
	for _, f := range forms {
		if f.loaded == nil {
			continue
		}
		later, err := schema.Later(f.loaded.Schema(), f.Schema())
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", f.Name, err)
		}
		if later != nil {
			tables = append(tables, f.TableDefinition)
		}
	}
	if len(tables) == 0 {
		return nil, nil
	}
	return &Step{Does: "add columns to " + names(tables), About: time.Duration(len(tables)) * perCommit,
		run: func(ctx context.Context, l *lake.Lake, _ func(int64)) error { return l.UpdateSchemas(ctx) }}, nil
}

// settled is the step that gives tables the properties that new ones get.
func settled(forms []form) *Step {
	return set(forms, "set properties of %s", func(f form) iceberg.Properties {
		wanted := f.Properties()
		delete(wanted, schema.PropertyFormat) // of the first and the last step
		return wanted
	})
}

// ruled is the step that notes that silver is written by the present rules from now on. The rows of gold.users are of
// older ones until they are made anew, which notes it there.
func ruled(forms []form) *Step {
	return set(forms, "write %s by today's rules", func(f form) iceberg.Properties {
		for _, definition := range lake.SilverTables {
			if f.Name == definition.Name {
				return lake.RulesProperty()
			}
		}
		return nil
	})
}

// opened is the step that lets programs of this version write; nil where they may.
func opened(forms []form) *Step {
	return set(forms, "let this version write, in %s", func(f form) iceberg.Properties {
		if f.Name == lake.OpsHours.Name {
			return schema.FormatProperty()
		}
		return nil
	})
}

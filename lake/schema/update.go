package schema

import (
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Update is what brings a table to the wanted schema; nothing where the one that it has will do. Errors: ErrNewer.
func Update(loaded *table.Table, want *iceberg.Schema) ([]table.Update, []table.Requirement, error) {
	later, err := Later(loaded.Schema(), want)
	if err != nil || later == nil {
		return nil, nil, err
	}
	const added = -1 // the schema that the update before adds
	return []table.Update{table.NewAddSchemaUpdate(later), table.NewSetCurrentSchemaUpdate(added)},
		[]table.Requirement{
			table.AssertCurrentSchemaID(loaded.Schema().ID),
			table.AssertLastAssignedFieldID(loaded.Metadata().LastColumnID()),
		}, nil
}

// First is the schema that a table is made with, before Later adds the other columns: iceberg-go gives the columns of a
// new table their ids anew, nested ones last, and a column at the top that came after nested ones would move those.
func First(schema *iceberg.Schema) *iceberg.Schema {
	top, nested := map[int]bool{}, 0
	for _, field := range schema.Fields() {
		top[field.ID] = true
	}
	for id := range columnsOf(schema) {
		if !top[id] && (nested == 0 || id < nested) {
			nested = id
		}
	}
	later := func(field iceberg.NestedField) bool { return nested > 0 && field.ID > nested }
	fields := schema.Fields()
	if !slices.ContainsFunc(fields, later) {
		return schema
	}
	return iceberg.NewSchema(schema.ID, slices.DeleteFunc(slices.Clone(fields), later)...)
}

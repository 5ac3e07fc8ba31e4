package schema

import (
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
)

// ErrNewer: a later version of versionlake has written to the lake, and this one would misread it.
var ErrNewer = errors.New("the lake is of a later version of versionlake: update this one")

// Later is the schema that a table has to take over from the wanted one, and nil where the one it has will do. What
// may change is little: optional columns come, columns become optional, and their comments follow. Errors: ErrNewer.
func Later(have, want *iceberg.Schema) (*iceberg.Schema, error) {
	before, now := columnsOf(have), columnsOf(want)
	changes := false
	for id, column := range before {
		if _, known := now[id]; !known {
			return nil, fmt.Errorf("%w: column %s (id %d) is not known here", ErrNewer, column.Name, id)
		}
	}
	for id, column := range now {
		old, known := before[id]
		switch {
		case !known && column.Required:
			return nil, fmt.Errorf("column %s is new and required: rows that are there have no value for it",
				column.Name)
		case !known:
			changes = true
		case old.Name != column.Name || old.Type != column.Type:
			return nil, fmt.Errorf("%w: column %d is %s %s, and %s %s here", ErrNewer, id, old.Name, old.Type,
				column.Name, column.Type)
		case old.Required && !column.Required:
			changes = true
		case !old.Required && column.Required:
			return nil, fmt.Errorf("%w: column %s may be absent there", ErrNewer, column.Name)
		}
	}
	if !changes {
		return nil, nil
	}
	return iceberg.NewSchema(have.ID+1, want.Fields()...), nil
}

// column is a field of a schema at any depth.
type column struct {
	Name, Type string
	Required   bool
}

// columnsOf finds all fields by their ids. Of lists and structs the kind alone is compared, since what they hold is
// in there too.
func columnsOf(schema *iceberg.Schema) map[int]column {
	columns := map[int]column{}
	var add func(prefix string, field iceberg.NestedField)
	add = func(prefix string, field iceberg.NestedField) {
		name := prefix + field.Name
		kind := field.Type.String()
		switch nested := field.Type.(type) {
		case *iceberg.ListType:
			kind = "list"
			add(name+".", nested.ElementField())
		case *iceberg.StructType:
			kind = "struct"
			for _, inner := range nested.FieldList {
				add(name+".", inner)
			}
		}
		columns[field.ID] = column{Name: name, Type: kind, Required: field.Required}
	}
	for _, field := range schema.Fields() {
		add("", field)
	}
	return columns
}

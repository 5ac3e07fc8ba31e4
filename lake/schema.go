package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// ErrNewer: a later version of versionlake has written to the lake, and this one would misread it.
var ErrNewer = errors.New("the lake is of a later version of versionlake: update this one")

// Rules is the number of the rules by which lines become rows of silver and gold. It grows whenever the same lines
// would give other rows. Gold of older rules is made anew by the next round; an hour's silver keeps the rules of
// its last run, which the ledger tells, until it is made anew.
//
//	1: up to November 2026
//	2: placeholders are absent, a Login of nobody and a Logout end a binding, versions of equal rank are no downgrades
const Rules = 2

// ruledTables carry the number of their rules as a property.
var ruledTables = append(SilverTables[:], GoldUsers)

func (d TableDefinition) ruled() bool {
	return slices.ContainsFunc(ruledTables, func(ruled TableDefinition) bool { return ruled.Name == d.Name })
}

// RulesOf reads the rules that a table's writers follow; of gold.users, those that its rows were made by.
func RulesOf(loaded *table.Table) (int64, error) {
	text := loaded.Properties()[PropertyRules]
	if text == "" {
		return 1, nil // from before they had a number
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the property %s of %s is %q and not a number: set it right in the catalog", PropertyRules,
			TableName(loaded), text)
	}
	return number, nil
}

// refuseNewer is ErrNewer for a table that follows later rules than this program knows.
func refuseNewer(definition TableDefinition, loaded *table.Table) error {
	if !definition.ruled() {
		return nil
	}
	number, err := RulesOf(loaded)
	if err == nil && number > Rules {
		err = fmt.Errorf("%w: %s follows rules %d, and this program knows rules up to %d", ErrNewer, definition.Name,
			number, Rules)
	}
	return err
}

// followRules notes that silver is written by the present rules from now on, so that older programs refuse the
// lake. The rows of gold.users are of older ones until a round has made them anew, which notes it there.
func (l *Lake) followRules(ctx context.Context) error {
	for _, definition := range SilverTables {
		if err := l.Commit(ctx, definition, func(loaded *table.Table) (*Change, error) {
			return MetadataChange(loaded, RulesProperty()), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// RulesProperty is what a table of the present rules carries.
func RulesProperty() iceberg.Properties {
	return iceberg.Properties{PropertyRules: strconv.Itoa(Rules)}
}

// updateSchemas gives the tables of a lake that an earlier version made the present columns. Data files stay as
// they are: a column that a file lacks reads as NULL. Errors: ErrNewer.
func (l *Lake) updateSchemas(ctx context.Context) error {
	for _, definition := range TableDefinitions {
		if err := l.Commit(ctx, definition, func(loaded *table.Table) (*Change, error) {
			schema, err := definition.LaterSchema(loaded.Schema())
			if err != nil || schema == nil {
				return nil, err
			}
			return &Change{
				// -1: the one just added
				Updates: []table.Update{table.NewAddSchemaUpdate(schema), table.NewSetCurrentSchemaUpdate(-1)},
				Requirements: []table.Requirement{
					table.AssertCurrentSchemaID(loaded.Schema().ID),
					table.AssertLastAssignedFieldID(loaded.Metadata().LastColumnID()),
				},
			}, nil
		}); err != nil {
			return fmt.Errorf("update the columns of %s: %w", definition.Name, err)
		}
	}
	return nil
}

// LaterSchema is the definition's schema where a table with another one has to take it over, and nil where it has
// all of it. What may change is little: optional columns come, columns become optional, and their comments follow.
func (d TableDefinition) LaterSchema(have *iceberg.Schema) (*iceberg.Schema, error) {
	want := d.Schema()
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

package lake

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake/schema"
)

// Rules is the number of the rules by which lines become rows of silver and gold. It grows whenever the same lines
// would give other rows. Gold of older rules is made anew by the next round; an hour's silver keeps the rules of
// its last run, which the ledger tells, until it is made anew.
//
//	1: up to November 2026
//	2: placeholders are absent, a Login of nobody and a Logout end a binding, versions of equal rank are no downgrades
const Rules = 2

// PropertyRules is the table property that holds this number.
const PropertyRules = "versionlake.rules"

// RulesOf reads the rules that a table's writers follow; of gold.users, those that its rows were made by.
func RulesOf(loaded *table.Table) (int64, error) {
	number, err := schema.NumberIn(loaded.Properties(), PropertyRules)
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", TableName(loaded), err)
	}
	return number, nil
}

// refuseNewer is ErrNewer for a table of a later format, or one that follows later rules than this program knows.
func refuseNewer(definition TableDefinition, loaded *table.Table) error {
	if err := schema.RefuseLater(loaded.Properties()); err != nil {
		return fmt.Errorf("table %s: %w", definition.Name, err)
	}
	if !definition.Ruled {
		return nil
	}
	number, err := RulesOf(loaded)
	if err == nil && number > Rules {
		err = fmt.Errorf("%w: %s follows rules %d, and this program knows rules up to %d", ErrNewer, definition.Name,
			number, Rules)
	}
	return err
}

// RefuseUnknown is ErrNewer where there is a table of ours that this program does not know.
func (l *Lake) RefuseUnknown(ctx context.Context) error {
	names, err := l.Catalog.Marked(ctx, schema.PropertyFormat, "bronze", "silver", "gold", "ops")
	for _, name := range names {
		if _, unknown := DefinitionOf(name); unknown != nil {
			return fmt.Errorf("%w: the table %s is not known here", ErrNewer, name)
		}
	}
	return err
}

// RefuseOlder is ErrOlder for a lake that upgrade has not brought to the present format and rules. Where there
// is no ledger yet, the lake is new, or was never finished.
func (l *Lake) RefuseOlder(ctx context.Context) error {
	hours, err := l.Load(ctx, OpsHours)
	if errors.Is(err, ErrNoLake) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := schema.RefuseEarlier(hours.Properties()); err != nil {
		return err
	}
	for _, definition := range SilverTables {
		loaded, err := l.Load(ctx, definition)
		if errors.Is(err, ErrNoLake) {
			continue
		}
		if err != nil {
			return err
		}
		if rules, err := RulesOf(loaded); err != nil || rules < Rules {
			return errors.Join(err, fmt.Errorf("%w (rules %d, this program's are %d)", schema.ErrOlder, rules, Rules))
		}
	}
	return nil
}

// RulesProperty is what a table of the present rules carries.
func RulesProperty() iceberg.Properties {
	return iceberg.Properties{PropertyRules: strconv.Itoa(Rules)}
}

// UpdateSchemas gives the tables of a lake that an earlier version made the present columns. Data files stay as
// they are: a column that a file lacks reads as NULL. Errors: ErrNewer.
func (l *Lake) UpdateSchemas(ctx context.Context) error {
	for _, definition := range TableDefinitions {
		if err := l.updateSchema(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lake) updateSchema(ctx context.Context, definition TableDefinition) error {
	if err := l.Commit(ctx, definition, func(loaded *table.Table) (change *Change, err error) {
		change = &Change{}
		change.Updates, change.Requirements, err = schema.Update(loaded, definition.Schema())
		return change, err
	}); err != nil {
		return fmt.Errorf("update the columns of %s: %w", definition.Name, err)
	}
	return nil
}

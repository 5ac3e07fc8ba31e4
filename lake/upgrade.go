package lake

import (
	"context"
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

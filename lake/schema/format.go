package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
)

// Format is the number of the form of a lake: which tables it has, how they are divided, what their properties and
// commits say. It grows with whatever an older lake does not get by itself when it is opened, that is with all but
// columns that may be absent. `versionlake upgrade` (package lake/upgrade) brings a lake to it.
//
//	1: up to November 2026; the lake has no number
//	2: gold.versions, gold.events, ops.checks and ops.releases; commits of gold.users say which format their program
//	   knew
//	3: ops.published and ops.storage
const Format = 3

// PropertyFormat is the table property that holds this number; ops.hours gets it last.
const PropertyFormat = "versionlake.format"

// ErrOlder: the lake is of an earlier version. It can be read as it is.
var ErrOlder = errors.New("the lake is of an earlier version of versionlake, and only read: run versionlake upgrade")

// NumberIn reads a number that a table carries: a format, or rules. Without one, the table is from before they had.
func NumberIn(properties iceberg.Properties, property string) (int64, error) {
	text := properties[property]
	if text == "" {
		return 1, nil
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the property %s is %q and not a number: set it right in the catalog", property, text)
	}
	return number, nil
}

// FormatProperty is what tables of the present format carry.
func FormatProperty() iceberg.Properties {
	return iceberg.Properties{PropertyFormat: strconv.Itoa(Format)}
}

// RefuseLater is ErrNewer where the properties of a table are of a later format.
func RefuseLater(properties iceberg.Properties) error {
	number, err := NumberIn(properties, PropertyFormat)
	if err == nil && number > Format {
		err = fmt.Errorf("%w: it has format %d, and this program knows formats up to %d", ErrNewer, number, Format)
	}
	return err
}

// RefuseEarlier is ErrOlder where they are of an earlier one.
func RefuseEarlier(properties iceberg.Properties) error {
	number, err := NumberIn(properties, PropertyFormat)
	if err == nil && number < Format {
		err = fmt.Errorf("%w (it has format %d, this program's is %d)", ErrOlder, number, Format)
	}
	return err
}

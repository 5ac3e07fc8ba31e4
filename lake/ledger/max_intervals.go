package ledger

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// DefaultMaxIntervals is how many intervals a row of gold.users holds, the newest, unless the lake keeps another
// setting.
const DefaultMaxIntervals = 10_000

// SettingMaxIntervals is the name of that setting.
const SettingMaxIntervals = "max-intervals"

// propertyMaxIntervals is the property of gold.users that says how many its rows were made to hold.
const propertyMaxIntervals = "versionlake.max-intervals"

// MaxIntervals is how many intervals a row of gold.users is to hold at most, as the lake keeps it.
func MaxIntervals(ctx context.Context, l *lake.Lake) (int, error) {
	kept, err := KeptSettings(ctx, l)
	if err != nil {
		return 0, err
	}
	text, known := kept[SettingMaxIntervals]
	if !known {
		return DefaultMaxIntervals, nil
	}
	most, err := strconv.Atoi(text)
	if err != nil || most < 1 {
		return 0, fmt.Errorf(
			"the lake keeps --max-intervals %q, which is no number above 0: give it to a command that "+
				"writes", text)
	}
	return most, nil
}

// MaxIntervalsOf is how many intervals the rows of gold.users hold at most; 0: any number, as in lakes of before.
func MaxIntervalsOf(gold *table.Table) int {
	most, err := strconv.Atoi(gold.Properties()[propertyMaxIntervals])
	if err != nil || most < 0 {
		return 0 // it is no setting of ours, and the next round makes gold anew
	}
	return most
}

// MaxIntervalsProperty is what gold.users carries once its rows hold no more.
func MaxIntervalsProperty(most int) iceberg.Properties {
	return iceberg.Properties{propertyMaxIntervals: strconv.Itoa(most)}
}

package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// propertyLast begins the names of the properties of ops.checks that say how something ended last.
const propertyLast = "versionlake.last-"

// Outcome is how a maintenance or a verify ended.
type Outcome struct {
	At    time.Time `json:"at"`
	Count int       `json:"count"` // of differences, or of steps that failed
	Text  string    `json:"text"`
	// SucceededAt is when the last one ended that counted nothing.
	SucceededAt time.Time `json:"succeeded_at"`
}

// Remember keeps in the lake how something ended, so that its check can tell.
func Remember(ctx context.Context, l *lake.Lake, what string, outcome Outcome) error {
	outcome.At = outcome.At.UTC().Truncate(time.Second)
	outcome.Text = Cut(userOfURL.ReplaceAllString(outcome.Text, "//…@"), longestText)
	err := l.Commit(ctx, lake.OpsChecks, func(loaded *table.Table) (*lake.Change, error) {
		before, err := lastOf(loaded, what)
		if err != nil {
			return nil, err
		}
		if outcome.SucceededAt = before.SucceededAt; outcome.Count == 0 {
			outcome.SucceededAt = outcome.At
		}
		text, err := json.Marshal(outcome)
		return lake.MetadataChange(loaded, iceberg.Properties{propertyLast + what: string(text)}), err
	})
	if err != nil {
		return fmt.Errorf("remember how %s ended: %w", what, err)
	}
	return nil
}

// Remembered is how something ended last; nothing where it never did.
func Remembered(ctx context.Context, l *lake.Lake, what string) (Outcome, error) {
	loaded, err := l.Load(ctx, lake.OpsChecks)
	if errors.Is(err, lake.ErrNoLake) {
		return Outcome{}, nil // a lake that is older than the table, and was not opened for writing since
	}
	if err != nil {
		return Outcome{}, err
	}
	return lastOf(loaded, what)
}

func lastOf(loaded *table.Table, what string) (last Outcome, err error) {
	if text := loaded.Properties()[propertyLast+what]; text != "" {
		if err = json.Unmarshal([]byte(text), &last); err != nil {
			err = fmt.Errorf("the property %s%s of ops.checks is damaged: %w; remove it in the catalog",
				propertyLast, what,
				err)
		}
	}
	return last, err
}

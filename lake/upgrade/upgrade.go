// Package upgrade brings a lake of an earlier version to the present form: what does not come by itself when the lake
// is opened.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Step is a part of an upgrade. Each is safe to be killed in, and finds nothing to do once it was done.
type Step struct {
	Does string `json:"does"`
	// About is how long it may take, guessed from what lies in the tables.
	About time.Duration `json:"about_ns"`
	run   func(context.Context, *lake.Lake, func(read int64)) error
}

// Plan is what an upgrade does.
type Plan struct {
	// Steps in their order. The first keeps programs of the version before from writing, the last lets those of this
	// version write: after a kill in between the lake is only read, until another upgrade ends.
	Steps []Step `json:"steps"`
	// Notes tell what stays as it is, or comes later.
	Notes []string `json:"notes,omitempty"`
}

// perCommit is about what a change of a table's metadata takes.
const perCommit = 20 * time.Millisecond

// New looks what a lake lacks that lake.OpenExisting gave; no step where nothing. Errors: lake.ErrNewer.
func New(ctx context.Context, l *lake.Lake) (plan Plan, err error) {
	if err := l.RefuseUnknown(ctx); err != nil {
		return plan, err
	}
	forms, err := readForms(ctx, l)
	if err != nil {
		return plan, err
	}
	if find(forms, lake.OpsHours) == nil {
		return plan, lake.ErrNoLake
	}
	added, err := columns(forms)
	if err != nil {
		return plan, err
	}
	anew, notes, err := remade(forms)
	if err != nil {
		return plan, err
	}
	plan.Steps = []Step{} // also where none is needed
	for _, step := range []*Step{closed(forms), made(forms), added, settled(forms), ruled(forms), anew, opened(forms)} {
		if step != nil {
			plan.Steps = append(plan.Steps, *step)
		}
	}
	if len(plan.Steps) == 0 {
		return plan, nil
	}
	silver, err := olderSilver(ctx, l)
	plan.Notes = append(append(notes, silver...), following(forms)...)
	return plan, err
}

// Run does the steps. begin is told of each, and of the rows that it has read so far. Errors: those of lake.Lake.Claim,
// before anything is done.
func (p Plan) Run(ctx context.Context, l *lake.Lake, begin func(step Step, read int64)) error {
	if err := l.Claim(ctx); err != nil {
		return err
	}
	for _, step := range p.Steps {
		begin(step, 0)
		if err := step.run(ctx, l, func(read int64) { begin(step, read) }); err != nil {
			return fmt.Errorf("%s: %w; upgrade again to go on", step.Does, err)
		}
	}
	return nil
}

// form is a table as it is.
type form struct {
	lake.TableDefinition
	loaded *table.Table // nil: there is none
}

func readForms(ctx context.Context, l *lake.Lake) (forms []form, err error) {
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(ctx, definition)
		if err != nil && !errors.Is(err, lake.ErrNoLake) {
			return nil, err
		}
		if loaded != nil {
			if err := sameDivision(l, definition, loaded); err != nil {
				return nil, err
			}
		}
		forms = append(forms, form{definition, loaded})
	}
	return forms, nil
}

// sameDivision refuses a table that is divided in another way than this version divides it: no version since
// November 28, 2026 did.
func sameDivision(l *lake.Lake, definition lake.TableDefinition, loaded *table.Table) error {
	have, want := loaded.Spec(), definition.Spec(l.Config.Buckets)
	same := have.NumFields() == want.NumFields()
	for i := range have.NumFields() {
		a, b := have.Field(i), want.Field(min(i, want.NumFields()-1))
		same = same && a.SourceIDs[0] == b.SourceIDs[0] &&
			(a.Transform.String() == b.Transform.String() || definition.BucketBy != "")
	}
	if !same {
		return fmt.Errorf("%s is divided by %s, and by %s in this version: upgrade has no way from there", definition.Name,
			have.String(), want.String())
	}
	return nil
}

// olderSilver tells of hours whose silver was made by older rules.
func olderSilver(ctx context.Context, l *lake.Lake) ([]string, error) {
	rows, err := ledger.Hours(ctx, l, math.MinInt32, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	older := 0
	for _, row := range rows {
		if row.State != ledger.HourEmpty && row.Rules < lake.Rules {
			older++
		}
	}
	if older == 0 {
		return nil, nil
	}
	return []string{fmt.Sprintf("the silver of %d hours was made by older rules, and stays: versionlake reprocess "+
		"--layer silver makes it anew from bronze", older)}, nil
}

// following tells what the next refresh brings.
func following(forms []form) []string {
	var names []string
	if find(forms, lake.GoldEvents) == nil {
		names = append(names, lake.GoldEvents.Name)
	}
	if counts := find(forms, lake.GoldVersionDaily); counts != nil && counts.CurrentSnapshot() != nil {
		if _, known := ledger.DailyStateOf(counts); !known {
			names = append(names, "the daily aggregates")
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{strings.Join(names, " and ") + " follow with the next hour, or by versionlake daily --refresh"}
}

// find is a table as it is; nil where there is none.
func find(forms []form, definition lake.TableDefinition) *table.Table {
	for _, f := range forms {
		if f.Name == definition.Name {
			return f.loaded
		}
	}
	return nil
}

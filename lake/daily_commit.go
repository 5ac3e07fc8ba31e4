package lake

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// DailyCommit is a refresh of the daily aggregates.
type DailyCommit struct {
	Dates    int   `json:"dates"`        // that were counted anew
	Versions int64 `json:"version_rows"` // rows of gold.version_daily after it
	Events   int64 `json:"event_rows"`   // rows of gold.event_daily after it
}

// CommitDaily makes the months that were counted visible, and notes what they reflect: gold.event_daily first, then
// gold.version_daily, from whose state the next refresh begins. Called again with the same plan it finishes what is missing.
// ErrConflict: another refresh was first; plan again.
func (l *Lake) CommitDaily(ctx context.Context, plan DailyPlan, counted []CountedDates) (result DailyCommit, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit the daily aggregates: %w", err)
		}
	}()
	staged, added, err := l.stagedDaily(plan, counted)
	if err != nil {
		return DailyCommit{}, err
	}
	result.Dates = plan.Dates
	for _, definition := range dailyTables {
		if err := l.commitDaily(ctx, definition, staged, added[definition.name]); err != nil {
			return DailyCommit{}, err
		}
	}
	err = l.rowsOfDaily(ctx, &result)
	return result, err
}

// stagedDaily reads what a refresh staged: its plan, and files by table.
func (l *Lake) stagedDaily(plan DailyPlan, counted []CountedDates) (staged *stagedDaily, added map[string][]dataFile, err error) {
	staged, added = &stagedDaily{}, map[string][]dataFile{}
	if err := l.readRound(plan.Ref, staged); err != nil {
		return nil, nil, err
	}
	for _, each := range counted {
		var counts stagedCounts
		if err := l.objects.readJSON(each.Ref, &counts); err != nil {
			return nil, nil, err
		}
		for _, file := range counts.Files {
			added[file.Table] = append(added[file.Table], file)
		}
	}
	return staged, added, nil
}

func (l *Lake) commitDaily(ctx context.Context, definition tableDefinition, staged *stagedDaily, added []dataFile) error {
	months := staged.months(definition.name == goldEventDaily.name)
	return l.commit(ctx, definition, func(loaded *table.Table) (*change, error) {
		if loaded.Properties()[propertyRound] == staged.Round {
			return nil, nil
		}
		if head := headOf(loaded); head != staged.Heads[definition.name] {
			return nil, fmt.Errorf("%w: %s is at snapshot %d, planned at %d", ErrConflict, definition.name, head, staged.Heads[definition.name])
		}
		live, err := monthFiles(ctx, loaded, headOf(loaded))
		if err != nil {
			return nil, err
		}
		var removed []iceberg.DataFile
		for month, files := range live {
			if months[month] {
				removed = append(removed, files...)
			}
		}
		wanted := metadataChange(loaded, staged.State.properties(staged.Round))
		if wanted == nil {
			return nil, nil
		}
		if erased := loaded.Properties()[propertyErased]; erased != "" && erased == staged.Erased[definition.name] {
			wanted.updates = append(wanted.updates, table.NewRemovePropertiesUpdate([]string{propertyErased}))
		}
		// A month whose rows are what they were keeps its file.
		same := map[string]bool{}
		for _, file := range removed {
			same[digest(file.FilePath())] = true
		}
		fresh := slices.DeleteFunc(slices.Clone(added), func(file dataFile) bool { return same[digest(file.Path)] })
		clear(same)
		for _, file := range added {
			same[digest(file.Path)] = true
		}
		wanted.remove = slices.DeleteFunc(removed, func(file iceberg.DataFile) bool { return same[digest(file.FilePath())] })
		wanted.summary = iceberg.Properties{summaryRound: staged.Round}
		wanted.add, err = l.entries(definition, fresh)
		return wanted, err
	})
}

// rowsOfDaily counts the rows of both tables.
func (l *Lake) rowsOfDaily(ctx context.Context, result *DailyCommit) error {
	for definition, rows := range map[*tableDefinition]*int64{&goldVersionDaily: &result.Versions, &goldEventDaily: &result.Events} {
		loaded, err := l.load(ctx, *definition)
		if err != nil {
			return err
		}
		if snapshot := loaded.CurrentSnapshot(); snapshot != nil && snapshot.Summary != nil {
			*rows, _ = strconv.ParseInt(snapshot.Summary.Properties["total-records"], 10, 64)
		}
	}
	return nil
}

// DropDaily removes what a refresh staged.
func (l *Lake) DropDaily(ctx context.Context, plan DailyPlan) error {
	var staged stagedDaily
	if err := l.objects.readJSON(plan.Ref, &staged); err != nil {
		return err
	}
	return l.objects.removeAll(ctx, l.dailyFolder(staged.Round))
}

package daily

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Committed is a refresh of the daily aggregates.
type Committed struct {
	Dates    int   `json:"dates"`        // that were counted anew
	Versions int64 `json:"version_rows"` // rows of gold.version_daily after it
	Events   int64 `json:"event_rows"`   // rows of gold.event_daily after it
}

// CommitDaily makes the months that were counted visible, and notes what they reflect: gold.event_daily first, then
// gold.version_daily, from whose state the next refresh begins. Called again with the same plan it finishes what is
// missing. ErrConflict: another refresh was first; plan again.
func CommitDaily(ctx context.Context, l *lake.Lake, plan Plan, counted []CountedDates) (result Committed, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit the daily aggregates: %w", err)
		}
	}()
	staged, added, err := StagedDaily(l, plan, counted)
	if err != nil {
		return Committed{}, err
	}
	result.Dates = plan.Dates
	for _, definition := range lake.DailyTables {
		if err := CommitTable(ctx, l, definition, staged, added[definition.Name]); err != nil {
			return Committed{}, err
		}
	}
	err = rowsOfDaily(ctx, l, &result)
	return result, err
}

// StagedDaily reads what a refresh staged: its plan, and files by table.
func StagedDaily(l *lake.Lake, plan Plan,
	counted []CountedDates) (staged *stagedDaily, added map[string][]lake.DataFile, err error) {
	staged, added = &stagedDaily{}, map[string][]lake.DataFile{}
	if err := l.ReadStaged(plan.Ref, staged); err != nil {
		return nil, nil, err
	}
	for _, each := range counted {
		var counts stagedCounts
		if err := l.Objects.ReadJSON(each.Ref, &counts); err != nil {
			return nil, nil, err
		}
		for _, file := range counts.Files {
			added[file.Table] = append(added[file.Table], file)
		}
	}
	return staged, added, nil
}

func CommitTable(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, staged *stagedDaily,
	added []lake.DataFile) error {
	months := staged.months(definition.Name == lake.GoldEventDaily.Name)
	return l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		if loaded.Properties()[ledger.PropertyRound] == staged.Round {
			return nil, nil
		}
		if head := lake.HeadOf(loaded); head != staged.Heads[definition.Name] {
			return nil, fmt.Errorf("%w: %s is at snapshot %d, planned at %d", lake.ErrConflict, definition.Name,
				head, staged.Heads[definition.Name])
		}
		live, err := monthFiles(ctx, loaded, lake.HeadOf(loaded))
		if err != nil {
			return nil, err
		}
		var removed []iceberg.DataFile
		for month, files := range live {
			if months[month] {
				removed = append(removed, files...)
			}
		}
		wanted := staged.State.Note(loaded, staged.Round)
		if wanted == nil {
			return nil, nil
		}
		if erased := loaded.Properties()[ledger.PropertyErased]; erased != "" &&
			erased == staged.Erased[definition.Name] {
			wanted.Updates = append(wanted.Updates, table.NewRemovePropertiesUpdate([]string{ledger.PropertyErased}))
		}
		// A month whose rows are what they were keeps its file.
		same := map[string]bool{}
		for _, file := range removed {
			same[lake.Digest(file.FilePath())] = true
		}
		fresh := slices.DeleteFunc(slices.Clone(added),
			func(file lake.DataFile) bool { return same[lake.Digest(file.Path)] })
		clear(same)
		for _, file := range added {
			same[lake.Digest(file.Path)] = true
		}
		wanted.Remove = slices.DeleteFunc(removed,
			func(file iceberg.DataFile) bool { return same[lake.Digest(file.FilePath())] })
		wanted.Summary = iceberg.Properties{lake.SummaryRound: staged.Round}
		wanted.Add, err = l.Entries(definition, fresh)
		return wanted, err
	})
}

// rowsOfDaily counts the rows of both tables.
func rowsOfDaily(ctx context.Context, l *lake.Lake, result *Committed) error {
	for definition, rows := range map[*lake.TableDefinition]*int64{&lake.GoldVersionDaily: &result.Versions,
		&lake.GoldEventDaily: &result.Events} {
		loaded, err := l.Load(ctx, *definition)
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
func DropDaily(ctx context.Context, l *lake.Lake, plan Plan) error {
	var staged stagedDaily
	if err := l.Objects.ReadJSON(plan.Ref, &staged); err != nil {
		return err
	}
	return l.Objects.RemoveAll(ctx, dailyFolder(l, staged.Round))
}

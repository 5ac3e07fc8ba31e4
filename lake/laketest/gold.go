package laketest

import (
	"context"
	"errors"
	"fmt"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
)

// tryCommitTables does so where a step may fail, or come to nothing since a user was forgotten.
func (in *Ingester) tryCommitTables(staged []hours.StagedHour, definitions ...lake.TableDefinition) error {
	in.TB.Helper()
	return in.try(func() error {
		c := hours.NewHoursCommit(in.Lake)
		if _, err := c.Begin(in.TB.Context(), staged); err != nil {
			return err
		}
		err := c.Gather(in.TB.Context())
		for _, definition := range definitions {
			if err == nil {
				err = c.Replace(in.TB.Context(), definition)
			}
		}
		return err
	})
}

// CommitTables commits only some tables of a staged hour, as a run that dies does.
func (in *Ingester) CommitTables(s StagedHour, definitions ...lake.TableDefinition) *hours.HoursCommit {
	in.TB.Helper()
	return in.CommitTablesOf([]hours.StagedHour{s.Ready()}, definitions...)
}

func (in *Ingester) CommitTablesOf(staged []hours.StagedHour, definitions ...lake.TableDefinition) *hours.HoursCommit {
	in.TB.Helper()
	c := hours.NewHoursCommit(in.Lake)
	_, err := c.Begin(in.TB.Context(), staged)
	in.Must(err)
	in.Must(c.Gather(in.TB.Context()))
	for _, definition := range definitions {
		in.Must(c.Replace(in.TB.Context(), definition))
	}
	return c
}

// Follow lets gold follow until it shows the runs, whoever else writes it.
func (in *Ingester) Follow(ctx context.Context, runs []lake.Run) error {
	for round := 0; len(runs) > 0 && round < 50; round++ {
		in.runs++
		plan, err := gold.PlanUsers(ctx, in.Lake, fmt.Sprintf("%s-round%d", runs[0].ID, in.runs), gold.Remake{},
			func(int64) {})
		if err != nil {
			return err
		}
		var merged []gold.Merged
		late := int64(0)
		for _, group := range plan.Groups {
			each, err := gold.MergeUsers(ctx, in.Lake, plan, group, func(int64) {})
			if err != nil {
				return err
			}
			merged, late = append(merged, each), late+each.Late
		}
		if late > 0 {
			each, err := gold.RebuildUsers(ctx, in.Lake, plan, merged, func(int64) {})
			if err != nil {
				return err
			}
			merged = append(merged, each)
		}
		commit, err := gold.CommitUsers(ctx, in.Lake, plan, merged, runs)
		if errors.Is(err, lake.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		runs = commit.Waiting
	}
	if len(runs) > 0 {
		return fmt.Errorf("gold never showed %v", runs)
	}
	return nil
}

// Reopen is another handle on the same lake, as another process has.
func (in *Ingester) Reopen() *Ingester {
	in.TB.Helper()
	l, err := lake.Open(in.TB.Context(), in.Lake.Config)
	in.Must(err)
	in.TB.Cleanup(func() { l.Close() })
	other := *in
	other.Lake, other.runs = l, in.runs+1000
	return &other
}

package laketest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
)

// CountDaily takes a refresh of the daily aggregates as far as its commit.
func (in *Ingester) CountDaily() (daily.Plan, []daily.CountedDates) {
	in.TB.Helper()
	ctx := in.TB.Context()
	var plan daily.Plan
	in.Do(func() (err error) {
		in.runs++ // a refresh is one attempt
		plan, err = daily.PlanDaily(ctx, in.Lake, fmt.Sprintf("daily%05d-%d", in.runs, time.Now().UnixNano()),
			func(int64) {})
		return err
	})
	var counted []daily.CountedDates
	for _, group := range plan.Groups {
		in.Do(func() error {
			each, err := daily.CountDates(ctx, in.Lake, plan, group, func(int64) {})
			if err == nil {
				counted = append(counted, each)
			}
			return err
		})
	}
	return plan, counted
}

// Daily refreshes the daily aggregates.
func (in *Ingester) Daily() daily.Committed {
	in.TB.Helper()
	plan, counted := in.CountDaily()
	var commit daily.Committed
	in.Do(func() (err error) {
		commit, err = daily.CommitDaily(in.TB.Context(), in.Lake, plan, counted)
		return err
	})
	in.Do(func() error { return daily.DropDaily(in.TB.Context(), in.Lake, plan) })
	return commit
}

// anyDaily refreshes them, or dies between the commits of the two tables, or is overtaken.
func (in *Ingester) anyDaily(r *rand.Rand) {
	in.TB.Helper()
	switch r.IntN(4) {
	case 0:
		plan, counted := in.CountDaily()
		in.Must(in.HalfCommitDaily(plan, counted))
	case 1:
		plan, counted := in.CountDaily()
		in.Daily()
		if _, err := daily.CommitDaily(in.TB.Context(), in.Lake, plan, counted); err != nil &&
			!errors.Is(err, lake.ErrConflict) {
			in.TB.Errorf("a refresh that was overtaken: %v", err)
		}
	default:
		in.Daily()
	}
}

// HalfCommitDaily commits the first table only.
func (in *Ingester) HalfCommitDaily(plan daily.Plan, counted []daily.CountedDates) error {
	staged, added, err := daily.StagedDaily(in.Lake, plan, counted)
	in.Must(err)
	return daily.CommitTable(in.TB.Context(), in.Lake, lake.DailyTables[0], staged, added[lake.DailyTables[0].Name])
}

package laketest

import (
	"fmt"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
)

// Events lets gold.events follow.
func (in *Ingester) Events() (followed events.Followed) {
	in.TB.Helper()
	in.Do(func() (err error) {
		in.runs++ // each try is an attempt
		followed, err = events.Follow(in.TB.Context(), in.Lake, fmt.Sprintf("events%05d-%d", in.runs,
			time.Now().UnixNano()), nil, func(int64) {})
		return err
	})
	return followed
}

// CountDaily takes a refresh of the daily aggregates as far as its commit; gold.events follows before it.
func (in *Ingester) CountDaily() (daily.Plan, []daily.CountedDates) {
	in.TB.Helper()
	in.Events()
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

// HalfCommitDaily commits the first table only.
func (in *Ingester) HalfCommitDaily(plan daily.Plan, counted []daily.CountedDates) error {
	staged, added, err := daily.StagedDaily(in.Lake, plan, counted)
	in.Must(err)
	return daily.CommitTable(in.TB.Context(), in.Lake, lake.DailyTables[0], staged, added[lake.DailyTables[0].Name])
}

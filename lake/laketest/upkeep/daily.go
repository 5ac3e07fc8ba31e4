package upkeep

import (
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/published"
)

// Events lets gold.events follow.
func Events(in *laketest.Ingester) (followed events.Followed) {
	in.TB.Helper()
	in.Do(func() (err error) { // each try is an attempt
		followed, err = events.Follow(in.TB.Context(), in.Lake, "events"+in.NewRun(), nil, func(int64) {})
		return err
	})
	return followed
}

// CountDaily takes a refresh of the daily aggregates as far as its commit; gold.events follows before it.
func CountDaily(in *laketest.Ingester) (daily.Plan, []daily.CountedDates) {
	in.TB.Helper()
	Events(in)
	ctx := in.TB.Context()
	var plan daily.Plan
	in.Do(func() (err error) {
		plan, err = daily.PlanDaily(ctx, in.Lake, "daily-"+in.NewRun(), func(int64) {}) // a refresh is one attempt
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

// Daily refreshes the daily aggregates, and publishes those of days that ended.
func Daily(in *laketest.Ingester) daily.Committed {
	in.TB.Helper()
	plan, counted := CountDaily(in)
	var commit daily.Committed
	in.Do(func() (err error) {
		commit, err = daily.CommitDaily(in.TB.Context(), in.Lake, plan, counted)
		return err
	})
	in.Do(func() error {
		_, err := published.Publish(in.TB.Context(), in.Lake,
			published.Options{Now: time.Now(), TagAge: published.DefaultTagAge})
		return err
	})
	in.Do(func() error { return daily.DropDaily(in.TB.Context(), in.Lake, plan) })
	return commit
}

// HalfCommitDaily commits the first table only.
func HalfCommitDaily(in *laketest.Ingester, plan daily.Plan, counted []daily.CountedDates) error {
	staged, added, err := daily.StagedDaily(in.Lake, plan, counted)
	in.Must(err)
	return daily.CommitTable(in.TB.Context(), in.Lake, lake.DailyTables[0], staged, added[lake.DailyTables[0].Name])
}

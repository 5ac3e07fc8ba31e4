// Package upkeep lets the daily aggregates of a test's lake follow, and maintains it, as the workflows do.
package upkeep

import (
	"context"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/maintain"
)

func All(ctx context.Context, l *lake.Lake, u maintain.Upkeep) (all []maintain.Saving, err error) {
	saving, err := maintain.SweepStaging(ctx, l, u.Grace, func(string) (bool, error) { return false, nil }, u.DryRun)
	if err != nil {
		return nil, err
	}
	all = append(all, saving)
	for _, name := range maintain.TableNames() {
		savings, err := maintain.MaintainTable(ctx, l, name, u, func(string) {})
		if err != nil {
			return nil, err
		}
		all = append(all, savings...)
	}
	return all, nil
}

// Now: nothing is kept for its age's sake.
var Now = maintain.Upkeep{}

// Maintain does what the workflow does, once.
func Maintain(in *laketest.Ingester, u maintain.Upkeep) (all []maintain.Saving) {
	in.TB.Helper()
	savings, err := All(in.TB.Context(), in.Lake, u)
	in.Must(err)
	return savings
}

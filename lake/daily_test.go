package lake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// countDaily takes a refresh of the daily aggregates as far as its commit.
func (in *ingester) countDaily() (DailyPlan, []CountedDates) {
	in.tb.Helper()
	ctx := in.tb.Context()
	in.runs++
	plan, err := in.lake.PlanDaily(ctx, fmt.Sprintf("daily%05d-%d", in.runs, time.Now().UnixNano()), func(int64) {})
	in.must(err)
	var counted []CountedDates
	for _, group := range plan.Groups {
		each, err := in.lake.CountDates(ctx, plan, group, func(int64) {})
		in.must(err)
		counted = append(counted, each)
	}
	return plan, counted
}

// daily refreshes the daily aggregates.
func (in *ingester) daily() DailyCommit {
	in.tb.Helper()
	plan, counted := in.countDaily()
	commit, err := in.lake.CommitDaily(in.tb.Context(), plan, counted)
	in.must(err)
	in.must(in.lake.DropDaily(in.tb.Context(), plan))
	return commit
}

// anyDaily refreshes them, or dies between the commits of the two tables, or is overtaken.
func (in *ingester) anyDaily(r *rand.Rand) {
	in.tb.Helper()
	switch r.IntN(4) {
	case 0:
		plan, counted := in.countDaily()
		in.must(in.halfCommitDaily(plan, counted))
	case 1:
		plan, counted := in.countDaily()
		in.daily()
		if _, err := in.lake.CommitDaily(in.tb.Context(), plan, counted); err != nil && !errors.Is(err, ErrConflict) {
			in.tb.Errorf("a refresh that was overtaken: %v", err)
		}
	default:
		in.daily()
	}
}

// halfCommitDaily commits the first table only.
func (in *ingester) halfCommitDaily(plan DailyPlan, counted []CountedDates) error {
	staged, added, err := in.lake.stagedDaily(plan, counted)
	in.must(err)
	return in.lake.commitDaily(in.tb.Context(), dailyTables[0], staged, added[dailyTables[0].name])
}

func TestDailyOfSmallWorld(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv",
		sighting("27T05:10", "s1", "1.0", "UserId", "p1", "Device", "D1"), event("27T05:20", "s1", "SessionEnd", "Duration", "90.5", "UserId", "p1", "Device", "D1"),
		event("27T05:30", "s2", "Notification", "Target", "1.1", "Status", "Sent"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	t.Log(in.daily())
	t.Log(dump[versionDailyRow](t, in.lake, goldVersionDaily))
	t.Log(dump[eventDailyRow](t, in.lake, goldEventDaily))
	t.Log(in.daily())
}

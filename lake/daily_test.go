package lake

import (
	"fmt"
	"testing"
	"time"
)

// daily refreshes the daily aggregates.
func (in *ingester) daily() DailyCommit {
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
	commit, err := in.lake.CommitDaily(ctx, plan, counted)
	in.must(err)
	in.must(in.lake.DropDaily(ctx, plan))
	return commit
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

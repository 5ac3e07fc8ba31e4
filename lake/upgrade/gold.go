package upgrade

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
)

// goldPerSecond is about how many bytes of silver.sightings, silver.bindings and gold.users a second takes in when gold
// is made anew.
const goldPerSecond = 2 << 20

// remade is the step that makes gold anew, where its rows are of older rules or lack what goes with them; with what
// keeps old answers.
func remade(forms []form) (*Step, []string, error) {
	users, keys := find(forms, lake.GoldUsers), find(forms, lake.GoldVersions)
	if users == nil || users.CurrentSnapshot() == nil {
		return nil, nil, nil
	}
	rules, err := lake.RulesOf(users)
	if err != nil {
		return nil, nil, err
	}
	whole := keys != nil && keys.CurrentSnapshot() != nil && ledger.MaxIntervalsOf(users) > 0
	if rules == lake.Rules && (whole || opened(forms) == nil) {
		return nil, nil, nil
	}
	bytes := sizeOf(users) + sizeOf(find(forms, lake.SilverSightings)) + sizeOf(find(forms, lake.SilverBindings))
	step := &Step{Does: "make gold.users and gold.versions anew from silver", run: makeGold,
		About: time.Duration(float64(bytes) / goldPerSecond * float64(time.Second))}
	if rules == lake.Rules {
		return step, nil, nil
	}
	return step, oldTags(users), nil
}

// oldTags says which tags keep the answers of older rules.
func oldTags(users *table.Table) []string {
	var last string
	n := 0
	for name, ref := range users.Metadata().Refs() {
		if ref.SnapshotRefType == table.TagRef {
			n, last = n+1, max(last, name)
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("--as-of a tag up to %s (there are %d) answers as before, by older rules", last, n)}
}

// sizeOf is how many bytes the data files of a table take, as its last commit says.
func sizeOf(loaded *table.Table) int64 {
	if loaded == nil || loaded.CurrentSnapshot() == nil || loaded.CurrentSnapshot().Summary == nil {
		return 0
	}
	size, _ := strconv.ParseInt(loaded.CurrentSnapshot().Summary.Properties["total-files-size"], 10, 64)
	return size
}

// makeGold does a round of the gold writer in this process: the workers that could do it may be of an earlier version.
func makeGold(ctx context.Context, l *lake.Lake, progress func(read int64)) (err error) {
	plan, err := gold.PlanUsers(ctx, l, fmt.Sprintf("upgrade-%d", time.Now().UnixNano()),
		gold.Scope{Remake: gold.Remake{All: true}}, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gold.DropRound(context.WithoutCancel(ctx), l, plan)) }()
	var merged []gold.Merged
	late := int64(0)
	for _, group := range plan.Groups {
		one, err := gold.MergeUsers(ctx, l, plan, group, progress)
		if err != nil {
			return err
		}
		merged, late = append(merged, one), late+one.Late
	}
	if late > 0 {
		one, err := gold.RebuildUsers(ctx, l, plan, merged, progress)
		if err != nil {
			return err
		}
		merged = append(merged, one)
	}
	_, err = gold.CommitUsers(ctx, l, plan, merged, nil)
	return err
}

package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// clockSkew is how far apart the clocks of two workers may be.
const clockSkew = 10 * time.Second

// verifyTags checks that each hour's tag points at a snapshot that shows the hour, and that no tag was moved.
func (v *verifier) verifyTags(ctx context.Context) error {
	// Where a commit says that it was given a tag, and when each snapshot ceased to be the head.
	given, until := map[string]int64{}, map[int64]time.Time{}
	for _, snapshot := range v.gold.Metadata().Snapshots() {
		if snapshot.ParentSnapshotID != nil {
			until[*snapshot.ParentSnapshotID] = time.UnixMilli(snapshot.TimestampMs)
		}
		if snapshot.Summary != nil {
			for _, tag := range strings.Fields(snapshot.Summary.Properties[lake.SummaryTags]) {
				given[tag] = snapshot.SnapshotID
			}
		}
	}
	refs := v.refs()
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		text, isHour := strings.CutPrefix(name, "hour-")
		text, _, _ = strings.Cut(text, ".")
		hour, err := telemetry.ParseHour(text)
		if !isHour || err != nil {
			continue // somebody's own
		}
		v.checked.Tags++
		at := refs[name].SnapshotID
		where := Difference{Rule: 3, Table: lake.GoldUsers.Name, Version: name, Hour: hour.String()}
		fault := ""
		switch was, known := given[name]; {
		case v.gold.SnapshotByID(at) == nil:
			fault = fmt.Sprintf("the tag points at snapshot %d, which is gone", at)
		case v.unsure[hour]:
		case len(v.ledger[hour]) == 0:
			fault = "the tag is of an hour that the ledger does not know"
		case known && was != at:
			fault = fmt.Sprintf("the tag was moved: snapshot %d was committed with it, and it points at %d", was, at)
		case !known:
			// The hour moved no row, or was there already: the tag went to what was the head when it was ready.
			ready := v.ledger[hour][0].FinishedAt
			if end, over := until[at]; over && end.Before(ready.Add(-clockSkew)) {
				fault = fmt.Sprintf("the tag points at snapshot %d, which does not show the hour: it was "+
					"replaced at %s, and the hour was ready at %s",
					at, end.UTC().Format(time.RFC3339Nano), ready.Format(time.RFC3339Nano))
			}
		}
		if fault != "" {
			v.differ(where, "%s", fault)
		}
	}
	return v.verifyReflected(ctx)
}

// verifyReflected checks that no version of gold goes back behind the silver that the one before it reflects.
func (v *verifier) verifyReflected(ctx context.Context) error {
	for snapshot := v.gold.CurrentSnapshot(); snapshot != nil; snapshot = parentOf(v.gold, snapshot) {
		parent := parentOf(v.gold, snapshot)
		if parent == nil {
			break
		}
		after, before := ledger.BaseOf(snapshot), ledger.BaseOf(parent)
		if !after.Known || !before.Known {
			continue
		}
		for _, part := range []struct {
			definition    lake.TableDefinition
			before, after int64
		}{{lake.SilverSightings, before.Sightings, after.Sightings},
			{lake.SilverBindings, before.Bindings, after.Bindings}} {
			loaded := v.tables[part.definition.Name]
			from, to := loaded.SnapshotByID(part.before), loaded.SnapshotByID(part.after)
			if from != nil && to != nil && to.SequenceNumber < from.SequenceNumber || part.before != 0 &&
				part.after == 0 {
				v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name,
					Version: fmt.Sprint(snapshot.SnapshotID)},
					"it reflects snapshot %d of %s, which is older than snapshot %d that the version before it "+
						"reflects",
					part.after, part.definition.Name, part.before)
			}
		}
	}
	return ctx.Err()
}

// refs are all names of snapshots but the main branch.
func (v *verifier) refs() map[string]table.SnapshotRef {
	refs := map[string]table.SnapshotRef{}
	for name, ref := range v.gold.Metadata().Refs() {
		if name != table.MainBranch {
			refs[name] = ref
		}
	}
	return refs
}

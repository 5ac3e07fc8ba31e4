package maintain

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// follower is a table that says which snapshot of another table it reflects: 0 stands for none, before all others.
// One that is to be made anew from what there is reflects nothing, and needs no log.
type follower struct {
	table    lake.TableDefinition
	reflects func(follower *table.Table) (snapshot int64, known bool)
}

// followers are what reads a table's log of snapshots: expiry keeps the snapshot that they have reached, and all
// after it.
func followers(definition lake.TableDefinition) (all []follower) {
	daily := func(snapshot func(ledger.DailyState) int64) {
		for _, each := range lake.DailyTables {
			all = append(all, follower{each, func(loaded *table.Table) (int64, bool) {
				state, known := ledger.DailyStateOf(loaded)
				return snapshot(state), known
			}})
		}
	}
	events := func(snapshot func(ledger.EventsState) int64) {
		all = append(all, follower{lake.GoldEvents, func(loaded *table.Table) (int64, bool) {
			state, known := ledger.EventsStateOf(loaded)
			return snapshot(state), known
		}})
	}
	switch definition.Name {
	case lake.SilverSightings.Name:
		all = append(all, follower{lake.GoldUsers, inSummary(lake.SummarySightings)})
		daily(func(s ledger.DailyState) int64 { return s.Sightings })
		events(func(s ledger.EventsState) int64 { return s.Sightings })
	case lake.SilverBindings.Name:
		all = append(all, follower{lake.GoldUsers, inSummary(lake.SummaryBindings)})
		daily(func(s ledger.DailyState) int64 { return s.Bindings })
		events(func(s ledger.EventsState) int64 { return s.Bindings })
	case lake.SilverEvents.Name:
		daily(func(s ledger.DailyState) int64 { return s.Events })
		events(func(s ledger.EventsState) int64 { return s.Events })
	case lake.GoldUsers.Name:
		daily(func(s ledger.DailyState) int64 { return s.Users })
	}
	return all
}

// expiry is what a table no longer needs.
type expiry struct {
	snapshots []int64
	tags      []string
}

// expire drops the snapshots of a table that are older than an age, and the tags that are older than their own. The
// files stay until sweep removes them.
func expire(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, age time.Duration,
	dryRun bool) (snapshots, tags Saving, err error) {
	snapshots = Saving{Table: definition.Name, Step: StepExpire, What: "snapshots"}
	tags = Saving{Table: definition.Name, Step: StepExpire, What: "tags"}
	// The followers first: they only move on.
	reached, err := reached(ctx, l, definition)
	if err != nil {
		return snapshots, tags, err
	}
	err = change(ctx, l, definition, dryRun, func(loaded *table.Table) (*lake.Change, error) {
		found := expired(loaded, reached, time.Now(), age)
		snapshots.Before = int64(len(loaded.Metadata().Snapshots()))
		snapshots.After = snapshots.Before - int64(len(found.snapshots))
		tags.Before = int64(len(tagNames(loaded)))
		tags.After = tags.Before - int64(len(found.tags))
		wanted := found.change(loaded)
		if loaded.Properties()[table.MetadataPreviousVersionsMaxKey] == "" {
			// Tables that were made before this was one of their properties.
			wanted.Updates = append(wanted.Updates, table.NewSetPropertiesUpdate(lake.MetadataVersions))
		}
		return wanted, nil
	})
	return snapshots, tags, err
}

// reached are the snapshots of a table that its followers reflect.
func reached(ctx context.Context, l *lake.Lake, definition lake.TableDefinition) (ids []int64, err error) {
	for _, f := range followers(definition) {
		loaded, err := l.Load(ctx, f.table)
		if err != nil {
			return nil, err
		}
		if id, known := f.reflects(loaded); known {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// inSummary reads what a table's head reflects from the summary of its last commit that is not a compaction.
func inSummary(key string) func(*table.Table) (int64, bool) {
	return func(loaded *table.Table) (int64, bool) {
		snapshot := lastChange(loaded)
		if snapshot == nil || snapshot.Summary == nil {
			return 0, true
		}
		id, err := strconv.ParseInt(snapshot.Summary.Properties[key], 10, 64)
		if err != nil {
			return 0, true
		}
		return id, true
	}
}

// lastChange is the newest snapshot of a table that is not a compaction.
func lastChange(loaded *table.Table) *table.Snapshot {
	snapshot := loaded.CurrentSnapshot()
	for snapshot != nil && snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace &&
		snapshot.ParentSnapshotID != nil {
		snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return snapshot
}

// expired finds what a table no longer needs at a moment. It keeps
//   - tags of their age, and what they name,
//   - the snapshots that lead to the head, as far back as the age says, and as the followers have reached,
//   - of gold.users, the last commit that says what it reflects: of a table that rests, the head may be a compaction.
func expired(loaded *table.Table, reached []int64, now time.Time, age time.Duration) (found expiry) {
	keep := map[int64]bool{}
	for name, ref := range loaded.Metadata().Refs() {
		if tagIsOld(loaded, ref, now) {
			found.tags = append(found.tags, name)
		} else {
			keep[ref.SnapshotID] = true
		}
	}
	oldest := now.Add(-age).UnixMilli()
	ancestry := ancestors(loaded)
	for _, snapshot := range ancestry[:neededAncestors(loaded, ancestry, reached, oldest)] {
		keep[snapshot.SnapshotID] = true
	}
	leads := map[int64]bool{}
	for _, snapshot := range ancestry {
		leads[snapshot.SnapshotID] = true
	}
	for _, snapshot := range loaded.Metadata().Snapshots() {
		// One that does not lead to the head, since someone turned the table back, goes by its age alone.
		if !keep[snapshot.SnapshotID] && (leads[snapshot.SnapshotID] || snapshot.TimestampMs < oldest) {
			found.snapshots = append(found.snapshots, snapshot.SnapshotID)
		}
	}
	return found
}

// tagIsOld tells whether a reference is a tag whose snapshot is older than the tag is kept.
func tagIsOld(loaded *table.Table, ref table.SnapshotRef, now time.Time) bool {
	snapshot := loaded.SnapshotByID(ref.SnapshotID)
	return ref.SnapshotRefType == table.TagRef && snapshot != nil && ref.MaxRefAgeMs != nil &&
		now.UnixMilli()-snapshot.TimestampMs > *ref.MaxRefAgeMs
}

// neededAncestors is how many snapshots are kept of those that lead to the head, from the head back. oldest is in
// milliseconds since 1970.
func neededAncestors(loaded *table.Table, ancestry []table.Snapshot, reached []int64, oldest int64) (needed int) {
	last := int64(0)
	if change := lastChange(loaded); change != nil && lake.TableName(loaded) == lake.GoldUsers.Name {
		last = change.SnapshotID
	}
	for i, snapshot := range ancestry {
		if i == 0 || snapshot.TimestampMs >= oldest || snapshot.SnapshotID == last ||
			slices.Contains(reached, snapshot.SnapshotID) {
			needed = i + 1
		}
	}
	if slices.Contains(reached, 0) { // a follower has not begun
		needed = len(ancestry)
	}
	return needed
}

// ancestors are the snapshots that lead to the head, from it back to the oldest that is still there.
func ancestors(loaded *table.Table) (ancestry []table.Snapshot) {
	snapshot := loaded.CurrentSnapshot()
	for snapshot != nil {
		ancestry = append(ancestry, *snapshot)
		if snapshot.ParentSnapshotID == nil {
			break
		}
		snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return ancestry
}

// change drops tags before the snapshots that they name. It counts only while main and those tags are where they were
// seen: whoever names a snapshot in between wins.
func (e expiry) change(loaded *table.Table) *lake.Change {
	wanted := &lake.Change{}
	refs := maps.Collect(loaded.Metadata().Refs())
	fence := func(name string, id int64) {
		wanted.Requirements = append(wanted.Requirements, table.AssertRefSnapshotID(name, &id))
	}
	if main, ok := refs[table.MainBranch]; ok {
		fence(table.MainBranch, main.SnapshotID)
	}
	for _, tag := range e.tags {
		fence(tag, refs[tag].SnapshotID)
		wanted.Updates = append(wanted.Updates, table.NewRemoveSnapshotRefUpdate(tag))
	}
	if len(e.snapshots) > 0 {
		wanted.Updates = append(wanted.Updates, table.NewRemoveSnapshotsUpdate(e.snapshots, false))
	}
	return wanted
}

func tagNames(loaded *table.Table) (names []string) {
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotRefType == table.TagRef {
			names = append(names, name)
		}
	}
	return names
}

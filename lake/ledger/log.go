package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// Base is what gold reflects: snapshots of the silver tables, 0 for none.
type Base struct {
	Sightings, Bindings int64
	Known               bool // false: gold must be rebuilt
}

// GoldBase finds what gold's head goes back to. Gold starts anew where that is no commit of ours, where its rows are
// of older rules, and where an older program went on with a lake that was upgraded.
func GoldBase(gold *table.Table) Base {
	if number, err := lake.RulesOf(gold); err != nil || number != lake.Rules {
		return Base{}
	}
	snapshot := GoldCommit(gold)
	if snapshot == nil || gold.Properties()[lake.PropertyFormat] != "" &&
		snapshot.Summary.Properties[lake.PropertyFormat] == "" &&
		gold.Properties()[PropertyUpgraded] != strconv.FormatInt(snapshot.SnapshotID, 10) {
		return Base{}
	}
	if since, base := reflected(gold); since == snapshot.SnapshotID {
		return base
	}
	return BaseOf(snapshot)
}

// PropertyReflects says, of a commit of gold.users, which snapshots of silver were looked at since and change no row of
// it: the commit, silver.sightings', silver.bindings'.
const PropertyReflects = "versionlake.reflects"

func reflected(gold *table.Table) (since int64, base Base) {
	_, err := fmt.Sscan(gold.Properties()[PropertyReflects], &since, &base.Sightings, &base.Bindings)
	base.Known = err == nil
	return since, base
}

// Reflecting lets gold say that it reflects these snapshots of silver, too, which change no row; nothing where it does.
func Reflecting(gold *table.Table, sightings, bindings int64) []table.Update {
	head := GoldCommit(gold)
	if head == nil || GoldBase(gold) == (Base{sightings, bindings, true}) {
		return nil
	}
	return []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{
		PropertyReflects: fmt.Sprint(head.SnapshotID, sightings, bindings)})}
}

// PropertyUpgraded is the last commit of gold.users before the lake was upgraded: of those without a format, the only
// one that counts.
const PropertyUpgraded = "versionlake.upgraded-at"

// GoldCommit is the commit that gold's head goes back to. Compaction makes snapshots without our keys, which move no
// row; anything else without them was not ours, and then it is nil.
func GoldCommit(gold *table.Table) *table.Snapshot {
	for snapshot := gold.CurrentSnapshot(); snapshot != nil; {
		if BaseOf(snapshot).Known {
			return snapshot
		}
		if snapshot.Summary == nil || snapshot.Summary.Operation != table.OpReplace ||
			snapshot.ParentSnapshotID == nil {
			return nil
		}
		snapshot = gold.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return nil
}

// BaseOf reads what a commit of gold says that it reflects; not known where it says nothing.
func BaseOf(snapshot *table.Snapshot) Base {
	if snapshot.Summary == nil {
		return Base{}
	}
	sightings, err1 := strconv.ParseInt(snapshot.Summary.Properties[lake.SummarySightings], 10, 64)
	bindings, err2 := strconv.ParseInt(snapshot.Summary.Properties[lake.SummaryBindings], 10, 64)
	return Base{Sightings: sightings, Bindings: bindings, Known: err1 == nil && err2 == nil}
}

// LogEntry is a snapshot of a silver table that gold has not reached.
type LogEntry struct {
	Snapshot  int64
	committed int64 // milliseconds since 1970
	Runs      []lake.Run
	// compaction changed no row.
	Compaction bool
}

// CommittedAt is when the snapshot was made.
func (e *LogEntry) CommittedAt() time.Time { return time.UnixMilli(e.committed).UTC() }

// Since lists the snapshots after the base, oldest first; false when the base is no longer an ancestor.
func Since(loaded *table.Table, after int64) (entries []LogEntry, ok bool) {
	for snapshot := loaded.CurrentSnapshot(); snapshot !=
		nil; snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID) {
		if snapshot.SnapshotID == after {
			slices.Reverse(entries)
			return entries, true
		}
		entry := LogEntry{Snapshot: snapshot.SnapshotID, committed: snapshot.TimestampMs, Runs: lake.RunsIn(snapshot)}
		entry.Compaction = snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace
		entries = append(entries, entry)
		if snapshot.ParentSnapshotID == nil {
			break
		}
	}
	slices.Reverse(entries)
	return entries, after == 0
}

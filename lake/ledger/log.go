package ledger

import (
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// Base is what gold reflects: snapshots of the silver tables, 0 for none.
type Base struct {
	Sightings, Bindings int64
	Known               bool // false: gold must be rebuilt
}

// GoldBase finds the commit that gold's head goes back to. Compaction makes snapshots without our keys, which move
// no row; anything else without them was not ours, and then gold starts anew, as it does where its rows are of
// older rules.
func GoldBase(gold *table.Table) Base {
	if number, err := lake.RulesOf(gold); err != nil || number != lake.Rules {
		return Base{}
	}
	for snapshot := gold.CurrentSnapshot(); snapshot != nil; {
		if b := BaseOf(snapshot); b.Known {
			return b
		}
		if snapshot.Summary == nil || snapshot.Summary.Operation != table.OpReplace ||
			snapshot.ParentSnapshotID == nil {
			return Base{}
		}
		snapshot = gold.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return Base{}
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

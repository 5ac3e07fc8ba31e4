package lake

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// Keys of gold's snapshot summaries: what each commit reflects.
const (
	summaryRound     = "versionlake.round"
	summarySightings = "versionlake.sightings-snapshot"
	summaryBindings  = "versionlake.bindings-snapshot"
	summaryTags      = "versionlake.tags" // given with the commit: what moves a tag later on does not move this
)

// base is what gold reflects: snapshots of the silver tables, 0 for none.
type base struct {
	sightings, bindings int64
	known               bool // false: gold must be rebuilt
}

// goldBase finds the commit that gold's head goes back to. Compaction makes snapshots without our keys, which move no
// row; anything else without them was not ours, and then gold starts anew, as it does where its rows are of older rules.
func goldBase(gold *table.Table) base {
	if number, err := rulesOf(gold); err != nil || number != Rules {
		return base{}
	}
	for snapshot := gold.CurrentSnapshot(); snapshot != nil; {
		if b := baseOf(snapshot); b.known {
			return b
		}
		if snapshot.Summary == nil || snapshot.Summary.Operation != table.OpReplace || snapshot.ParentSnapshotID == nil {
			return base{}
		}
		snapshot = gold.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return base{}
}

// baseOf reads what a commit of gold says that it reflects; not known where it says nothing.
func baseOf(snapshot *table.Snapshot) base {
	if snapshot.Summary == nil {
		return base{}
	}
	sightings, err1 := strconv.ParseInt(snapshot.Summary.Properties[summarySightings], 10, 64)
	bindings, err2 := strconv.ParseInt(snapshot.Summary.Properties[summaryBindings], 10, 64)
	return base{sightings: sightings, bindings: bindings, known: err1 == nil && err2 == nil}
}

// logEntry is a snapshot of a silver table that gold has not reached.
type logEntry struct {
	snapshot  int64
	committed int64 // milliseconds since 1970
	runs      []Run
	// compaction changed no row.
	compaction bool
}

// log lists the snapshots after the base, oldest first; false when the base is no longer an ancestor.
func log(loaded *table.Table, after int64) (entries []logEntry, ok bool) {
	for snapshot := loaded.CurrentSnapshot(); snapshot != nil; snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID) {
		if snapshot.SnapshotID == after {
			slices.Reverse(entries)
			return entries, true
		}
		entry := logEntry{snapshot: snapshot.SnapshotID, committed: snapshot.TimestampMs, runs: runsIn(snapshot)}
		entry.compaction = snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace
		entries = append(entries, entry)
		if snapshot.ParentSnapshotID == nil {
			break
		}
	}
	slices.Reverse(entries)
	return entries, after == 0
}

// settledPrefix cuts logs so that every run is in whole or not at all: an hour commits its tables one after the other, and
// gold must not see one without the other. A run is settled when the ledger has it, or a later run of its hour.
func settledPrefix(settled settled, logs ...[]logEntry) (cuts []int) {
	cuts = make([]int, len(logs))
	for i, entries := range logs {
		cuts[i] = len(entries)
		if at := slices.IndexFunc(entries, settled.misses); at >= 0 {
			cuts[i] = at
		}
	}
	for again := true; again; {
		again = false
		for i, entries := range logs {
			for j, other := range logs {
				if at := firstOf(entries[:cuts[i]], runsOf(other[cuts[j]:])); at < cuts[i] {
					cuts[i], again = at, true
				}
			}
		}
	}
	return cuts
}

// settled tells whether a run is over that committed to a table at a time, in milliseconds since 1970.
type settled func(run Run, committed int64) bool

// misses tells that a run of the entry is not over.
func (s settled) misses(entry logEntry) bool {
	return slices.ContainsFunc(entry.runs, func(run Run) bool { return !s(run, entry.committed) })
}

func runsOf(entries []logEntry) map[Run]bool {
	runs := map[Run]bool{}
	for _, entry := range entries {
		for _, run := range entry.runs {
			runs[run] = true
		}
	}
	return runs
}

func firstOf(entries []logEntry, runs map[Run]bool) int {
	for i, entry := range entries {
		if slices.ContainsFunc(entry.runs, func(run Run) bool { return runs[run] }) {
			return i
		}
	}
	return len(entries)
}

// unsettledHours names the hours whose runs are under way, or were given up half-way.
func unsettledHours(entries []logEntry, settled settled) []string {
	var hours []string
	for _, entry := range entries {
		for _, run := range entry.runs {
			if !settled(run, entry.committed) {
				hours = append(hours, run.Hour.String())
			}
		}
	}
	slices.Sort(hours)
	return slices.Compact(hours)
}

// ledger knows which runs are over: it has their row, or that of a run of the same hour that ended later (its own was given
// up half-way, and what it left is part of what the later one found).
type ledger struct {
	lake    *Lake
	hours   *table.Table
	since   int64 // milliseconds since 1970; runs that ended before may be known by their row alone
	runs    map[Run]bool
	lastEnd map[telemetry.Hour]int64 // milliseconds since 1970
}

func (l *Lake) openLedger(ctx context.Context) (*ledger, error) {
	hours, err := l.load(ctx, opsHours)
	if err != nil {
		return nil, err
	}
	known := &ledger{lake: l, hours: hours, since: knownSince(hours), runs: map[Run]bool{}, lastEnd: map[telemetry.Hour]int64{}}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range runsIn(&snapshot) {
			known.runs[run] = true
			known.lastEnd[run.Hour] = snapshot.TimestampMs
		}
	}
	return known, nil
}

// settled tells whether a run is over.
func (k *ledger) settled(run Run, committed int64) bool {
	end, ended := k.lastEnd[run.Hour]
	return k.runs[run] || ended && end > committed
}

// learn reads the rows of runs whose snapshots may have been expired.
func (k *ledger) learn(ctx context.Context, entries []logEntry) error {
	first, last := telemetry.Hour(math.MaxInt64), telemetry.Hour(math.MinInt64)
	for _, entry := range entries {
		for _, run := range entry.runs {
			if !k.settled(run, entry.committed) && entry.committed <= k.since {
				first, last = min(first, run.Hour), max(last, run.Hour)
			}
		}
	}
	if first > last {
		return nil
	}
	rows, err := k.lake.hourRowsOf(ctx, k.hours, first, last+1)
	if err != nil {
		return err
	}
	for _, row := range rows {
		k.runs[Run{Hour: row.Hour, ID: row.RunID}] = true
		k.lastEnd[row.Hour] = max(k.lastEnd[row.Hour], row.FinishedAt.UnixMilli())
	}
	return nil
}

// knownSince is when the oldest snapshot of a table was made before which others were expired, in milliseconds since
// 1970; 0 when all are there.
func knownSince(loaded *table.Table) int64 {
	oldest := loaded.CurrentSnapshot()
	for oldest != nil && oldest.ParentSnapshotID != nil {
		parent := loaded.SnapshotByID(*oldest.ParentSnapshotID)
		if parent == nil {
			return oldest.TimestampMs
		}
		oldest = parent
	}
	return 0
}

// changedFiles are the files of a silver table, or their parts, that came and went between two snapshots; compaction is passed over.
type changedFiles struct {
	added, removed []iceberg.DataFile
}

// changesBetween reads the log from one snapshot (0: from the beginning) to another.
func (l *Lake) changesBetween(ctx context.Context, loaded *table.Table, from, to int64) (changes changedFiles, err error) {
	if to == 0 || from == to {
		return changes, nil
	}
	if from == 0 {
		changes.added, err = liveFiles(ctx, loaded, table.WithSnapshotID(to))
		return changes, err
	}
	definition, err := definitionOf(tableName(loaded))
	if err != nil {
		return changes, err
	}
	added, removed := map[string]iceberg.DataFile{}, map[string]iceberg.DataFile{}
	if rewritten(loaded, from, to) {
		err = compareFiles(ctx, loaded, from, to, added, removed)
	} else {
		err = readChangelog(ctx, loaded, from, to, added, removed)
	}
	if err != nil {
		return changes, err
	}
	return l.cancelUnchanged(ctx, definition, added, removed)
}

// readChangelog gathers the files that came and went, at a cost that grows with the change alone.
func readChangelog(ctx context.Context, loaded *table.Table, from, to int64, added, removed map[string]iceberg.DataFile) error {
	tasks, err := loaded.NewIncrementalChangelogScan().FromSnapshotExclusive(from).ToSnapshot(to).PlanFiles(ctx)
	if err != nil {
		return fmt.Errorf("read the log of %v from %d to %d: %w", loaded.Identifier(), from, to, err)
	}
	for _, task := range tasks {
		file := task.ScanTask().File
		if task.Operation() == table.ChangelogOpInsert {
			added[file.FilePath()] = file
			continue
		}
		if _, both := added[file.FilePath()]; both {
			delete(added, file.FilePath()) // came and went in between: nobody saw it
			continue
		}
		removed[file.FilePath()] = file
	}
	return nil
}

// rewritten tells whether a compaction lies among other changes. Then a row may have come in one file and gone in
// another, which looks like one that stayed.
func rewritten(loaded *table.Table, from, to int64) bool {
	compacted, changed := false, false
	for snapshot := loaded.SnapshotByID(to); snapshot != nil && snapshot.SnapshotID != from; {
		replaced := snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace
		compacted, changed = compacted || replaced, changed || !replaced
		if snapshot.ParentSnapshotID == nil {
			break
		}
		snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return compacted && changed
}

// compareFiles compares the files of two snapshots: right whatever happened in between, and as slow as the table is large.
func compareFiles(ctx context.Context, loaded *table.Table, from, to int64, added, removed map[string]iceberg.DataFile) error {
	before, err := liveFiles(ctx, loaded, table.WithSnapshotID(from))
	if err != nil {
		return err
	}
	after, err := liveFiles(ctx, loaded, table.WithSnapshotID(to))
	if err != nil {
		return err
	}
	for _, file := range before {
		removed[file.FilePath()] = file
	}
	for _, file := range after {
		if _, both := removed[file.FilePath()]; both {
			delete(removed, file.FilePath())
			continue
		}
		added[file.FilePath()] = file
	}
	return nil
}

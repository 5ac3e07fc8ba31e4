package ledger

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
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

// SettledPrefix cuts logs so that every run is in whole or not at all: an hour commits its tables one after the
// other, and gold must not see one without the other. A run is settled when the ledger has it, or a later run of
// its hour.
func SettledPrefix(settled settled, logs ...[]LogEntry) (cuts []int) {
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
				if at := firstOf(entries[:cuts[i]], RunsIn(other[cuts[j]:])); at < cuts[i] {
					cuts[i], again = at, true
				}
			}
		}
	}
	return cuts
}

// settled tells whether a run is over that committed to a table at a time, in milliseconds since 1970.
type settled func(run lake.Run, committed int64) bool

// misses tells that a run of the entry is not over.
func (s settled) misses(entry LogEntry) bool {
	return slices.ContainsFunc(entry.Runs, func(run lake.Run) bool { return !s(run, entry.committed) })
}

func RunsIn(entries []LogEntry) map[lake.Run]bool {
	runs := map[lake.Run]bool{}
	for _, entry := range entries {
		for _, run := range entry.Runs {
			runs[run] = true
		}
	}
	return runs
}

func firstOf(entries []LogEntry, runs map[lake.Run]bool) int {
	for i, entry := range entries {
		if slices.ContainsFunc(entry.Runs, func(run lake.Run) bool { return runs[run] }) {
			return i
		}
	}
	return len(entries)
}

// UnsettledHours names the hours whose runs are under way, or were given up half-way.
func UnsettledHours(entries []LogEntry, settled settled) []string {
	var hours []string
	for _, entry := range entries {
		for _, run := range entry.Runs {
			if !settled(run, entry.committed) {
				hours = append(hours, run.Hour.String())
			}
		}
	}
	slices.Sort(hours)
	return slices.Compact(hours)
}

// ledger knows which runs are over: it has their row, or that of a run of the same hour that ended later (its own
// was given up half-way, and what it left is part of what the later one found).
type ledger struct {
	lake    *lake.Lake
	hours   *table.Table
	since   int64 // milliseconds since 1970; runs that ended before may be known by their row alone
	runs    map[lake.Run]bool
	lastEnd map[telemetry.Hour]int64 // milliseconds since 1970
}

func OpenLedger(ctx context.Context, l *lake.Lake) (*ledger, error) {
	hours, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, err
	}
	known := &ledger{lake: l, hours: hours, since: KnownSince(hours), runs: map[lake.Run]bool{},
		lastEnd: map[telemetry.Hour]int64{}}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range lake.RunsIn(&snapshot) {
			known.runs[run] = true
			known.lastEnd[run.Hour] = snapshot.TimestampMs
		}
	}
	return known, nil
}

// Settled tells whether a run is over.
func (k *ledger) Settled(run lake.Run, committed int64) bool {
	end, ended := k.lastEnd[run.Hour]
	return k.runs[run] || ended && end > committed
}

// Learn reads the rows of runs whose snapshots may have been expired.
func (k *ledger) Learn(ctx context.Context, entries []LogEntry) error {
	first, last := telemetry.Hour(math.MaxInt64), telemetry.Hour(math.MinInt64)
	for _, entry := range entries {
		for _, run := range entry.Runs {
			if !k.Settled(run, entry.committed) && entry.committed <= k.since {
				first, last = min(first, run.Hour), max(last, run.Hour)
			}
		}
	}
	if first > last {
		return nil
	}
	rows, err := RunsOf(ctx, k.lake, k.hours, first, last+1)
	if err != nil {
		return err
	}
	for _, row := range rows {
		k.runs[lake.Run{Hour: row.Hour, ID: row.RunID}] = true
		k.lastEnd[row.Hour] = max(k.lastEnd[row.Hour], row.FinishedAt.UnixMilli())
	}
	return nil
}

// KnownSince is when the oldest snapshot of a table was made before which others were expired, in milliseconds since
// 1970; 0 when all are there.
func KnownSince(loaded *table.Table) int64 {
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

// ChangedFiles are the files of a silver table, or their parts, that came and went between two snapshots;
// compaction is passed over.
type ChangedFiles struct {
	Added, Removed []iceberg.DataFile
}

// ChangesBetween reads the log from one snapshot (0: from the beginning) to another.
func ChangesBetween(ctx context.Context, l *lake.Lake, loaded *table.Table,
	from, to int64) (changes ChangedFiles, err error) {
	if to == 0 || from == to {
		return changes, nil
	}
	if from == 0 {
		changes.Added, err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(to))
		return changes, err
	}
	definition, err := lake.DefinitionOf(lake.TableName(loaded))
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
	return cancelUnchanged(ctx, l, definition, added, removed)
}

// readChangelog gathers the files that came and went, at a cost that grows with the change alone.
func readChangelog(ctx context.Context, loaded *table.Table, from, to int64,
	added, removed map[string]iceberg.DataFile) error {
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

// CompareFiles compares the files of two snapshots: right whatever happened in between, and as slow as the table is
// large.
func compareFiles(ctx context.Context, loaded *table.Table, from, to int64,
	added, removed map[string]iceberg.DataFile) error {
	before, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(from))
	if err != nil {
		return err
	}
	after, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(to))
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

// cancelUnchanged takes out of what came and went each hour that is the same before and after: compaction, or the
// replacement of another hour of its day, put it into another file.
func cancelUnchanged(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	added, removed map[string]iceberg.DataFile) (changes ChangedFiles, err error) {
	sides := [...]struct {
		files map[string]iceberg.DataFile
		to    *[]iceberg.DataFile
		hours map[telemetry.Hour][]lake.HourRows
	}{{added, &changes.Added, map[telemetry.Hour][]lake.HourRows{}},
		{removed, &changes.Removed, map[telemetry.Hour][]lake.HourRows{}}}
	moved := slices.ContainsFunc(slices.Collect(maps.Keys(added)), lake.IsCompacted) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(removed)), lake.IsCompacted)
	for _, side := range sides {
		for _, file := range side.files {
			if !moved {
				*side.to = append(*side.to, file)
				continue
			}
			parts, err := l.ByHour(ctx, definition, file)
			if err != nil {
				return changes, err
			}
			for _, part := range parts {
				side.hours[part.Hour] = append(side.hours[part.Hour], part)
			}
		}
	}
	came, went := sides[0].hours, sides[1].hours
	for hour := range came {
		same, err := l.SameDigests(came[hour], went[hour])
		if err != nil {
			return changes, err
		}
		if same {
			delete(came, hour)
			delete(went, hour)
		}
	}
	for _, side := range sides {
		if moved {
			*side.to = lake.JoinParts(side.hours)
		}
	}
	return changes, nil
}

// EndedBefore is the last snapshot of a table in which all runs of an hour had ended. half: some run committed
// since, and did not end. Where that snapshot was expired, what the head has is the best that is left.
func (k *ledger) EndedBefore(ctx context.Context, loaded *table.Table,
	hour telemetry.Hour) (at int64, half bool, err error) {
	entries, _ := Since(loaded, 0)
	for i := range entries {
		entries[i].Runs = slices.DeleteFunc(entries[i].Runs, func(run lake.Run) bool { return run.Hour != hour })
	}
	if err := k.Learn(ctx, entries); err != nil {
		return 0, false, err
	}
	first := slices.IndexFunc(entries, settled(k.Settled).misses)
	if first < 0 {
		return lake.HeadOf(loaded), false, nil
	}
	parent := loaded.SnapshotByID(entries[first].Snapshot).ParentSnapshotID
	switch {
	case parent == nil:
		return 0, true, nil
	case loaded.SnapshotByID(*parent) == nil:
		return lake.HeadOf(loaded), true, nil
	}
	return *parent, true, nil
}

package ledger

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Reached says how far the log of a table was read: up to this snapshot; 0: nothing was read yet.
type Reached struct {
	Definition lake.TableDefinition
	Snapshot   int64
}

// Log is the part of a table's log that Follow hands out: the snapshots after From (0: from the first on) up to To.
type Log struct {
	Table    *table.Table
	From, To int64
}

// Changes are the files that came and went in this part of the log.
func (g Log) Changes(ctx context.Context, l *lake.Lake) (ChangedFiles, error) {
	return ChangesBetween(ctx, l, g.Table, g.From, g.To)
}

// Followed is what Follow found.
type Followed struct {
	Logs []Log // in the order in which the tables were given
	// Lost tells that a snapshot that was reached is no longer in its table's log. All logs then begin at 0.
	Lost bool
	// HalfCommitted are hours whose run has committed one of the tables and not yet the ledger: the logs end before it.
	HalfCommitted []string
}

// Follow finds how far what is made of several tables may follow their logs, so that each run of an hour is in all
// of them or in none. A run commits one table after the other and the ledger last: only what the ledger says is
// over may be followed, and nothing that was committed behind a run that is not. Where upTo names runs, it ends
// with the last of them that the logs have: what comes behind them is left for later.
func Follow(ctx context.Context, l *lake.Lake, upTo []lake.Run, reached ...Reached) (f Followed, err error) {
	// The ledger first: a run that it has is whole in what is read after it.
	known, err := OpenLedger(ctx, l)
	if err != nil {
		return f, err
	}
	entries := make([][]LogEntry, len(reached))
	for i, at := range reached {
		loaded, err := l.Load(ctx, at.Definition)
		if err != nil {
			return f, err
		}
		log, found := Since(loaded, at.Snapshot)
		entries[i], f.Lost = log, f.Lost || !found
		f.Logs = append(f.Logs, Log{Table: loaded, From: at.Snapshot})
	}
	if f.Lost {
		for i := range f.Logs {
			f.Logs[i].From = 0
			entries[i], _ = Since(f.Logs[i].Table, 0)
		}
	}
	all := slices.Concat(entries...)
	if err := known.learn(ctx, all); err != nil {
		return f, err
	}
	f.HalfCommitted = unsettledHours(all, known)
	cuts := settledPrefix(known, entries...)
	if len(upTo) > 0 && !f.Lost {
		cuts = endsOf(upTo, known, cuts, entries...)
	}
	for i, cut := range cuts {
		f.Logs[i].To = f.Logs[i].From
		if cut > 0 {
			f.Logs[i].To = entries[i][cut-1].Snapshot
		}
	}
	return f, nil
}

// settledPrefix cuts logs so that every run is in whole or not at all: an hour commits its tables one after the
// other, and gold must not see one without the other. A run is settled when the ledger has it, or a later run of
// its hour. With a run goes what was committed of its hour before it ended: it commits nothing of what it found there.
func settledPrefix(ended ended, logs ...[]LogEntry) (cuts []int) {
	cuts = make([]int, len(logs))
	for i, entries := range logs {
		cuts[i] = len(entries)
		if at := slices.IndexFunc(entries, misses(ended)); at >= 0 {
			cuts[i] = at
		}
	}
	for again := true; again; {
		again = false
		for i, entries := range logs {
			for j, other := range logs {
				if at := firstWithout(entries[:cuts[i]], other[cuts[j]:], ended); at < cuts[i] {
					cuts[i], again = at, true
				}
			}
		}
	}
	return cuts
}

// endsOf cuts logs behind the last entries of runs, or where they are cut already, so that every run is in all of
// them or in none, as in settledPrefix.
func endsOf(runs []lake.Run, ended ended, cuts []int, logs ...[]LogEntry) []int {
	wanted := map[lake.Run]bool{}
	end := map[telemetry.Hour]int64{} // milliseconds since 1970
	want := func(run lake.Run) { wanted[run], end[run.Hour] = true, max(end[run.Hour], ended.endOf(run)) }
	for _, run := range runs {
		want(run)
	}
	ends := make([]int, len(cuts))
	for again := true; again; {
		again = false
		for i, entries := range logs {
			last := ends[i]
			for at := last; at < cuts[i]; at++ {
				goes := func(run lake.Run) bool { return wanted[run] || entries[at].committed <= end[run.Hour] }
				if slices.ContainsFunc(entries[at].Runs, goes) {
					last = at + 1
				}
			}
			for run := range runsIn(entries[ends[i]:last]) {
				want(run)
			}
			again = again || last > ends[i]
			ends[i] = last
		}
	}
	return ends
}

// ended knows which runs are over, as the ledger does.
type ended interface {
	// settled tells whether a run is over that committed to a table at a time, in milliseconds since 1970.
	settled(run lake.Run, committed int64) bool
	// endOf is when a run ended, in milliseconds since 1970; 0 where it did not.
	endOf(run lake.Run) int64
}

// misses tells that a run of an entry is not over.
func misses(ended ended) func(LogEntry) bool {
	return func(entry LogEntry) bool {
		return slices.ContainsFunc(entry.Runs, func(run lake.Run) bool { return !ended.settled(run, entry.committed) })
	}
}

func runsIn(entries []LogEntry) map[lake.Run]bool {
	runs := map[lake.Run]bool{}
	for _, entry := range entries {
		for _, run := range entry.Runs {
			runs[run] = true
		}
	}
	return runs
}

// firstWithout is the first entry with a run of which a part lies in what is left out of another log; the count of
// entries where there is none.
func firstWithout(entries, left []LogEntry, ended ended) int {
	runs := runsIn(left)
	earliest := map[telemetry.Hour]int64{} // when something of the hour was committed first, milliseconds since 1970
	for _, entry := range slices.Backward(left) {
		for _, run := range entry.Runs {
			earliest[run.Hour] = entry.committed
		}
	}
	for i, entry := range entries {
		for _, run := range entry.Runs {
			since, there := earliest[run.Hour]
			if runs[run] || there && since <= ended.endOf(run) {
				return i
			}
		}
	}
	return len(entries)
}

// unsettledHours names the hours whose runs are under way, or were given up half-way.
func unsettledHours(entries []LogEntry, ended ended) []string {
	var hours []string
	for _, entry := range entries {
		for _, run := range entry.Runs {
			if !ended.settled(run, entry.committed) {
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
	ends    map[lake.Run]int64       // of those whose snapshots are there, milliseconds since 1970
	lastEnd map[telemetry.Hour]int64 // milliseconds since 1970
}

func OpenLedger(ctx context.Context, l *lake.Lake) (*ledger, error) {
	hours, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, err
	}
	known := &ledger{lake: l, hours: hours, since: KnownSince(hours), runs: map[lake.Run]bool{},
		ends: map[lake.Run]int64{}, lastEnd: map[telemetry.Hour]int64{}}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range lake.RunsIn(&snapshot) {
			known.runs[run] = true
			known.ends[run], known.lastEnd[run.Hour] = snapshot.TimestampMs, snapshot.TimestampMs
		}
	}
	return known, nil
}

// endOf is when a run ended: the last run of its hour where its own snapshot was expired.
func (k *ledger) endOf(run lake.Run) int64 {
	if end, known := k.ends[run]; known {
		return end
	}
	if k.runs[run] {
		return k.lastEnd[run.Hour]
	}
	return 0
}

// settled tells whether a run is over.
func (k *ledger) settled(run lake.Run, committed int64) bool {
	end, ended := k.lastEnd[run.Hour]
	return k.runs[run] || ended && end > committed
}

// learn reads the rows of runs whose snapshots may have been expired.
func (k *ledger) learn(ctx context.Context, entries []LogEntry) error {
	first, last := telemetry.Hour(math.MaxInt64), telemetry.Hour(math.MinInt64)
	for _, entry := range entries {
		for _, run := range entry.Runs {
			if !k.settled(run, entry.committed) && entry.committed <= k.since {
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

// LastChange is when the last of some tables was changed, by the clock of who did.
func LastChange(ctx context.Context, l *lake.Lake, tables ...lake.TableDefinition) (last time.Time, err error) {
	for _, definition := range tables {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return last, err
		}
		if at := time.UnixMilli(loaded.Metadata().LastUpdatedMillis()); at.After(last) {
			last = at
		}
	}
	return last, nil
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

// EndedBefore is the last snapshot of a table in which all runs of an hour had ended. half: some run committed
// since, and did not end. Where that snapshot was expired, what the head has is the best that is left.
func (k *ledger) EndedBefore(ctx context.Context, loaded *table.Table,
	hour telemetry.Hour) (at int64, half bool, err error) {
	entries, _ := Since(loaded, 0)
	for i := range entries {
		entries[i].Runs = slices.DeleteFunc(entries[i].Runs, func(run lake.Run) bool { return run.Hour != hour })
	}
	if err := k.learn(ctx, entries); err != nil {
		return 0, false, err
	}
	first := slices.IndexFunc(entries, misses(k))
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

package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Save adds records to ops.checks, in one commit. What the run has recorded is not recorded again.
func Save(ctx context.Context, l *lake.Lake, runID string, records []Record) error {
	days := map[int32][]lake.CheckRow{}
	for _, r := range records {
		day := lake.DateOf(r.At.UnixMicro())
		days[day] = append(days[day], lake.CheckRow{
			Check: r.Check, CheckedAt: r.At.UnixMicro(), State: r.State, Before: r.Before, Since: r.Since.UnixMicro(),
			Figure: r.Figure, Unit: r.Unit, WarnAt: r.WarnAt, FailAt: r.FailAt,
			Subjects: strings.Join(r.Subjects, separator), Text: r.Text, RunID: runID, CheckedDate: day,
		})
	}
	if len(days) == 0 {
		return nil
	}
	files, err := ledger.WriteDays(ctx, l, lake.OpsChecks, days, lake.AttemptName(runID))
	if err == nil {
		err = l.Commit(ctx, lake.OpsChecks, func(loaded *table.Table) (*lake.Change, error) {
			if _, done := lake.RunSnapshot(loaded, lake.Run{Hour: runHour, ID: runID}); done {
				return nil, nil
			}
			entries, err := l.Entries(lake.OpsChecks, files)
			return &lake.Change{Add: entries, Fresh: true, Summary: lake.RunSummary(runID, runHour)}, err
		})
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", count(len(records), "result"), err)
	}
	return nil
}

// runHour stands in the summaries of commits of ops.checks, which are of no hour.
const runHour = 0

// Saved reads the newest row of each check, by name, and from these what is known. It reads no further back than it
// must.
func Saved(ctx context.Context, l *lake.Lake) (rows []lake.CheckRow, memory Memory, err error) {
	loaded, err := l.Load(ctx, lake.OpsChecks)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, memory, nil // a lake that is older than the table, and was not opened for writing since
	}
	if err != nil {
		return nil, memory, err
	}
	return savedIn(ctx, l, loaded)
}

// Watch reads the state of each check time and again, and rows only where there are new ones. It is safe for
// concurrent use.
type Watch struct {
	Lake *lake.Lake

	mutex  sync.Mutex
	read   int64 // the snapshot that states are of
	states map[string]string
}

// States are what was found last, by the name of the check. They are shared.
func (w *Watch) States(ctx context.Context) (map[string]string, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	loaded, err := w.Lake.Load(ctx, lake.OpsChecks)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	snapshot := loaded.CurrentSnapshot()
	if snapshot == nil || snapshot.SnapshotID == w.read {
		return w.states, nil
	}
	rows, _, err := savedIn(ctx, w.Lake, loaded)
	if err != nil {
		return nil, err
	}
	w.states = map[string]string{}
	for _, row := range rows {
		w.states[row.Check] = row.State
	}
	w.read = snapshot.SnapshotID
	return w.states, nil
}

func savedIn(ctx context.Context, l *lake.Lake, loaded *table.Table) (rows []lake.CheckRow, memory Memory,
	err error) {
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, memory, err
	}
	days := map[iceberg.Date][]iceberg.DataFile{}
	for _, file := range live {
		day, _ := file.Partition()[lake.PartitionFieldID].(iceberg.Date)
		days[day] = append(days[day], file)
	}
	newest := map[string]lake.CheckRow{}
	order := make([]iceberg.Date, 0, len(days))
	for day := range days {
		order = append(order, day)
	}
	slices.Sort(order)
	for i, day := range slices.Backward(order) {
		if i < len(order)-savedDays {
			break
		}
		stored, err := lake.ReadRows[lake.CheckRow](ctx, l, days[day])
		if err != nil {
			return nil, memory, err
		}
		for _, row := range stored {
			if have, known := newest[row.Check]; !known || row.CheckedAt > have.CheckedAt {
				newest[row.Check] = row
			}
		}
	}
	for _, row := range newest {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b lake.CheckRow) int { return strings.Compare(a.Check, b.Check) })
	return rows, remembered(rows), nil
}

// ResultOf is a row as the result that it was made of.
func ResultOf(row lake.CheckRow) Result {
	r := Result{Check: row.Check, State: row.State, Figure: row.Figure, Unit: row.Unit, WarnAt: row.WarnAt,
		FailAt: row.FailAt, Text: row.Text}
	if row.Subjects != "" {
		r.Subjects = strings.Split(row.Subjects, separator)
	}
	return r
}

// savedDays are the newest days that have the newest row of each check: figures are recorded once an hour.
const savedDays = 2

func remembered(rows []lake.CheckRow) (memory Memory) {
	for _, row := range rows {
		known := Known{Check: row.Check, State: row.State, Since: time.UnixMicro(row.Since).UTC()}
		known.Subjects = ResultOf(row).Subjects
		known.Told = known.Subjects
		if row.State == Unknown {
			known.State = row.Before // what was known before it could not be found out
		}
		if known.State == "" {
			continue
		}
		memory.Checks = append(memory.Checks, known)
		if at := time.UnixMicro(row.CheckedAt).UTC().Truncate(time.Hour); at.After(memory.Figures) {
			memory.Figures = at
		}
	}
	return memory
}

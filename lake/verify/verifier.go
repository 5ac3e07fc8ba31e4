package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// verifier is one Run: the state that is checked, and what was found.
type verifier struct {
	lake    *lake.Lake
	options Options
	report  func(Difference) error
	failed  error // of report
	checked Verified

	// The state that is checked. Gold and the ledger are loaded first: what came after them is ahead, and known as
	// such.
	gold   *table.Table
	ledger map[telemetry.Hour][]ledger.Hour // every run, oldest first
	// ended are the runs that committed to the ledger, whether or not their rows are still there.
	ended  map[lake.Run]bool
	tables map[string]*table.Table
	files  map[string]map[telemetry.Hour][]iceberg.DataFile // by table and hour; of a day's file, the hour's part

	// broken are the data files that can't be read, by path; unsure the hours that they may hold rows of, which are not
	// compared. stopped: nothing is, since metadata can't be read.
	broken  map[string]Difference
	unsure  map[telemetry.Hour]bool
	stopped bool

	// older counts the hours whose silver is of older rules, and those of them that today's would make differently.
	older struct{ hours, other int }
}

// verifiedTables are those whose rows belong to hours.
var verifiedTables = []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents,
	lake.SilverSightings, lake.SilverBindings, lake.OpsFiles}

func (v *verifier) load(ctx context.Context) (err error) {
	v.progress("reading the ledger", 0, 0, "")
	if v.gold, err = v.lake.Load(ctx, lake.GoldUsers); err != nil {
		return err
	}
	hours, err := v.lake.Load(ctx, lake.OpsHours)
	if err != nil {
		return err
	}
	v.ended = map[lake.Run]bool{}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range lake.RunsIn(&snapshot) {
			v.ended[run] = true
		}
	}
	live, err := lake.LiveFiles(ctx, hours)
	if err != nil {
		return err
	}
	rows, err := ledger.RunsIn(ctx, v.lake, v.readable(live), math.MinInt32, math.MaxInt32)
	if err != nil {
		return err
	}
	v.ledger = map[telemetry.Hour][]ledger.Hour{}
	for _, row := range rows {
		v.ledger[row.Hour] = append(v.ledger[row.Hour], row)
	}
	v.tables, v.files = map[string]*table.Table{}, map[string]map[telemetry.Hour][]iceberg.DataFile{}
	for _, definition := range verifiedTables {
		if v.tables[definition.Name], err = v.lake.Load(ctx, definition); err != nil {
			return err
		}
		if v.files[definition.Name], err = v.filesByHour(ctx, definition); err != nil {
			return err
		}
	}
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents} {
		if before, ok := ledger.DroppedBefore(v.tables[definition.Name]); ok {
			v.note("%s keeps no hours before %s: they were dropped, and not compared", definition.Name, before)
		}
	}
	return nil
}

// filesByHour are the live files of a table that was loaded.
func (v *verifier) filesByHour(ctx context.Context,
	definition lake.TableDefinition) (map[telemetry.Hour][]iceberg.DataFile, error) {
	live, err := lake.LiveFiles(ctx, v.tables[definition.Name])
	if err != nil {
		return nil, err
	}
	files := map[telemetry.Hour][]iceberg.DataFile{}
	for _, file := range v.readable(live) {
		parts, err := v.lake.ByHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			files[part.Hour] = append(files[part.Hour], part.File)
		}
	}
	return files, nil
}

func (v *verifier) progress(doing string, done, total int, unit string) {
	if v.options.Progress != nil {
		v.options.Progress(doing, done, total, unit)
	}
}

func (v *verifier) note(format string, args ...any) {
	v.checked.Notes = append(v.checked.Notes, fmt.Sprintf(format, args...))
}

// differ tells of a difference; where says what it is about, and the text is what is wrong. If telling fails, that
// error stays: nothing more is told, and Run and eachRow end with it.
func (v *verifier) differ(where Difference, format string, args ...any) {
	if v.failed != nil {
		return
	}
	where.Text = fmt.Sprintf(format, args...)
	v.checked.Differences++
	v.failed = v.report(where)
}

// eachRow streams the rows of files. One that can't be read is told, and has no rows.
func eachRow[T any](ctx context.Context, v *verifier, where Difference, files []iceberg.DataFile,
	each func(*T) error) error {
	for _, file := range v.readable(files) {
		var stopped error
		err := lake.ScanRows(ctx, v.lake, file, func(rows []T) error {
			for i := range rows {
				if stopped = each(&rows[i]); stopped == nil {
					stopped = v.failed
				}
				if stopped != nil {
					return stopped
				}
			}
			return nil
		})
		if stopped == nil && objects.Unreadable(err) {
			v.unreadable(where, DataFile, file.FilePath(), err)
			err = v.failed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// halfCommittedFor is how long a run may lie between its first commit and the ledger before that counts as a fault.
const halfCommittedFor = time.Hour

// HalfCommitted are the hours whose newest snapshot, of the time that is given, is of a run that the ledger does not
// have: it is under way, or was given up.
func HalfCommitted(ctx context.Context, l *lake.Lake) (map[telemetry.Hour]time.Time, error) {
	v := &verifier{lake: l, broken: map[string]Difference{}, unsure: map[telemetry.Hour]bool{}}
	if err := v.load(ctx); err != nil {
		return nil, err
	}
	return v.halfCommitted(), nil
}

func (v *verifier) halfCommitted() map[telemetry.Hour]time.Time {
	found := map[telemetry.Hour]time.Time{}
	for _, loaded := range v.tables {
		for _, snapshot := range loaded.Metadata().Snapshots() {
			at := time.UnixMilli(snapshot.TimestampMs)
			for _, run := range lake.RunsIn(&snapshot) {
				settled := v.ended[run] || slices.ContainsFunc(v.ledger[run.Hour], func(row ledger.Hour) bool {
					return row.RunID == run.ID || row.FinishedAt.After(at)
				})
				if !settled {
					found[run.Hour] = at
				}
			}
		}
	}
	return found
}

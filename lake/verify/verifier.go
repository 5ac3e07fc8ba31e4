package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	rows, err := ledger.Runs(ctx, v.lake, math.MinInt32, math.MaxInt32)
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
	for _, file := range live {
		parts, err := v.lake.ByHour(ctx, definition, file)
		if objects.IsMissing(err) { // which is told where its rows are looked for
			first, _, _ := definition.HoursOf(file)
			parts, err = []lake.HourRows{{Hour: first, File: file}}, nil
		}
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

// eachRow streams the rows of files. A file that is named by a table and is not there is a difference, and no rows.
func eachRow[T any](ctx context.Context, v *verifier, where Difference, files []iceberg.DataFile,
	each func(*T) error) error {
	for _, file := range files {
		err := lake.ScanRows(ctx, v.lake, file, func(rows []T) error {
			for i := range rows {
				if err := each(&rows[i]); err != nil {
					return err
				}
				if v.failed != nil {
					return v.failed
				}
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			v.differ(where, "data file %s is missing", file.FilePath())
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
	v := &verifier{lake: l}
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

package lake

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

	"github.com/versionlake/versionlake/telemetry"
)

// Verify is the second implementation of what the lake computes, and the check of its rules. It is plain on purpose: it
// shares the tables and the readers of rows with the rest of this package, and nothing of the joins, runs and merges that
// it checks. It may be slower; its memory is bounded by passes and by spills to local disk.

// VerifyOptions say what to check; the zero value is everything.
type VerifyOptions struct {
	// From and To bound the hours whose bronze, silver and ledger are compared: [From, To), everything when both are zero.
	// Gold is always checked as a whole.
	From, To telemetry.Hour
	// Parsing is what the hours were ingested with; its Hour is not looked at.
	Parsing telemetry.Options
	// Progress is told what is being checked, and how far that is; may be nil.
	Progress func(doing string, done, total int, unit string)
}

// Difference is something that contradicts one of the six rules (docs/ARCHITECTURE.md, The six rules).
type Difference struct {
	Rule    int    `json:"rule"`
	Table   string `json:"table"`
	Version string `json:"version,omitempty"` // of gold: a tag, or a snapshot's id
	Hour    string `json:"hour,omitempty"`
	File    string `json:"file,omitempty"` // a source file, with a line where one is meant: 2022/05/27/05/a.tsv:12
	User    string `json:"user,omitempty"`
	Text    string `json:"text"`
}

// Verified is what a Verify looked at.
type Verified struct {
	Hours       int64    `json:"hours"`
	Files       int64    `json:"files"` // versions of source files
	Events      int64    `json:"events"`
	Rejects     int64    `json:"rejects"`
	Silver      int64    `json:"silver_events"`
	Sightings   int64    `json:"sightings"`
	Bindings    int64    `json:"bindings"`
	Users       int64    `json:"users"`
	Versions    int64    `json:"versions"` // snapshots of gold.users
	Tags        int64    `json:"tags"`
	Daily       int64    `json:"daily"` // rows of gold.version_daily and gold.event_daily
	Differences int64    `json:"differences"`
	Notes       []string `json:"notes"` // what is no fault, or could not be checked
}

// Verify compares the lake with a plain recomputation of it and tells each difference. It only reads, and may run beside
// ingestion: what is half committed at that moment is left out, and noted.
func (l *Lake) Verify(ctx context.Context, options VerifyOptions, report func(Difference) error) (Verified, error) {
	v := &verifier{lake: l, options: options, report: report, checked: Verified{Notes: []string{}}}
	if options.From == 0 && options.To == 0 {
		v.options.From, v.options.To = math.MinInt32, math.MaxInt32
	}
	for _, step := range []func(context.Context) error{v.load, v.verifyLedger, v.verifyHours, v.verifyVersions, v.verifyTags, v.verifyUsers, v.verifyKeys, v.verifyDaily, v.verifyForgotten} {
		if err := step(ctx); err != nil {
			return v.checked, fmt.Errorf("verify: %w", err)
		}
	}
	return v.checked, nil
}

type verifier struct {
	lake    *Lake
	options VerifyOptions
	report  func(Difference) error
	checked Verified

	// The state that is checked. Gold and the ledger are loaded first: what came after them is ahead, and known as such.
	gold   *table.Table
	ledger map[telemetry.Hour][]HourRow // every run, oldest first
	ended  map[Run]bool                 // runs that committed to the ledger, whether or not their rows are still there
	tables map[string]*table.Table
	older  struct{ hours, other int }                       // whose silver is of older rules; that today's would make differently
	files  map[string]map[telemetry.Hour][]iceberg.DataFile // by table and hour; of a day's file, the hour's part
}

// verifiedTables are those whose rows belong to hours.
var verifiedTables = []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings, opsFiles}

func (v *verifier) load(ctx context.Context) (err error) {
	v.progress("reading the ledger", 0, 0, "")
	if v.gold, err = v.lake.load(ctx, goldUsers); err != nil {
		return err
	}
	hours, err := v.lake.load(ctx, opsHours)
	if err != nil {
		return err
	}
	v.ended = map[Run]bool{}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range runsIn(&snapshot) {
			v.ended[run] = true
		}
	}
	rows, err := v.lake.hourRows(ctx, math.MinInt32, math.MaxInt32)
	if err != nil {
		return err
	}
	v.ledger = map[telemetry.Hour][]HourRow{}
	for _, row := range rows {
		v.ledger[row.Hour] = append(v.ledger[row.Hour], row)
	}
	v.tables, v.files = map[string]*table.Table{}, map[string]map[telemetry.Hour][]iceberg.DataFile{}
	for _, definition := range verifiedTables {
		if v.tables[definition.name], err = v.lake.load(ctx, definition); err != nil {
			return err
		}
		live, err := liveFiles(ctx, v.tables[definition.name])
		if err != nil {
			return err
		}
		v.files[definition.name] = map[telemetry.Hour][]iceberg.DataFile{}
		for _, file := range live {
			parts, err := v.lake.byHour(ctx, definition, file)
			if isMissing(err) { // which is told where its rows are looked for
				first, _, _ := definition.hoursOf(file)
				parts, err = []hourRows{{first, file}}, nil
			}
			if err != nil {
				return err
			}
			for _, part := range parts {
				v.files[definition.name][part.hour] = append(v.files[definition.name][part.hour], part.file)
			}
		}
	}
	for _, definition := range []tableDefinition{bronzeEvents, bronzeRejects, silverEvents} {
		if before, ok := droppedBefore(v.tables[definition.name]); ok {
			v.note("%s keeps no hours before %s: they were dropped, and not compared", definition.name, before)
		}
	}
	return nil
}

func (v *verifier) progress(doing string, done, total int, unit string) {
	if v.options.Progress != nil {
		v.options.Progress(doing, done, total, unit)
	}
}

func (v *verifier) note(format string, args ...any) {
	v.checked.Notes = append(v.checked.Notes, fmt.Sprintf(format, args...))
}

// differ reports a difference; where says what it is about, and text is what is wrong.
func (v *verifier) differ(where Difference, format string, args ...any) error {
	where.Text = fmt.Sprintf(format, args...)
	v.checked.Differences++
	return v.report(where)
}

// eachRow streams the rows of files. A file that is named by a table and is not there is a difference, and no rows.
func eachRow[T any](ctx context.Context, v *verifier, where Difference, files []iceberg.DataFile, each func(*T) error) error {
	for _, file := range files {
		err := scanRows(ctx, v.lake, file, func(rows []T) error {
			for i := range rows {
				if err := each(&rows[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			err = v.differ(where, "data file %s is missing", file.FilePath())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func countOf(files []iceberg.DataFile) (rows int64) {
	for _, file := range files {
		rows += file.Count()
	}
	return rows
}

// halfCommittedFor is how long a run may lie between its first commit and the ledger before that counts as a fault.
const halfCommittedFor = time.Hour

// unsettled finds the hours whose newest snapshot is of a run that the ledger does not have: under way, or given up.
func (v *verifier) unsettled() map[telemetry.Hour]time.Time {
	found := map[telemetry.Hour]time.Time{}
	for _, loaded := range v.tables {
		for _, snapshot := range loaded.Metadata().Snapshots() {
			at := time.UnixMilli(snapshot.TimestampMs)
			for _, run := range runsIn(&snapshot) {
				settled := v.ended[run] || slices.ContainsFunc(v.ledger[run.Hour], func(row HourRow) bool {
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

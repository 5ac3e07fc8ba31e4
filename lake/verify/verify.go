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

// Verify is the second implementation of what the lake computes, and the check of its rules. It is plain on
// purpose: it shares the tables and the readers of rows with the rest of this package, and nothing of the joins,
// runs and merges that it checks. It may be slower; its memory is bounded by passes and by spills to local disk.

// Options say what to check; the zero value is everything.
type Options struct {
	// From and To bound the hours whose bronze, silver and ledger are compared: [From, To), everything when both
	// are zero. Gold is always checked as a whole.
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

// Run compares the lake with a plain recomputation of it and tells each difference. It only reads, and may run beside
// ingestion: what is half committed at that moment is left out, and noted.
func Run(ctx context.Context, l *lake.Lake, options Options, report func(Difference) error) (Verified, error) {
	v := &Verifier{Lake: l, Options: options, report: report, checked: Verified{Notes: []string{}}}
	if options.From == 0 && options.To == 0 {
		v.Options.From, v.Options.To = math.MinInt32, math.MaxInt32
	}
	for _, step := range []func(context.Context) error{v.Load, v.verifyLedger, v.verifyHours, v.verifyVersions,
		v.verifyTags, v.verifyUsers, v.verifyKeys, v.verifyDaily, v.verifyForgotten} {
		if err := step(ctx); err != nil {
			return v.checked, fmt.Errorf("verify: %w", err)
		}
	}
	return v.checked, nil
}

type Verifier struct {
	Lake    *lake.Lake
	Options Options
	report  func(Difference) error
	checked Verified

	// The state that is checked. Gold and the ledger are loaded first: what came after them is ahead, and known as
	// such.
	gold   *table.Table
	ledger map[telemetry.Hour][]ledger.Hour // every run, oldest first
	// runs that committed to the ledger, whether or not their rows are still there
	ended  map[lake.Run]bool
	tables map[string]*table.Table
	// whose silver is of older rules; that today's would make differently
	older struct{ hours, other int }
	files map[string]map[telemetry.Hour][]iceberg.DataFile // by table and hour; of a day's file, the hour's part
}

// verifiedTables are those whose rows belong to hours.
var verifiedTables = []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents,
	lake.SilverSightings, lake.SilverBindings, lake.OpsFiles}

func (v *Verifier) Load(ctx context.Context) (err error) {
	v.progress("reading the ledger", 0, 0, "")
	if v.gold, err = v.Lake.Load(ctx, lake.GoldUsers); err != nil {
		return err
	}
	hours, err := v.Lake.Load(ctx, lake.OpsHours)
	if err != nil {
		return err
	}
	v.ended = map[lake.Run]bool{}
	for _, snapshot := range hours.Metadata().Snapshots() {
		for _, run := range lake.RunsIn(&snapshot) {
			v.ended[run] = true
		}
	}
	rows, err := ledger.Runs(ctx, v.Lake, math.MinInt32, math.MaxInt32)
	if err != nil {
		return err
	}
	v.ledger = map[telemetry.Hour][]ledger.Hour{}
	for _, row := range rows {
		v.ledger[row.Hour] = append(v.ledger[row.Hour], row)
	}
	v.tables, v.files = map[string]*table.Table{}, map[string]map[telemetry.Hour][]iceberg.DataFile{}
	for _, definition := range verifiedTables {
		if v.tables[definition.Name], err = v.Lake.Load(ctx, definition); err != nil {
			return err
		}
		live, err := lake.LiveFiles(ctx, v.tables[definition.Name])
		if err != nil {
			return err
		}
		v.files[definition.Name] = map[telemetry.Hour][]iceberg.DataFile{}
		for _, file := range live {
			parts, err := v.Lake.ByHour(ctx, definition, file)
			if objects.IsMissing(err) { // which is told where its rows are looked for
				first, _, _ := definition.HoursOf(file)
				parts, err = []lake.HourRows{{Hour: first, File: file}}, nil
			}
			if err != nil {
				return err
			}
			for _, part := range parts {
				v.files[definition.Name][part.Hour] = append(v.files[definition.Name][part.Hour], part.File)
			}
		}
	}
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents} {
		if before, ok := ledger.DroppedBefore(v.tables[definition.Name]); ok {
			v.note("%s keeps no hours before %s: they were dropped, and not compared", definition.Name, before)
		}
	}
	return nil
}

func (v *Verifier) progress(doing string, done, total int, unit string) {
	if v.Options.Progress != nil {
		v.Options.Progress(doing, done, total, unit)
	}
}

func (v *Verifier) note(format string, args ...any) {
	v.checked.Notes = append(v.checked.Notes, fmt.Sprintf(format, args...))
}

// differ reports a difference; where says what it is about, and text is what is wrong.
func (v *Verifier) differ(where Difference, format string, args ...any) error {
	where.Text = fmt.Sprintf(format, args...)
	v.checked.Differences++
	return v.report(where)
}

// eachRow streams the rows of files. A file that is named by a table and is not there is a difference, and no rows.
func eachRow[T any](ctx context.Context, v *Verifier, where Difference, files []iceberg.DataFile,
	each func(*T) error) error {
	for _, file := range files {
		err := lake.ScanRows(ctx, v.Lake, file, func(rows []T) error {
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

// halfCommittedFor is how long a run may lie between its first commit and the ledger before that counts as a fault.
const halfCommittedFor = time.Hour

// Unsettled finds the hours whose newest snapshot is of a run that the ledger does not have: under way, or given up.
func (v *Verifier) Unsettled() map[telemetry.Hour]time.Time {
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

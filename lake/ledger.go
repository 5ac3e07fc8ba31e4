package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// Hour states in the ledger.
const (
	HourComplete = "complete" // every file was read
	HourEmpty    = "empty"    // there was no file
	HourDegraded = "degraded" // a file could not be trusted and was left out whole
)

// File states in ops.files.
const (
	FileRead     = "read"
	FileBad      = "bad"      // left out whole
	FileReplaced = "replaced" // a newer version was read
	FileRemoved  = "removed"  // gone from the source
)

// HourRow is a row of ops.hours: one run of an hour.
type HourRow struct {
	Hour       telemetry.Hour `json:"hour"`
	RunID      string         `json:"run_id"`
	State      string         `json:"state"`
	Source     string         `json:"source"`
	Files      int64          `json:"files"`
	BadFiles   int64          `json:"bad_files"`
	Bytes      int64          `json:"bytes"`
	Lines      int64          `json:"lines"`
	Events     int64          `json:"events"`
	Rejects    int64          `json:"rejects"`
	Blanks     int64          `json:"blanks"`
	Erased     int64          `json:"erased"`
	Silver     int64          `json:"silver_events"`
	Sightings  int64          `json:"sightings"`
	Bindings   int64          `json:"bindings"`
	Changed    bool           `json:"changed"` // whether the run changed a row of silver
	StartedAt  time.Time      `json:"started_at"`
	FinishedAt time.Time      `json:"finished_at"`
}

// FileRow is a row of ops.files: one version of a source file.
type FileRow struct {
	Hour    telemetry.Hour `json:"hour"`
	Key     string         `json:"key"`
	ETag    string         `json:"etag"`
	Size    int64          `json:"size"`
	State   string         `json:"state"` // read | bad | replaced | removed
	Error   string         `json:"error,omitempty"`
	Lines   int64          `json:"lines"`
	Events  int64          `json:"events"`
	Rejects int64          `json:"rejects"`
	Blanks  int64          `json:"blanks"`
	Erased  int64          `json:"erased"`
	RunID   string         `json:"run_id"`
}

// hourTables are those whose rows a run replaces, in the order of its commits.
var hourTables = []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings}

// CommitHour makes the run visible: bronze, rejects, silver, the files, and last the ledger's row. Called again with the same run
// it finishes what a crash left and returns the same row. Unchanged tables are left alone. ErrStale: stage the hour anew.
func (l *Lake) CommitHour(ctx context.Context, run Run, plan HourPlan, chunks []StagedChunk, silver []StagedSilver, startedAt time.Time) (row HourRow, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit hour %s: %w", run.Hour, err)
		}
	}()
	if row, done, err := l.ledgerRow(ctx, run, startedAt); err != nil || done {
		return row, err
	}
	if err := l.refuseDropped(ctx, run); err != nil {
		return HourRow{}, err
	}
	result, err := l.gather(plan, chunks, silver)
	if err != nil {
		return HourRow{}, err
	}
	if result.plan.Bronze != nil { // its counts are those of the ledger, which an erasure changes
		if now, err := l.erasuresAt(ctx); err != nil || now != result.plan.Erasures {
			return HourRow{}, errors.Join(err, staleIf(err == nil))
		}
	}
	row = result.row(run, silver)
	row.StartedAt = startedAt.UTC().Truncate(time.Microsecond)

	for _, definition := range result.tables() {
		changed, err := l.replaceHour(ctx, definition, run, result.files[definition.name], result.plan.Erasures)
		if err != nil {
			return HourRow{}, err
		}
		row.Changed = row.Changed || changed && strings.HasPrefix(definition.name, "silver.")
	}
	if result.plan.Bronze == nil {
		if err := l.recordFiles(ctx, run, result.fileRows(run)); err != nil {
			return HourRow{}, err
		}
	}
	row.FinishedAt = time.Now().UTC().Truncate(time.Microsecond)
	return row, l.recordHour(ctx, run, row)
}

// hourResult is all that the activities of a run left behind.
type hourResult struct {
	plan   stagedPlan
	counts map[int]ChunkCounts
	bad    map[int]string
	files  map[string][]dataFile // by table
}

func (l *Lake) gather(plan HourPlan, chunks []StagedChunk, silver []StagedSilver) (*hourResult, error) {
	result := &hourResult{counts: map[int]ChunkCounts{}, bad: map[int]string{}, files: map[string][]dataFile{}}
	if err := l.readPlan(plan, &result.plan); err != nil {
		return nil, err
	}
	add := func(files []dataFile) {
		for _, file := range files {
			result.files[file.Table] = append(result.files[file.Table], file)
		}
	}
	for _, chunk := range chunks {
		var staged stagedChunk
		if err := l.objects.readJSON(chunk.Ref, &staged); err != nil {
			return nil, err
		}
		add(staged.Files)
		maps.Copy(result.bad, staged.Bad)
		for file, counts := range staged.Counts {
			sum := result.counts[file]
			sum.add(counts)
			result.counts[file] = sum
		}
	}
	for _, each := range silver {
		var staged stagedSilver
		if err := l.objects.readJSON(each.Ref, &staged); err != nil {
			return nil, err
		}
		add(staged.Files)
	}
	return result, nil
}

// tables are those that the run replaces the hour of, in order.
func (r *hourResult) tables() []tableDefinition {
	if r.plan.Bronze != nil {
		return hourTables[2:]
	}
	return hourTables
}

func (r *hourResult) row(run Run, silver []StagedSilver) HourRow {
	row := r.readRow()
	row.Hour, row.RunID, row.Changed = run.Hour, run.ID, false
	row.Silver, row.Sightings, row.Bindings = 0, 0, 0
	for _, each := range silver {
		row.Silver += each.Events
		row.Sightings += each.Sightings
		row.Bindings += each.Bindings
	}
	return row
}

// readRow is what was read: by this run from the source, or by the run that bronze goes back to.
func (r *hourResult) readRow() HourRow {
	if r.plan.Bronze != nil {
		return *r.plan.Bronze
	}
	row := HourRow{
		State: HourComplete, Source: r.plan.Source, Files: int64(len(r.plan.Files)), BadFiles: int64(len(r.bad)),
	}
	switch {
	case len(r.plan.Files) == 0:
		row.State = HourEmpty
	case len(r.bad) > 0:
		row.State = HourDegraded
	}
	for _, file := range r.plan.Files {
		row.Bytes += file.Size
	}
	for _, counts := range r.counts {
		row.Lines += counts.Lines
		row.Events += counts.Events
		row.Rejects += counts.Rejects
		row.Blanks += counts.Blanks
		row.Erased += counts.Erased
	}
	return row
}

func (r *hourResult) fileRows(run Run) []FileRow {
	rows := make([]FileRow, len(r.plan.Files))
	for i, file := range r.plan.Files {
		counts := r.counts[i]
		rows[i] = FileRow{
			Hour: run.Hour, Key: file.Key, ETag: file.ETag, Size: file.Size, State: FileRead, RunID: run.ID,
			Lines: counts.Lines, Events: counts.Events, Rejects: counts.Rejects, Blanks: counts.Blanks, Erased: counts.Erased,
		}
		if reason, bad := r.bad[i]; bad {
			rows[i].State, rows[i].Error = FileBad, reason
		}
	}
	return rows
}

// recordFiles writes the hour's files into ops.files. Versions read earlier stay, as replaced or removed.
func (l *Lake) recordFiles(ctx context.Context, run Run, rows []FileRow) error {
	return l.commit(ctx, opsFiles, func(loaded *table.Table) (*change, error) {
		live, err := hourFiles(ctx, loaded, run.Hour)
		if err != nil {
			return nil, err
		}
		known, err := readRows[fileRow](ctx, l, live)
		if err != nil {
			return nil, err
		}
		merged := mergeFileRows(known, rows)
		writer, err := newDataWriter[fileRow](l, opsFiles, hourOf(run.Hour))
		if err != nil {
			return nil, err
		}
		if err := writer.write(merged, 256*len(merged)); err != nil {
			writer.abort()
			return nil, err
		}
		file, err := writer.close(attemptName(run))
		if err != nil {
			return nil, err
		}
		var added []dataFile
		if file != nil {
			added = append(added, *file)
		}
		if same, err := l.sameContents(live, added); same || err != nil {
			return nil, err
		}
		entries, err := l.entries(opsFiles, added)
		return &change{
			remove: live, add: entries, fresh: len(live) == 0,
			summary: iceberg.Properties{summaryRun: run.ID, summaryHour: run.Hour.String()},
		}, err
	})
}

func mergeFileRows(known []fileRow, rows []FileRow) []fileRow {
	type version struct{ key, etag string }
	merged := map[version]fileRow{}
	present := map[string]bool{}
	for _, row := range known {
		merged[version{row.FileName, row.ETag}] = row
	}
	for _, row := range rows {
		present[row.Key] = true
		at := version{row.Key, row.ETag}
		runID := row.RunID
		if before, ok := merged[at]; ok {
			runID = before.RunID
		}
		merged[at] = fileRow{
			FileName: row.Key, ETag: row.ETag, Size: row.Size, State: row.State, Error: row.Error, Lines: row.Lines,
			Events: row.Events, Rejects: row.Rejects, Blanks: row.Blanks, Erased: row.Erased, RunID: runID,
			IngestDate: row.Hour.Date(), IngestHourOfDay: row.Hour.OfDay(),
		}
	}
	current := map[version]bool{}
	for _, row := range rows {
		current[version{row.Key, row.ETag}] = true
	}
	var all []fileRow
	for at, row := range merged {
		switch {
		case current[at]:
		case present[at.key]:
			row.State = FileReplaced
		default:
			row.State = FileRemoved
		}
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b fileRow) int {
		return strings.Compare(a.FileName+"\x00"+a.ETag, b.FileName+"\x00"+b.ETag)
	})
	return all
}

// stored is the row as the table has it.
func (r HourRow) stored() hourRow {
	return hourRow{
		HourStart: r.Hour.Start().UnixMicro(), RunID: r.RunID, State: r.State, Source: r.Source, Files: r.Files,
		BadFiles: r.BadFiles, Bytes: r.Bytes, Lines: r.Lines, Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased,
		Silver: r.Silver, Sightings: r.Sightings, Bindings: r.Bindings, Changed: r.Changed,
		StartedAt: r.StartedAt.UnixMicro(), FinishedAt: r.FinishedAt.UnixMicro(), IngestDate: r.Hour.Date(),
	}
}

// recordHour appends the run to the ledger, once.
func (l *Lake) recordHour(ctx context.Context, run Run, row HourRow) error {
	writer, err := newDataWriter[hourRow](l, opsHours, dayOf(run.Hour))
	if err != nil {
		return err
	}
	if err := writer.write([]hourRow{row.stored()}, 0); err != nil {
		writer.abort()
		return err
	}
	file, err := writer.close(attemptName(run))
	if err != nil {
		return err
	}
	return l.commit(ctx, opsHours, func(loaded *table.Table) (*change, error) {
		if _, done := runSnapshot(loaded, run); done {
			return nil, nil
		}
		entries, err := l.entries(opsHours, []dataFile{*file})
		return &change{
			add: entries, fresh: true,
			summary: iceberg.Properties{summaryRun: run.ID, summaryHour: run.Hour.String()},
		}, err
	})
}

// attemptName begins the names of the ledger's files: no two are ever the same, so that what an attempt left behind can be
// removed while another one runs.
func attemptName(run Run) string { return fmt.Sprintf("%s-%d", shortID(run.ID), time.Now().UnixNano()) }

// runSnapshot finds the snapshot that a run committed to a table, however its answer was lost.
func runSnapshot(loaded *table.Table, run Run) (snapshot *table.Snapshot, found bool) {
	snapshots := loaded.Metadata().Snapshots()
	for i := len(snapshots) - 1; i >= 0; i-- {
		if summary := snapshots[i].Summary; summary != nil && summary.Properties[summaryRun] == run.ID && summary.Properties[summaryHour] == run.Hour.String() {
			return &snapshots[i], true
		}
	}
	return nil, false
}

// ledgerRow reads the row that the run wrote before, if it did. The run's snapshot tells, unless the run began so long ago
// that it may have been expired.
func (l *Lake) ledgerRow(ctx context.Context, run Run, startedAt time.Time) (HourRow, bool, error) {
	loaded, err := l.load(ctx, opsHours)
	if err != nil {
		return HourRow{}, false, err
	}
	_, found := runSnapshot(loaded, run)
	const clocks = time.Hour // by which those of two machines may differ
	if !found && startedAt.Add(-clocks).UnixMilli() > knownSince(loaded) {
		return HourRow{}, false, nil
	}
	rows, err := l.hourRowsOf(ctx, loaded, run.Hour, run.Hour+1)
	if err != nil {
		return HourRow{}, false, err
	}
	for _, row := range rows {
		if row.RunID == run.ID {
			return row, true, nil
		}
	}
	if found {
		return HourRow{}, false, errors.New("the ledger lost the row of run " + run.ID)
	}
	return HourRow{}, false, nil
}

// DropStaging removes what a run staged, once it is committed or given up.
func (l *Lake) DropStaging(ctx context.Context, run Run) error {
	return l.objects.removeAll(ctx, l.staging(run))
}

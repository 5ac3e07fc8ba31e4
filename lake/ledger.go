package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	FileBad      = "bad"      // left out whole; the rows of its last good version stay, if it has one
	FileGone     = "gone"     // left the source; its rows stay
	FileReplaced = "replaced" // a newer version was read
	FileRemoved  = "removed"  // left the source, or was bad, and its rows were taken out because somebody asked for that
	FilePassed   = "passed"   // not read: no telemetry by its name
)

// HourRow is a row of ops.hours: one run of an hour.
type HourRow struct {
	Hour       telemetry.Hour `json:"hour"`
	RunID      string         `json:"run_id"`
	State      string         `json:"state"`
	Source     string         `json:"source"`
	Files      int64          `json:"files"`
	BadFiles   int64          `json:"bad_files"`
	GoneFiles  int64          `json:"gone_files,omitempty"`  // of Files: those that left the source and whose rows stay
	PassedOver int64          `json:"passed_over,omitempty"` // what lay beside the files and is not read
	Bytes      int64          `json:"bytes"`
	Lines      int64          `json:"lines"`
	Events     int64          `json:"events"`
	Rejects    int64          `json:"rejects"`
	Blanks     int64          `json:"blanks"`
	Erased     int64          `json:"erased"`
	Silver     int64          `json:"silver_events"`
	Sightings  int64          `json:"sightings"`
	Bindings   int64          `json:"bindings"`
	Rules      int64          `json:"rules,omitempty"` // by which silver was made; 0: from before they had a number
	Changed    bool           `json:"changed"`         // whether the run changed a row of silver
	StartedAt  time.Time      `json:"started_at"`
	FinishedAt time.Time      `json:"finished_at"`
}

// FileRow is a row of ops.files: one version of a source file.
type FileRow struct {
	Hour    telemetry.Hour `json:"hour"`
	Key     string         `json:"key"`
	ETag    string         `json:"etag"`
	Size    int64          `json:"size"`
	State   string         `json:"state"` // one of the constants above
	Error   string         `json:"error,omitempty"`
	Note    string         `json:"note,omitempty"` // of a file that was read: what of it was left out
	Lines   int64          `json:"lines"`
	Events  int64          `json:"events"`
	Rejects int64          `json:"rejects"`
	Blanks  int64          `json:"blanks"`
	Erased  int64          `json:"erased"`
	// RowsKept are those of Events and Rejects that stay of a bad file's last good version.
	RowsKept int64  `json:"rows_kept,omitempty"`
	RunID    string `json:"run_id"`
}

// present tells whether a version is the one whose rows the hour has, if any.
func (r *FileRow) present() bool {
	return r.State == FileRead || r.State == FileBad || r.State == FileGone
}

// hourTables are those whose rows a run replaces, in the order of its commits.
var hourTables = []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings}

// hourResult is all that the activities of a run left behind.
type hourResult struct {
	plan   stagedPlan
	counts map[int]ChunkCounts
	bad    map[int]string
	notes  map[int]string
	files  map[string][]dataFile // by table
}

func (l *Lake) gather(staged StagedHour) (*hourResult, error) {
	result := &hourResult{counts: map[int]ChunkCounts{}, bad: map[int]string{}, notes: map[int]string{}, files: map[string][]dataFile{}}
	if err := l.readPlan(staged.Plan, &result.plan); err != nil {
		return nil, err
	}
	maps.Copy(result.bad, result.plan.Bad)
	add := func(files []dataFile) {
		for _, file := range files {
			result.files[file.Table] = append(result.files[file.Table], file)
		}
	}
	for _, chunk := range staged.Chunks {
		var written stagedChunk
		if err := l.objects.readJSON(chunk.Ref, &written); err != nil {
			return nil, err
		}
		add(written.Files)
		maps.Copy(result.bad, written.Bad)
		maps.Copy(result.notes, written.Notes)
		for file, counts := range written.Counts {
			sum := result.counts[file]
			sum.add(counts)
			result.counts[file] = sum
		}
	}
	for _, each := range staged.Silver {
		var written stagedSilver
		if err := l.objects.readJSON(each.Ref, &written); err != nil {
			return nil, err
		}
		add(written.Files)
	}
	return result, nil
}

func (r *hourResult) row(run Run, silver []StagedSilver) HourRow {
	row := r.readRow()
	if r.plan.Noted != nil {
		row.Hour, row.RunID, row.Changed = run.Hour, run.ID, false
		return row
	}
	row.Hour, row.RunID, row.Rules, row.Changed = run.Hour, run.ID, Rules, false
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
	if r.plan.Noted != nil {
		noted := r.plan.notedRow()
		noted.PassedOver = r.plan.PassedOver
		return noted
	}
	row := HourRow{
		State: HourComplete, Source: r.plan.Source, Files: int64(len(r.plan.Files)), BadFiles: int64(len(r.bad)),
		PassedOver: r.plan.PassedOver, GoneFiles: int64(len(r.plan.Gone)),
	}
	switch {
	case len(r.plan.Files) == 0:
		row.State = HourEmpty
	case len(r.bad) > 0:
		row.State = HourDegraded
	case len(r.plan.Gone) == len(r.plan.Files) && r.plan.Was != "":
		row.State = r.plan.Was
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
		if good, kept := r.plan.Good[i]; kept && r.plan.Noted != nil {
			counts = ChunkCounts{Lines: good.Lines, Events: good.Events, Rejects: good.Rejects, Blanks: good.Blanks, Erased: good.Erased}
		}
		rows[i] = FileRow{
			Hour: run.Hour, Key: file.Key, ETag: file.ETag, Size: file.Size, State: FileRead, Note: r.notes[i], RunID: run.ID,
			Lines: counts.Lines, Events: counts.Events, Rejects: counts.Rejects, Blanks: counts.Blanks, Erased: counts.Erased,
		}
		if reason, bad := r.bad[i]; bad {
			rows[i].State, rows[i].Error, rows[i].Note, rows[i].RowsKept = FileBad, reason, "", counts.Events+counts.Rejects
		}
		if r.plan.Gone[i] {
			rows[i].State, rows[i].Note = FileGone, r.plan.Good[i].Note
		}
	}
	for _, passed := range r.plan.Passed {
		rows = append(rows, FileRow{
			Hour: run.Hour, Key: passed.Key, ETag: passed.ETag, Size: passed.Size, State: FilePassed, Error: passed.Why, RunID: run.ID,
		})
	}
	return rows
}

func mergeFileRows(known []fileRow, rows []FileRow) []fileRow {
	type version struct{ key, etag string }
	merged := map[version]fileRow{}
	present := map[string]bool{}
	for _, row := range known {
		if row.State != FilePassed { // nothing of it was ever read
			merged[version{row.FileName, row.ETag}] = row
		}
	}
	for _, row := range rows {
		present[row.Key] = true
		at := version{row.Key, row.ETag}
		runID := row.RunID
		if before, ok := merged[at]; ok {
			runID = before.RunID
		}
		merged[at] = fileRow{
			FileName: row.Key, ETag: row.ETag, Size: row.Size, State: row.State, Error: row.Error, Note: row.Note, Lines: row.Lines,
			Events: row.Events, Rejects: row.Rejects, Blanks: row.Blanks, Erased: row.Erased, RowsKept: row.RowsKept, RunID: runID,
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
		case row.State == FilePassed: // it never had a row
			continue
		case present[at.key]:
			row.State, row.RowsKept = FileReplaced, 0
		default:
			row.State, row.RowsKept = FileRemoved, 0
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
		BadFiles: r.BadFiles, GoneFiles: r.GoneFiles, PassedOver: r.PassedOver, Bytes: r.Bytes, Lines: r.Lines, Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased,
		Silver: r.Silver, Sightings: r.Sightings, Bindings: r.Bindings, Rules: r.Rules, Changed: r.Changed,
		StartedAt: r.StartedAt.UnixMicro(), FinishedAt: r.FinishedAt.UnixMicro(), IngestDate: r.Hour.Date(),
	}
}

// recordFiles writes the hours' files into ops.files. Versions read earlier stay, as gone, replaced or removed.
func (c *hoursCommit) recordFiles(ctx context.Context) error {
	if err := c.leaveMet(ctx); err != nil {
		return err
	}
	hours := c.of(opsFiles)
	if len(hours) == 0 {
		return nil
	}
	return c.lake.commit(ctx, opsFiles, func(loaded *table.Table) (*change, error) {
		c.seen[opsFiles.name] = headOf(loaded)
		live, err := c.lake.filesOf(ctx, opsFiles, loaded, hours)
		if err != nil {
			return nil, err
		}
		merged := map[telemetry.Hour][]fileRow{}
		for _, hour := range hours {
			known, err := readRows[fileRow](ctx, c.lake, live[hour.Run.Hour])
			if err != nil {
				return nil, err
			}
			rows := hour.result.fileRows(hour.Run)
			if hour.result.plan.Noted != nil {
				keepCounts(known, rows)
			}
			merged[hour.Run.Hour] = mergeFileRows(known, rows)
		}
		written, err := writeParts(ctx, c.lake, opsFiles, merged, opsFiles.at, attemptName(c.id))
		if err != nil {
			return nil, err
		}
		replaced := c.replacement(opsFiles)
		for _, hour := range hours {
			files := written[hour.Run.Hour]
			same, err := c.lake.sameContents(live[hour.Run.Hour], files)
			if err != nil {
				return nil, err
			}
			switch {
			case same:
			case hour.overtaken:
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			default:
				hour.changed[opsFiles.name] = true
				if err := replaced.hour(hour.Run.Hour, live[hour.Run.Hour], files); err != nil {
					return nil, err
				}
			}
		}
		return replaced.change(ctx)
	})
}

// recordHours appends the runs to the ledger, once. errInterfered: look at the tables again.
func (c *hoursCommit) recordHours(ctx context.Context) error {
	going := c.going()
	if len(going) == 0 {
		return nil
	}
	if err := c.refreshNoted(ctx); err != nil {
		return err
	}
	rows := make([]HourRow, len(going))
	days := map[int32][]hourRow{}
	hours := make([]telemetry.Hour, len(going))
	for i, hour := range going {
		row := hour.result.row(hour.Run, hour.Silver)
		for _, definition := range [...]tableDefinition{silverEvents, silverSightings, silverBindings} {
			row.Changed = row.Changed || hour.changed[definition.name]
		}
		row.StartedAt = hour.StartedAt.UTC().Truncate(time.Microsecond)
		row.FinishedAt = time.Now().UTC().Truncate(time.Microsecond)
		rows[i], hours[i] = row, hour.Run.Hour
		days[hour.Run.Hour.Date()] = append(days[hour.Run.Hour.Date()], row.stored())
	}
	files, err := writeDays(ctx, c.lake, opsHours, days, attemptName(c.id))
	if err != nil {
		return err
	}
	var ledger *table.Table
	err = c.lake.commit(ctx, opsHours, func(loaded *table.Table) (*change, error) {
		ledger = loaded
		if _, done := runSnapshot(loaded, going[0].Run); done {
			return nil, nil
		}
		if met, err := c.interfered(ctx); err != nil {
			return nil, err
		} else if met {
			return nil, errInterfered
		}
		entries, err := c.lake.entries(opsHours, files)
		return &change{add: entries, fresh: true, summary: runSummary(c.id, hours...)}, err
	})
	if err != nil {
		return err
	}
	c.rows = rows
	// Each is whole. But of two runs that met, the one that ended last may have listed first.
	for _, hour := range going {
		wrote := slices.Contains(slices.Collect(maps.Values(hour.changed)), true)
		if wrote && overtaken(ledger, hour.StagedHour) {
			c.left[hour.Run.Hour] = errOvertaken(hour.Run)
		}
	}
	return nil
}

// attemptName begins the names of the ledger's files: no two are ever the same, so that what an attempt left behind can be
// removed while another one runs.
func attemptName(id string) string { return fmt.Sprintf("%s-%d", shortID(id), time.Now().UnixNano()) }

// ledgerRows reads the rows that runs wrote before, if they did. Their snapshot tells, unless they began so long ago that it may
// have been expired.
func (l *Lake) ledgerRows(ctx context.Context, ledger *table.Table, staged []StagedHour) (rows []HourRow, err error) {
	const clocks = time.Hour // by which those of two machines may differ
	known := knownSince(ledger)
	found := map[telemetry.Hour]bool{} // whether the ledger must have the row
	for _, hour := range staged {
		if _, committed := runSnapshot(ledger, hour.Run); committed {
			found[hour.Run.Hour] = true
		} else if hour.StartedAt.Add(-clocks).UnixMilli() <= known {
			found[hour.Run.Hour] = false
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	all, err := l.hourRowsOf(ctx, ledger, staged[0].Run.Hour, staged[len(staged)-1].Run.Hour+1)
	if err != nil {
		return nil, err
	}
	for _, row := range all {
		if _, asked := found[row.Hour]; asked && row.RunID == staged[0].Run.ID {
			rows = append(rows, row)
			delete(found, row.Hour)
		}
	}
	for hour, must := range found {
		if must {
			return nil, fmt.Errorf("the ledger lost the row of run %s, hour %s", staged[0].Run.ID, hour)
		}
	}
	return rows, nil
}

// DropStaging removes what a run staged, once it is committed or given up.
func (l *Lake) DropStaging(ctx context.Context, run Run) error {
	return l.objects.removeAll(ctx, l.staging(run))
}

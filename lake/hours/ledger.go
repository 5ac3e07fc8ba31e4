package hours

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// hourResult is all that the activities of a run left behind.
type hourResult struct {
	plan   StagedPlan
	counts map[int]ChunkCounts
	bad    map[int]string
	notes  map[int]string
	files  map[string][]lake.DataFile // by table
}

func gather(l *lake.Lake, staged StagedHour) (*hourResult, error) {
	result := &hourResult{counts: map[int]ChunkCounts{}, bad: map[int]string{}, notes: map[int]string{},
		files: map[string][]lake.DataFile{}}
	if err := readPlan(l, staged.Plan, &result.plan); err != nil {
		return nil, err
	}
	maps.Copy(result.bad, result.plan.Bad)
	add := func(files []lake.DataFile) {
		for _, file := range files {
			result.files[file.Table] = append(result.files[file.Table], file)
		}
	}
	for _, chunk := range staged.Chunks {
		var written ChunkFiles
		if err := l.Objects.ReadJSON(chunk.Ref, &written); err != nil {
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
		var written SilverFiles
		if err := l.Objects.ReadJSON(each.Ref, &written); err != nil {
			return nil, err
		}
		add(written.Files)
	}
	return result, nil
}

func (r *hourResult) row(run lake.Run, silver []StagedSilver) ledger.Hour {
	row := r.readRow()
	if r.plan.Noted != nil {
		row.Hour, row.RunID, row.Changed = run.Hour, run.ID, false
		return row
	}
	row.Hour, row.RunID, row.Rules, row.Changed = run.Hour, run.ID, lake.Rules, false
	row.Silver, row.Sightings, row.Bindings = 0, 0, 0
	for _, each := range silver {
		row.Silver += each.Events
		row.Sightings += each.Sightings
		row.Bindings += each.Bindings
	}
	return row
}

// readRow is what was read: by this run from the source, or by the run that bronze goes back to.
func (r *hourResult) readRow() ledger.Hour {
	if r.plan.Bronze != nil {
		return *r.plan.Bronze
	}
	if r.plan.Noted != nil {
		noted := r.plan.notedRow()
		noted.PassedOver = r.plan.PassedOver
		return noted
	}
	row := ledger.Hour{
		State: ledger.HourComplete, Source: r.plan.Source, Files: int64(len(r.plan.Files)), BadFiles: int64(len(r.bad)),
		PassedOver: r.plan.PassedOver, GoneFiles: int64(len(r.plan.Gone)),
	}
	switch {
	case len(r.plan.Files) == 0:
		row.State = ledger.HourEmpty
	case len(r.bad) > 0:
		row.State = ledger.HourDegraded
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

func (r *hourResult) fileRows(run lake.Run) []ledger.File {
	rows := make([]ledger.File, len(r.plan.Files))
	for i, file := range r.plan.Files {
		counts := r.counts[i]
		if good, kept := r.plan.Good[i]; kept && r.plan.Noted != nil {
			counts = ChunkCounts{Lines: good.Lines, Events: good.Events, Rejects: good.Rejects, Blanks: good.Blanks,
				Erased: good.Erased}
		}
		rows[i] = ledger.File{
			Hour: run.Hour, Key: file.Key, ETag: file.ETag, Size: file.Size, State: ledger.FileRead, Note: r.notes[i],
			RunID: run.ID,
			Lines: counts.Lines, Events: counts.Events, Rejects: counts.Rejects, Blanks: counts.Blanks,
			Erased: counts.Erased,
		}
		if reason, bad := r.bad[i]; bad {
			rows[i].State, rows[i].Error, rows[i].Note, rows[i].RowsKept = ledger.FileBad, reason, "", counts.Events+
				counts.Rejects
		}
		if r.plan.Gone[i] {
			rows[i].State, rows[i].Note = ledger.FileGone, r.plan.Good[i].Note
		}
	}
	for _, passed := range r.plan.Passed {
		rows = append(rows, ledger.File{
			Hour: run.Hour, Key: passed.Key, ETag: passed.ETag, Size: passed.Size, State: ledger.FilePassed,
			Error: passed.Why, RunID: run.ID,
		})
	}
	return rows
}

func mergeFileRows(known []lake.FileRow, rows []ledger.File) []lake.FileRow {
	type version struct{ key, etag string }
	merged := map[version]lake.FileRow{}
	present := map[string]bool{}
	for _, row := range known {
		if row.State != ledger.FilePassed { // nothing of it was ever read
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
		merged[at] = lake.FileRow{
			FileName: row.Key, ETag: row.ETag, Size: row.Size, State: row.State, Error: row.Error, Note: row.Note,
			Lines:  row.Lines,
			Events: row.Events, Rejects: row.Rejects, Blanks: row.Blanks, Erased: row.Erased, RowsKept: row.RowsKept,
			RunID:      runID,
			IngestDate: row.Hour.Date(), IngestHourOfDay: row.Hour.OfDay(),
		}
	}
	current := map[version]bool{}
	for _, row := range rows {
		current[version{row.Key, row.ETag}] = true
	}
	var all []lake.FileRow
	for at, row := range merged {
		switch {
		case current[at]:
		case row.State == ledger.FilePassed: // it never had a row
			continue
		case present[at.key]:
			row.State, row.RowsKept = ledger.FileReplaced, 0
		default:
			row.State, row.RowsKept = ledger.FileRemoved, 0
		}
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b lake.FileRow) int {
		return strings.Compare(a.FileName+"\x00"+a.ETag, b.FileName+"\x00"+b.ETag)
	})
	return all
}

// RecordFiles writes the hours' files into ops.files. Versions read earlier stay, as gone, replaced or removed.
func (c *HoursCommit) RecordFiles(ctx context.Context) error {
	if err := c.leaveMet(ctx); err != nil {
		return err
	}
	hours := c.of(lake.OpsFiles)
	if len(hours) == 0 {
		return nil
	}
	return c.lake.Commit(ctx, lake.OpsFiles, func(loaded *table.Table) (*lake.Change, error) {
		c.seen[lake.OpsFiles.Name] = lake.HeadOf(loaded)
		live, err := FilesOf(ctx, c.lake, lake.OpsFiles, loaded, hours)
		if err != nil {
			return nil, err
		}
		merged := map[telemetry.Hour][]lake.FileRow{}
		for _, hour := range hours {
			known, err := lake.ReadRows[lake.FileRow](ctx, c.lake, live[hour.Run.Hour])
			if err != nil {
				return nil, err
			}
			rows := hour.result.fileRows(hour.Run)
			if hour.result.plan.Noted != nil {
				keepCounts(known, rows)
			}
			merged[hour.Run.Hour] = mergeFileRows(known, rows)
		}
		written, err := ledger.WriteParts(ctx, c.lake, lake.OpsFiles, merged, lake.OpsFiles.At, lake.AttemptName(c.id))
		if err != nil {
			return nil, err
		}
		replaced := c.Replacement(lake.OpsFiles)
		for _, hour := range hours {
			files := written[hour.Run.Hour]
			same, err := c.lake.SameContents(live[hour.Run.Hour], files)
			if err != nil {
				return nil, err
			}
			switch {
			case same:
			case hour.overtaken:
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			default:
				hour.Changed[lake.OpsFiles.Name] = true
				if err := replaced.Hour(hour.Run.Hour, live[hour.Run.Hour], files); err != nil {
					return nil, err
				}
			}
		}
		return replaced.Change(ctx)
	})
}

// RecordHours appends the runs to the ledger, once. ErrInterfered: look at the tables again.
func (c *HoursCommit) RecordHours(ctx context.Context) error {
	going := c.going()
	if len(going) == 0 {
		return nil
	}
	if err := c.refreshNoted(ctx); err != nil {
		return err
	}
	rows := make([]ledger.Hour, len(going))
	days := map[int32][]lake.HourRow{}
	hours := make([]telemetry.Hour, len(going))
	for i, hour := range going {
		row := hour.result.row(hour.Run, hour.Silver)
		for _, definition := range [...]lake.TableDefinition{lake.SilverEvents, lake.SilverSightings,
			lake.SilverBindings} {
			row.Changed = row.Changed || hour.Changed[definition.Name]
		}
		row.StartedAt = hour.StartedAt.UTC().Truncate(time.Microsecond)
		row.FinishedAt = time.Now().UTC().Truncate(time.Microsecond)
		rows[i], hours[i] = row, hour.Run.Hour
		days[hour.Run.Hour.Date()] = append(days[hour.Run.Hour.Date()], row.Stored())
	}
	files, err := ledger.WriteDays(ctx, c.lake, lake.OpsHours, days, lake.AttemptName(c.id))
	if err != nil {
		return err
	}
	var ledger *table.Table
	err = c.lake.Commit(ctx, lake.OpsHours, func(loaded *table.Table) (*lake.Change, error) {
		ledger = loaded
		if _, done := lake.RunSnapshot(loaded, going[0].Run); done {
			return nil, nil
		}
		if met, err := c.interfered(ctx); err != nil {
			return nil, err
		} else if met {
			return nil, ErrInterfered
		}
		entries, err := c.lake.Entries(lake.OpsHours, files)
		return &lake.Change{Add: entries, Fresh: true, Summary: lake.RunSummary(c.id, hours...)}, err
	})
	if err != nil {
		return err
	}
	c.rows = rows
	// Each is whole. But of two runs that met, the one that ended last may have listed first.
	for _, hour := range going {
		wrote := slices.Contains(slices.Collect(maps.Values(hour.Changed)), true)
		if wrote && overtaken(ledger, hour.StagedHour) {
			c.left[hour.Run.Hour] = errOvertaken(hour.Run)
		}
	}
	return nil
}

// ledgerRows reads the rows that runs wrote before, if they did. Their snapshot tells, unless they began so long
// ago that it may have been expired.
func ledgerRows(ctx context.Context, l *lake.Lake, ledgerTable *table.Table,
	staged []StagedHour) (rows []ledger.Hour, err error) {
	const clocks = time.Hour // by which those of two machines may differ
	known := ledger.KnownSince(ledgerTable)
	found := map[telemetry.Hour]bool{} // whether the ledger must have the row
	for _, hour := range staged {
		if _, committed := lake.RunSnapshot(ledgerTable, hour.Run); committed {
			found[hour.Run.Hour] = true
		} else if hour.StartedAt.Add(-clocks).UnixMilli() <= known {
			found[hour.Run.Hour] = false
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	all, err := ledger.RunsOf(ctx, l, ledgerTable, staged[0].Run.Hour, staged[len(staged)-1].Run.Hour+1)
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
func DropStaging(ctx context.Context, l *lake.Lake, run lake.Run) error {
	return l.Objects.RemoveAll(ctx, staging(l, run))
}

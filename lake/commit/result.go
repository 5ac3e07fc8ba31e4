package commit

import (
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
)

// hourResult is all that the activities of a run left behind.
type hourResult struct {
	plan   hours.StagedPlan
	counts map[int]hours.ChunkCounts
	bad    map[int]string
	notes  map[int]string
	files  map[string][]lake.DataFile // by table
}

func gather(l *lake.Lake, staged hours.StagedHour) (*hourResult, error) {
	result := &hourResult{counts: map[int]hours.ChunkCounts{}, bad: map[int]string{}, notes: map[int]string{},
		files: map[string][]lake.DataFile{}}
	if err := hours.ReadPlan(l, staged.Plan, &result.plan); err != nil {
		return nil, err
	}
	maps.Copy(result.bad, result.plan.Bad)
	add := func(files []lake.DataFile) {
		for _, file := range files {
			result.files[file.Table] = append(result.files[file.Table], file)
		}
	}
	for _, chunk := range staged.Chunks {
		var written hours.ChunkFiles
		if err := l.Objects.ReadJSON(chunk.Ref, &written); err != nil {
			return nil, err
		}
		add(written.Files)
		maps.Copy(result.bad, written.Bad)
		maps.Copy(result.notes, written.Notes)
		for file, counts := range written.Counts {
			sum := result.counts[file]
			sum.Add(counts)
			result.counts[file] = sum
		}
	}
	for _, each := range staged.Silver {
		var written hours.SilverFiles
		if err := l.Objects.ReadJSON(each.Ref, &written); err != nil {
			return nil, err
		}
		add(written.Files)
	}
	return result, nil
}

func (r *hourResult) row(run lake.Run, silver []hours.StagedSilver) ledger.Hour {
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
		noted := r.plan.NotedRow()
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
			counts = hours.ChunkCounts{Lines: good.Lines, Events: good.Events, Rejects: good.Rejects,
				Blanks: good.Blanks,
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

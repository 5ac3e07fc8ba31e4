package lake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// HourUnknown is what a Finding says of an hour that the ledger did not know.
const HourUnknown = "unknown"

// Finding is a row of ops.findings: an hour whose files were not those that were read.
type Finding struct {
	Hour    telemetry.Hour `json:"hour"`
	FoundAt time.Time      `json:"found_at"`
	State   string         `json:"state"`   // of the hour in the ledger before; HourUnknown
	Added   int64          `json:"added"`   // files
	Changed int64          `json:"changed"` // files with another etag or size
	Removed int64          `json:"removed"` // files of which no row stays
	// Gone are files that left the source, and whose rows stay.
	Gone int64 `json:"gone,omitempty"`
	// Note is what was found of the source as a whole; the counts are 0 then.
	Note  string `json:"note,omitempty"`
	RunID string `json:"run_id"`
}

// CompareFiles compares an hour's files with what was read of it, by key, etag and size; false if nothing differs. Times
// don't count: a file that was written again with the same contents may keep its etag or not. What is known to be gone is no
// news, unless removeGone says that its rows shall go, and with them those of bad files.
func CompareFiles(known []FileRow, listed source.Listing, removeGone bool) (f Finding, differs bool) {
	present := map[string]FileRow{}
	for _, row := range known {
		if row.present() {
			present[row.Key] = row
		}
	}
	compare := func(file source.File, bad bool) {
		row, ok := present[file.Key]
		switch {
		case !ok || row.State == FileGone:
			f.Added++
		case row.ETag != file.ETag || row.Size != file.Size, bad && row.State == FileRead, removeGone && row.RowsKept > 0:
			f.Changed++
		}
		delete(present, file.Key)
	}
	for _, file := range listed.Files {
		compare(file, false)
	}
	for _, bad := range listed.Bad {
		compare(bad.File, true)
	}
	nothing := len(listed.Files)+len(listed.Bad) == 0
	for _, row := range present {
		switch {
		case removeGone || row.State != FileGone && !row.stays(nothing):
			f.Removed++
		case row.State != FileGone:
			f.Gone++
		}
	}
	return f, f.Added+f.Changed+f.Removed+f.Gone > 0
}

// FilesBetween reads ops.files of all hours in [from, to).
func (l *Lake) FilesBetween(ctx context.Context, from, to telemetry.Hour) (map[telemetry.Hour][]FileRow, error) {
	loaded, err := l.load(ctx, opsFiles)
	if err != nil {
		return nil, err
	}
	live, err := liveFiles(ctx, loaded, hoursBetween(from, to))
	if err != nil {
		return nil, err
	}
	stored, err := readRows[fileRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	rows := map[telemetry.Hour][]FileRow{}
	for _, row := range stored {
		rows[row.hour()] = append(rows[row.hour()], row.public(row.hour()))
	}
	return rows, nil
}

func (r *fileRow) public(hour telemetry.Hour) FileRow {
	return FileRow{
		Hour: hour, Key: r.FileName, ETag: r.ETag, Size: r.Size, State: r.State, Error: r.Error, Note: r.Note, Lines: r.Lines,
		Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased, RowsKept: r.RowsKept, RunID: r.RunID,
	}
}

// RecordFindings appends to ops.findings, all in one commit. runID is unique per attempt.
func (l *Lake) RecordFindings(ctx context.Context, runID string, findings []Finding) error {
	days := map[int32][]findingRow{}
	for _, f := range findings {
		days[f.Hour.Date()] = append(days[f.Hour.Date()], findingRow{
			HourStart: f.Hour.Start().UnixMicro(), FoundAt: f.FoundAt.UnixMicro(), State: f.State, Added: f.Added, Changed: f.Changed,
			Removed: f.Removed, Gone: f.Gone, Note: f.Note, RunID: runID, IngestDate: f.Hour.Date(),
		})
	}
	files, err := writeDays(ctx, l, opsFindings, days, attemptName(runID))
	if err == nil && len(files) > 0 {
		err = l.commit(ctx, opsFindings, func(*table.Table) (*change, error) {
			entries, err := l.entries(opsFindings, files)
			return &change{add: entries, fresh: true, summary: runSummary(runID)}, err
		})
	}
	if err != nil {
		return fmt.Errorf("record %d hours that differ from the source: %w", len(findings), err)
	}
	return nil
}

// Findings reads ops.findings, the newest first. An attempt whose answer was lost may have left an hour twice.
func (l *Lake) Findings(ctx context.Context) ([]Finding, error) {
	loaded, err := l.load(ctx, opsFindings)
	if err != nil {
		return nil, err
	}
	live, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	stored, err := readRows[findingRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	findings := make([]Finding, len(stored))
	for i, row := range stored {
		findings[i] = Finding{
			Hour: telemetry.HourOf(time.UnixMicro(row.HourStart)), FoundAt: time.UnixMicro(row.FoundAt).UTC(), State: row.State,
			Added: row.Added, Changed: row.Changed, Removed: row.Removed, Gone: row.Gone,
			Note: row.Note, RunID: row.RunID,
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		if order := b.FoundAt.Compare(a.FoundAt); order != 0 {
			return order
		}
		return int(a.Hour - b.Hour)
	})
	return findings, nil
}

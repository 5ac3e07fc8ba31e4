package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

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

// CompareFiles compares an hour's files with what was read of it, by key, etag and size; false if nothing differs.
// Times don't count: a file that was written again with the same contents may keep its etag or not. What is known
// to be gone is no news, unless removeGone says that its rows shall go, and with them those of bad files.
func CompareFiles(known []File, listed source.Listing, removeGone bool) (f Finding, differs bool) {
	present := map[string]File{}
	for _, row := range known {
		if row.Present() {
			present[row.Key] = row
		}
	}
	compare := func(file source.File, bad bool) {
		row, ok := present[file.Key]
		switch {
		case !ok || row.State == FileGone:
			f.Added++
		case row.ETag != file.ETag || row.Size != file.Size, bad && row.State == FileRead, removeGone &&
			row.RowsKept > 0:
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
		case removeGone || row.State != FileGone && !row.Stays(nothing):
			f.Removed++
		case row.State != FileGone:
			f.Gone++
		}
	}
	return f, f.Added+f.Changed+f.Removed+f.Gone > 0
}

// FilesBetween reads ops.files of all hours in [from, to).
func FilesBetween(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) (map[telemetry.Hour][]File, error) {
	loaded, err := l.Load(ctx, lake.OpsFiles)
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded, lake.HoursBetween(from, to))
	if err != nil {
		return nil, err
	}
	stored, err := lake.ReadRows[lake.FileRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	rows := map[telemetry.Hour][]File{}
	for _, row := range stored {
		rows[row.Hour()] = append(rows[row.Hour()], FileOf(&row, row.Hour()))
	}
	return rows, nil
}

// RecordFindings appends to ops.findings, all in one commit. runID is unique per attempt.
func RecordFindings(ctx context.Context, l *lake.Lake, runID string, findings []Finding) error {
	days := map[int32][]lake.FindingRow{}
	for _, f := range findings {
		days[f.Hour.Date()] = append(days[f.Hour.Date()], lake.FindingRow{
			HourStart: f.Hour.Start().UnixMicro(), FoundAt: f.FoundAt.UnixMicro(), State: f.State, Added: f.Added,
			Changed: f.Changed,
			Removed: f.Removed, Gone: f.Gone, Note: f.Note, RunID: runID, IngestDate: f.Hour.Date(),
		})
	}
	files, err := WriteDays(ctx, l, lake.OpsFindings, days, lake.AttemptName(runID))
	if err == nil && len(files) > 0 {
		err = l.Commit(ctx, lake.OpsFindings, func(*table.Table) (*lake.Change, error) {
			entries, err := l.Entries(lake.OpsFindings, files)
			return &lake.Change{Add: entries, Fresh: true, Summary: lake.RunSummary(runID)}, err
		})
	}
	if err != nil {
		return fmt.Errorf("record %d hours that differ from the source: %w", len(findings), err)
	}
	return nil
}

// Findings reads ops.findings, the newest first. An attempt whose answer was lost may have left an hour twice.
func Findings(ctx context.Context, l *lake.Lake) ([]Finding, error) { return findings(ctx, l) }

// FindingsBetween reads those of the days that [from, to) touches.
func FindingsBetween(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) ([]Finding, error) {
	return findings(ctx, l, lake.HoursBetween(from, to))
}

func findings(ctx context.Context, l *lake.Lake, options ...table.ScanOption) ([]Finding, error) {
	loaded, err := l.Load(ctx, lake.OpsFindings)
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded, options...)
	if err != nil {
		return nil, err
	}
	stored, err := lake.ReadRows[lake.FindingRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	findings := make([]Finding, len(stored))
	for i, row := range stored {
		findings[i] = Finding{
			Hour: telemetry.HourOf(time.UnixMicro(row.HourStart)), FoundAt: time.UnixMicro(row.FoundAt).UTC(),
			State: row.State,
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

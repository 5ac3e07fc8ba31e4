package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// HourUnknown is what a Finding says of an hour that the ledger did not know.
const HourUnknown = "unknown"

// Stays tells whether the present version of a file that left the source is kept. Of a bad file without rows
// nothing is, unless the whole hour left: that keeps its state and its counts.
func (r *File) Stays(nothingListed bool) bool {
	return r.State != FileBad || r.Lines > 0 || nothingListed
}

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
	// left the source, or was bad, and its rows were taken out because somebody asked for that
	FileRemoved = "removed"
	FilePassed  = "passed" // not read: no telemetry by its name
)

// Hour is a row of ops.hours: one run of an hour.
type Hour struct {
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

// File is a row of ops.files: one version of a source file.
type File struct {
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

// Present tells whether a version is the one whose rows the hour has, if any.
func (r *File) Present() bool {
	return r.State == FileRead || r.State == FileBad || r.State == FileGone
}

// Stored is the row as the table has it.
func (r Hour) Stored() lake.HourRow {
	return lake.HourRow{
		HourStart: r.Hour.Start().UnixMicro(), RunID: r.RunID, State: r.State, Source: r.Source, Files: r.Files,
		BadFiles: r.BadFiles, GoneFiles: r.GoneFiles, PassedOver: r.PassedOver, Bytes: r.Bytes, Lines: r.Lines,
		Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased,
		Silver: r.Silver, Sightings: r.Sightings, Bindings: r.Bindings, Rules: r.Rules, Changed: r.Changed,
		StartedAt: r.StartedAt.UnixMicro(), FinishedAt: r.FinishedAt.UnixMicro(), IngestDate: r.Hour.Date(),
	}
}

// hourOf is a row of the table as an Hour: what Stored does, undone.
func hourOf(r *lake.HourRow) Hour {
	return Hour{
		Hour: telemetry.HourOf(time.UnixMicro(r.HourStart)), RunID: r.RunID, State: r.State, Source: r.Source,
		Files: r.Files, BadFiles: r.BadFiles, GoneFiles: r.GoneFiles, PassedOver: r.PassedOver, Bytes: r.Bytes,
		Lines: r.Lines, Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased,
		Silver: r.Silver, Sightings: r.Sightings, Bindings: r.Bindings, Rules: r.Rules, Changed: r.Changed,
		StartedAt: time.UnixMicro(r.StartedAt).UTC(), FinishedAt: time.UnixMicro(r.FinishedAt).UTC(),
	}
}

// Stored is the row as the table has it.
func (r File) Stored() lake.FileRow {
	return lake.FileRow{
		FileName: r.Key, ETag: r.ETag, Size: r.Size, State: r.State, Error: r.Error, Note: r.Note, Lines: r.Lines,
		Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased, RowsKept: r.RowsKept, RunID: r.RunID,
		IngestDate: r.Hour.Date(), IngestHourOfDay: r.Hour.OfDay(),
	}
}

// FileOf is a row of the table, of an hour, as a File: what Stored does, undone.
func FileOf(r *lake.FileRow, hour telemetry.Hour) File {
	return File{
		Hour: hour, Key: r.FileName, ETag: r.ETag, Size: r.Size, State: r.State, Error: r.Error, Note: r.Note,
		Lines: r.Lines, Events: r.Events, Rejects: r.Rejects, Blanks: r.Blanks, Erased: r.Erased, RowsKept: r.RowsKept,
		RunID: r.RunID,
	}
}

func (r File) leftOut() bool {
	switch r.State {
	case FileReplaced, FileRemoved, FileGone:
		return false
	case FileRead:
		return r.Note != ""
	}
	return true
}

// Hours reads the ledger's newest row of each hour in [from, to), ascending.
func Hours(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) ([]Hour, error) {
	rows, err := Runs(ctx, l, from, to)
	if err != nil {
		return nil, err
	}
	return newestOf(rows), nil
}

// newestOf are the rows that count, of rows in order: of the same hour, the last to be finished wins.
func newestOf(rows []Hour) []Hour {
	newest := rows[:0]
	for _, row := range rows {
		if len(newest) > 0 && newest[len(newest)-1].Hour == row.Hour {
			newest[len(newest)-1] = row
			continue
		}
		newest = append(newest, row)
	}
	return newest
}

// Runs reads every run in [from, to), by hour and time of finishing.
func Runs(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) ([]Hour, error) {
	loaded, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, err
	}
	return RunsOf(ctx, l, loaded, from, to)
}

func RunsOf(ctx context.Context, l *lake.Lake, loaded *table.Table, from, to telemetry.Hour) ([]Hour, error) {
	files, err := lake.LiveFiles(ctx, loaded, lake.HoursBetween(from, to))
	if err != nil {
		return nil, err
	}
	stored, err := lake.ReadRows[lake.HourRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	rows := inOrder(stored)
	return slices.DeleteFunc(rows, func(row Hour) bool { return row.Hour < from || row.Hour >= to }), nil
}

// inOrder are the rows of the table by hour and time of finishing.
func inOrder(stored []lake.HourRow) []Hour {
	rows := make([]Hour, len(stored))
	for i := range stored {
		rows[i] = hourOf(&stored[i])
	}
	slices.SortStableFunc(rows, func(a, b Hour) int {
		if a.Hour != b.Hour {
			return int(a.Hour - b.Hour)
		}
		return a.FinishedAt.Compare(b.FinishedAt)
	})
	return rows
}

// Files reads ops.files of an hour, by key.
func Files(ctx context.Context, l *lake.Lake, hour telemetry.Hour) ([]File, error) {
	loaded, err := l.Load(ctx, lake.OpsFiles)
	if err != nil {
		return nil, err
	}
	live, err := l.HourFiles(ctx, loaded, hour)
	if err != nil {
		return nil, err
	}
	stored, err := lake.ReadRows[lake.FileRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	rows := make([]File, len(stored))
	for i, row := range stored {
		rows[i] = FileOf(&row, hour)
	}
	return rows, nil
}

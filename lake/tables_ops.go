package lake

import (
	"github.com/versionlake/versionlake/lake/publication"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/weighing"
	"github.com/versionlake/versionlake/telemetry"
)

// The ledger, what was found to differ from it, and whom the lake must not hold.
var (
	OpsHours = TableDefinition{Name: "ops.hours", Row: HourRow{}, Partition: DayPartition, Compact: CompactByHour,
		Comment: "The ledger: one row per run of an hour."}
	OpsFiles = TableDefinition{Name: "ops.files", Row: FileRow{}, Partition: DayPartition, Compact: compactByName,
		Comment: "Every version of a source file ever read.", properties: metrics("file_name", "full")}
	OpsFindings = TableDefinition{Name: "ops.findings", Row: FindingRow{}, Partition: DayPartition,
		Comment: "What reconcile and the schedules found: hours whose files were not those that were read, or a " +
			"source without hours."}
	OpsChecks = TableDefinition{Name: "ops.checks", Row: CheckRow{}, Partition: DayPartition, Compact: compactByName,
		Comment: "What checks found: a row where it changed, and the figures of each hour."}
	OpsReleases = TableDefinition{Name: "ops.releases", Row: releasefile.ReleaseRow{},
		Comment: "Releases as people know them: versionlake releases import."}
	OpsPublished = TableDefinition{Name: "ops.published", Row: publication.PublishedRow{}, MonthOf: "date_utc",
		Comment: "What the daily aggregates said of a day when it ended, and of a month."}
	OpsStorage = TableDefinition{Name: "ops.storage", Row: weighing.StorageRow{}, MonthOf: "date_utc",
		Comment: "What each table weighed, day by day, when maintenance had ended."}
	OpsErasures = TableDefinition{Name: "ops.erasures", Row: ErasureRow{}, Partition: []string{"erasure_id"},
		Comment: "Whom the lake must not hold any more, as keyed hashes."}
)

// HourRow is a row of ops.hours.
type HourRow struct {
	// The hour: its first moment, UTC.
	HourStart int64 `parquet:"hour_utc,timestamp(microsecond),id(1)"`
	// Temporal run that ingested it.
	RunID string `parquet:"run_id,id(2)"`
	// complete, empty (no file), or degraded (a file was left out whole).
	State string `parquet:"state,dict,id(3)"`
	// Where the files came from.
	Source string `parquet:"source,dict,id(4)"`
	// Files listed.
	Files int64 `parquet:"files,id(5)"`
	// Files left out whole, see ops.files.
	BadFiles int64 `parquet:"bad_files,id(6)"`
	// Size of the files, as stored.
	Bytes int64 `parquet:"bytes,id(7)"`
	// Lines read = events + rejects + blanks + erased.
	Lines int64 `parquet:"lines,id(8)"`
	// Rows in bronze.events.
	Events int64 `parquet:"events,id(9)"`
	// Rows in bronze.rejects.
	Rejects int64 `parquet:"rejects,id(10)"`
	// Blank lines.
	Blanks int64 `parquet:"blanks,id(11)"`
	// Rows in silver.events.
	Silver int64 `parquet:"silver_events,id(12)"`
	// Rows in silver.sightings.
	Sightings int64 `parquet:"sightings,id(13)"`
	// Rows in silver.bindings.
	Bindings int64 `parquet:"bindings,id(14)"`
	// Whether the run changed a row of silver.
	Changed bool `parquet:"changed,id(15)"`
	// Start of the run, UTC.
	StartedAt int64 `parquet:"started_at,timestamp(microsecond),id(16)"`
	// When the hour was complete in silver, UTC.
	FinishedAt int64 `parquet:"finished_at,timestamp(microsecond),id(17)"`
	// Partition: UTC date of the hour.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(18)"`
	// Lines left out because they are of a forgotten user.
	Erased int64 `parquet:"erased,id(19)"`
	// Of files, those that left the source and whose rows stay; NULL: none.
	GoneFiles int64 `parquet:"gone_files,optional,id(20)"`
	// What lay beside the files and is not read, see ops.files; NULL: nothing.
	PassedOver int64 `parquet:"passed_over,optional,id(21)"`
	// Number of the rules by which the run made silver; NULL: from before they had one.
	Rules int64 `parquet:"rules,optional,id(22)"`
}

// FileRow is a row of ops.files.
type FileRow struct {
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,id(1)"`
	// The store's tag of this version of the file.
	ETag string `parquet:"etag,id(2)"`
	// Bytes, as stored.
	Size int64 `parquet:"size,id(3)"`
	// read; gone (left the source, its rows stay); bad (left out whole, see rows_kept); replaced (a newer version was
	// read); removed (its rows were taken out by --remove-gone); or passed (not read: no telemetry by its name).
	State string `parquet:"state,dict,id(4)"`
	// Why a file is bad, or passed over.
	Error string `parquet:"error,optional,id(5)"`
	// Lines read = events + rejects + blanks + erased.
	Lines int64 `parquet:"lines,id(6)"`
	// Lines in bronze.events.
	Events int64 `parquet:"events,id(7)"`
	// Lines in bronze.rejects.
	Rejects int64 `parquet:"rejects,id(8)"`
	// Blank lines.
	Blanks int64 `parquet:"blanks,id(9)"`
	// Temporal run that first read this version of the file.
	RunID string `parquet:"run_id,id(10)"`
	// Partition: UTC date of the folder the file lies in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(11)"`
	// UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(12)"`
	// Lines left out because they are of a forgotten user.
	Erased int64 `parquet:"erased,id(13)"`
	// Of a bad file: rows in bronze, of its last good version, that stay. The counts are of that version. NULL: none.
	RowsKept int64 `parquet:"rows_kept,optional,id(14)"`
	// What of a file that was read was left out: bytes behind its last compressed member; NULL: nothing.
	Note string `parquet:"note,optional,id(15)"`
}

// Hour is the hour of the file.
func (r *FileRow) Hour() telemetry.Hour { return HourOfRow(r.IngestDate, r.IngestHourOfDay) }

// ErasureRow is a row of ops.erasures.
type ErasureRow struct {
	// Partition: names the erasure. The keyed hash of the user's id, 16 bytes as hex.
	ErasureID string `parquet:"erasure_id,id(1)"`
	// user: the erasure itself; session: a session that named the user.
	Kind string `parquet:"kind,dict,id(2)"`
	// Keyed hash (HMAC-SHA256, the first 16 bytes as hex) of the id that must not come back.
	Hash string `parquet:"hash,id(3)"`
	// Bytes of that id.
	Length int64 `parquet:"length,id(4)"`
	// session: when it first named this side, without naming the other, UTC.
	FirstAt *int64 `parquet:"first_at,optional,timestamp(microsecond),id(5)"`
	// session: when it last did so, UTC.
	LastAt *int64 `parquet:"last_at,optional,timestamp(microsecond),id(6)"`
	// session: whether it named the forgotten user then, or somebody else.
	Subject bool `parquet:"is_subject,id(7)"`
	// user: begun, or done: a scan of every object found nothing. session: ended, where it named nobody, else NULL.
	State string `parquet:"state,optional,dict,id(8)"`
	// When this was remembered, UTC.
	RecordedAt int64 `parquet:"recorded_at,timestamp(microsecond),id(9)"`
	// user: when the last scan ended, UTC.
	FinishedAt *int64 `parquet:"finished_at,optional,timestamp(microsecond),id(10)"`
	// user: rows taken out of the present tables.
	Rows int64 `parquet:"rows,id(11)"`
	// user: data files written anew or removed, of all snapshots.
	Files int64 `parquet:"files,id(12)"`
	// user: objects that the last scan read.
	Objects int64 `parquet:"objects,id(13)"`
	// user: bytes of these.
	Bytes int64 `parquet:"bytes,id(14)"`
}

// FindingRow is a row of ops.findings.
type FindingRow struct {
	// The hour: its first moment, UTC.
	HourStart int64 `parquet:"hour_utc,timestamp(microsecond),id(1)"`
	// When it was found to differ, UTC.
	FoundAt int64 `parquet:"found_at,timestamp(microsecond),id(2)"`
	// State of the hour in ops.hours before; unknown where it had no row.
	State string `parquet:"state,dict,id(3)"`
	// Files that had not been read.
	Added int64 `parquet:"files_added,id(4)"`
	// Files with another etag or size than the one that was read.
	Changed int64 `parquet:"files_changed,id(5)"`
	// Files that were read, left the source, and of which no row stays.
	Removed int64 `parquet:"files_removed,id(6)"`
	// Temporal run that found it.
	RunID string `parquet:"run_id,id(7)"`
	// Partition: UTC date of the hour.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(8)"`
	// Files that were read and left the source; their rows stay. NULL: none.
	Gone int64 `parquet:"files_gone,optional,id(9)"`
	// What was found of the source as a whole, in words; the counts are 0 then.
	Note string `parquet:"note,optional,id(10)"`
}

// CheckRow is a row of ops.checks. It holds no id of a user or a session.
type CheckRow struct {
	// The check: one of docs/CHECKS.md, or the name of a file of SQL.
	Check string `parquet:"check_name,dict,id(1)"`
	// When the lake was looked at, UTC.
	CheckedAt int64 `parquet:"checked_at,timestamp(microsecond),id(2)"`
	// ok, warn, fail, or unknown (it could not be found out).
	State string `parquet:"state,dict,id(3)"`
	// State of the row before; NULL: there is none.
	Before string `parquet:"state_before,optional,dict,id(4)"`
	// Since when it has been in the state, UTC.
	Since int64 `parquet:"since,timestamp(microsecond),id(5)"`
	// What was measured; NULL: nothing could be.
	Figure *float64 `parquet:"figure,optional,id(6)"`
	// Unit of the figure.
	Unit string `parquet:"unit,dict,id(7)"`
	// Figure from which the state is warn; NULL: never.
	WarnAt *float64 `parquet:"warn_at,optional,id(8)"`
	// Figure from which it is fail; NULL: never.
	FailAt *float64 `parquet:"fail_at,optional,id(9)"`
	// The hours, versions, devices … that are not ok, with a comma between; NULL: none, or the lake as a whole.
	Subjects string `parquet:"subjects,optional,id(10)"`
	// What was found, in words.
	Text string `parquet:"text,id(11)"`
	// Run of the workflow that looked.
	RunID string `parquet:"run_id,id(12)"`
	// Partition: UTC date of checked_at.
	CheckedDate int32 `parquet:"p_ingest_date_utc,date,delta,id(13)"`
}

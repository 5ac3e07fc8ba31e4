package lake

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// TableDefinition is all that is known of a table. The row's struct tags hold its columns: the Parquet tag gives name,
// type and Iceberg field id, the doc tag the column's comment, so Parquet and Iceberg can't drift apart.
type TableDefinition struct {
	Name       string // schema.table
	Comment    string
	Row        any
	Partition  []string // identity partition columns
	BucketBy   string   // or: the column whose hash is the partition
	MonthOf    string   // or: the date column whose month is the partition
	properties iceberg.Properties
	// bounded are the columns whose smallest and largest value are noted, by row group; nil: those of all, by page
	// as well. Ids and long texts lie anywhere between two bounds: comparing them for every page cost a twentieth
	// of an hour's time.
	Bounded []string
	Compact compactOrder // how maintenance puts its files together
}

// unbounded are the other columns.
func (d TableDefinition) unbounded() (columns []string) {
	if d.Bounded == nil {
		return nil
	}
	for _, field := range parquet.SchemaOf(d.Row).Fields() {
		if !slices.Contains(d.Bounded, field.Name()) {
			columns = append(columns, field.Name())
		}
	}
	return columns
}

var (
	BronzeEvents = TableDefinition{
		Name: "bronze.events", Comment: "Every accepted telemetry line, as it came.", Row: EventRow{},
		Partition: HourPartition, properties: metrics("file_name", "full"),
		Bounded: []string{"event_name", "event_timestamp_utc", "file_name", "line_number"}, Compact: CompactByCluster,
	}
	BronzeRejects = TableDefinition{
		Name: "bronze.rejects", Comment: "Every other line that is not blank, with the reason.", Row: RejectRow{},
		Partition: HourPartition, Compact: compactByName,
	}
	SilverEvents = TableDefinition{
		Name: "silver.events", Comment: "The events that matter, typed; exact repeats within an hour dropped.",
		Row:       SilverRow{},
		Partition: HourPartition, Bounded: []string{"event_timestamp_utc"}, Compact: compactByName,
	}
	SilverSightings = TableDefinition{
		Name:    "silver.sightings",
		Comment: "One row per SoftwareVersion event: all that gold's histories are made from.", Row: SightingRow{},
		Partition: DayPartition, Bounded: []string{"session_key", "event_timestamp_utc", hourColumn},
		Compact: compactBySession,
	}
	SilverBindings = TableDefinition{
		Name: "silver.bindings", Comment: "What events say of their session: its user, its device.", Row: BindingRow{},
		Partition: DayPartition, Bounded: []string{"session_key", "event_timestamp_utc", hourColumn},
		Compact: compactBySession,
	}
	GoldUsers = TableDefinition{
		Name: "gold.users", Comment: "One row per user, history included.", Row: UserRow{},
		BucketBy: "user_id", properties: metrics("user_id", "full"),
	}
	GoldVersions = TableDefinition{
		Name: "gold.versions", Comment: "One row per version of a service that was ever sighted, with the keys " +
			"that order it.", Row: VersionRow{},
	}
	GoldVersionDaily = TableDefinition{
		Name: "gold.version_daily", Comment: "One row per date, service, version and device: who was active, " +
			"what came, went and happened.",
		Row: VersionDailyRow{}, MonthOf: "date_utc",
	}
	GoldEventDaily = TableDefinition{
		Name: "gold.event_daily", Comment: "Events of the catalogue counted per date, service, version, device " +
			"and what they are about.",
		Row: EventDailyRow{}, MonthOf: "date_utc",
	}
	OpsHours = TableDefinition{
		Name: "ops.hours", Comment: "The ledger: one row per run of an hour.", Row: HourRow{},
		Partition: DayPartition, Compact: compactByHour,
	}
	OpsFiles = TableDefinition{
		Name: "ops.files", Comment: "Every version of a source file ever read.", Row: FileRow{},
		Partition: DayPartition, properties: metrics("file_name", "full"), Compact: compactByName,
	}

	OpsFindings = TableDefinition{
		Name: "ops.findings", Comment: "What reconcile and the schedules found: hours whose files were not those " +
			"that were read, or a source without hours.", Row: FindingRow{},
		Partition: DayPartition,
	}

	OpsErasures = TableDefinition{
		Name: "ops.erasures", Comment: "Whom the lake must not hold any more, as keyed hashes.", Row: ErasureRow{},
		Partition: []string{"erasure_id"},
	}

	HourPartition = []string{"p_ingest_date_utc", hourColumn}
	DayPartition  = []string{"p_ingest_date_utc"}

	TableDefinitions = []TableDefinition{
		BronzeEvents, BronzeRejects, SilverEvents, SilverSightings, SilverBindings, GoldUsers, GoldVersions,
		GoldEvents, GoldVersionDaily, GoldEventDaily,
		OpsHours, OpsFiles, OpsFindings, OpsErasures,
	}
)

func metrics(column, mode string) iceberg.Properties {
	return iceberg.Properties{table.MetricsModeColumnConfPrefix + "." + column: mode}
}

// The rows. All times are UTC microseconds since 1970, dates are days since 1970. A column has a dictionary where
// readers filter by few values, or where it halves the file; else plain values under zstd are as small and faster
// to write. It is uncompressed where zstd would find nothing: dictionaries' indexes, deltas of times.
type (
	EventRow struct {
		Category        string `parquet:"category,id(1)" doc:"Telemetry category, free text."`
		BodyMessage     string `parquet:"body_message,id(2)" doc:"Raw event text: a relaxed dict, see docs/EVENTS.md."`
		SessionID       string `parquet:"title_session_id,dict,id(3)" doc:"Session id."`
		TransactionID   string `parquet:"title_transaction_id,id(4)" doc:"Transaction id: the order of events within a session."`
		ServiceName     string `parquet:"service_name,uncompressed,dict,id(5)" doc:"Id of the service or product."`
		EventName       string `parquet:"event_name,uncompressed,dict,id(6)" doc:"Event name, as the body gives it."`
		Time            int64  `parquet:"event_timestamp_utc,uncompressed,timestamp(microsecond),delta,id(7)" doc:"When the event happened, by the client's clock, UTC."`
		FileName        string `parquet:"file_name,id(8)" doc:"Source file, relative to the source's root."`
		LineNumber      int64  `parquet:"line_number,uncompressed,delta,id(9)" doc:"Line in the file, from 1; a continued line counts where it begins."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(10)" doc:"Partition: UTC date of the folder the file lay in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(11)" doc:"Partition: UTC hour of that day, 0 to 23."`
	}

	RejectRow struct {
		Reason          string `parquet:"reason,dict,id(1)" doc:"Why the line was rejected: a reason code of docs/EVENTS.md."`
		FileName        string `parquet:"file_name,dict,id(2)" doc:"Source file, relative to the source's root."`
		LineNumber      int64  `parquet:"line_number,delta,id(3)" doc:"Line in the file, from 1."`
		ByteOffset      int64  `parquet:"byte_offset,delta,id(4)" doc:"Where the line begins in the (uncompressed) file."`
		ByteLength      int64  `parquet:"byte_length,delta,id(5)" doc:"How long the line is, its end included."`
		RawLine         []byte `parquet:"raw_line,id(6)" doc:"The line's bytes, without its end and with continued lines joined; the first MiB of a longer one."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(7)" doc:"Partition: UTC date of the folder the file lay in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(8)" doc:"Partition: UTC hour of that day, 0 to 23."`
	}

	SilverRow struct {
		EventName       string `parquet:"event_name,dict,id(1)" doc:"Event of the catalogue: SoftwareVersion, DeviceInfo, Notification, …"`
		SessionID       string `parquet:"session_id,optional,id(2)" doc:"Session id; <service>/<session id> where sessions are told apart by service. NULL: it was a placeholder."`
		Transaction     int64  `parquet:"transaction_number,uncompressed,delta,id(3)" doc:"Transaction id as a number; 9223372036854775807 where it is none."`
		ServiceName     string `parquet:"service_name,uncompressed,dict,id(4)" doc:"Id of the service or product."`
		Time            int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)" doc:"When the event happened, by the client's clock, UTC."`
		UserID          string `parquet:"user_id,uncompressed,optional,id(6)" doc:"User as the body names it; NULL: see silver.bindings."`
		Device          string `parquet:"device,uncompressed,optional,dict,id(7)" doc:"Device as the body names it."`
		Version         string `parquet:"version,uncompressed,optional,dict,id(8)" doc:"SoftwareVersion: version text."`
		OS              string `parquet:"os,uncompressed,optional,dict,id(9)" doc:"DeviceInfo: operating system."`
		Model           string `parquet:"model,uncompressed,optional,dict,id(10)" doc:"DeviceInfo: model."`
		Memory          string `parquet:"memory,uncompressed,optional,dict,id(11)" doc:"DeviceInfo: memory, as the client says it."`
		Target          string `parquet:"target_version,uncompressed,optional,dict,id(12)" doc:"Notification: version that the user was told of."`
		Status          string `parquet:"status,uncompressed,optional,dict,id(13)" doc:"Notification: Sent, Shown, Accepted, Dismissed, Failed."`
		Duration        string `parquet:"duration,optional,id(14)" doc:"SessionEnd: duration, as the client says it."`
		Feature         string `parquet:"feature,uncompressed,optional,dict,id(15)" doc:"FeatureUsed: feature."`
		Code            string `parquet:"code,uncompressed,optional,dict,id(16)" doc:"Issue: code."`
		Severity        string `parquet:"severity,uncompressed,optional,dict,id(17)" doc:"Issue: severity."`
		Message         string `parquet:"message,optional,id(18)" doc:"Issue: message."`
		Source          string `parquet:"source,uncompressed,optional,dict,id(19)" doc:"Install: source of the installation."`
		Campaign        string `parquet:"campaign,uncompressed,optional,dict,id(20)" doc:"Install: campaign."`
		Experiment      string `parquet:"experiment,uncompressed,optional,dict,id(21)" doc:"Experiment: experiment."`
		Variant         string `parquet:"variant,uncompressed,optional,dict,id(22)" doc:"Experiment: variant."`
		FileName        string `parquet:"file_name,id(23)" doc:"Source file, relative to the source's root."`
		LineNumber      int64  `parquet:"line_number,id(24)" doc:"Line in the file, from 1."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(25)" doc:"Partition: UTC date of the folder the file lay in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(26)" doc:"Partition: UTC hour of that day, 0 to 23."`
	}

	SightingRow struct {
		SessionKey      int64  `parquet:"session_key,uncompressed,delta,id(1)" doc:"xxhash64 of session_id: files are sorted by it, so that gold finds a session without reading the rest."`
		SessionID       string `parquet:"session_id,optional,id(2)" doc:"Session, as in silver.events; NULL: the sighting has none, and names its user."`
		UserID          string `parquet:"user_id,optional,id(3)" doc:"User as the body names it; NULL: the session's user, see silver.bindings."`
		ServiceName     string `parquet:"service_name,uncompressed,dict,id(4)" doc:"Id of the service or product."`
		Device          string `parquet:"device,uncompressed,optional,dict,id(5)" doc:"Device as the body names it; NULL: the session's device, see silver.bindings."`
		Version         string `parquet:"version,uncompressed,dict,id(6)" doc:"Version text, as it came."`
		Time            int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(7)" doc:"When the version was seen, by the client's clock, UTC."`
		Transaction     int64  `parquet:"transaction_number,id(8)" doc:"Transaction id as a number; 9223372036854775807 where it is none."`
		FileName        string `parquet:"file_name,id(9)" doc:"Source file, relative to the source's root."`
		LineNumber      int64  `parquet:"line_number,id(10)" doc:"Line in the file, from 1."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(11)" doc:"Partition: UTC date of the folder the file lay in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(12)" doc:"UTC hour of that day, 0 to 23."`
	}

	BindingRow struct {
		SessionKey      int64  `parquet:"session_key,uncompressed,delta,id(1)" doc:"xxhash64 of session_id: files are sorted by it."`
		SessionID       string `parquet:"session_id,id(2)" doc:"Session, as in silver.events."`
		Kind            string `parquet:"kind,uncompressed,dict,id(3)" doc:"user or device."`
		Value           string `parquet:"value,optional,id(4)" doc:"The user id, or the device. NULL: the session is nobody's from here on (a Login of nobody, a Logout)."`
		Time            int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)" doc:"When the event said so, by the client's clock, UTC."`
		Transaction     int64  `parquet:"transaction_number,id(6)" doc:"Transaction id as a number; 9223372036854775807 where it is none."`
		FileName        string `parquet:"file_name,id(7)" doc:"Source file, relative to the source's root."`
		LineNumber      int64  `parquet:"line_number,id(8)" doc:"Line in the file, from 1."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(9)" doc:"Partition: UTC date of the folder the file lay in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(10)" doc:"UTC hour of that day, 0 to 23."`
	}

	UserRow struct {
		UserID          string        `parquet:"user_id,id(1)" doc:"User id, or session:<session id> while nobody is known."`
		UserKind        string        `parquet:"user_kind,dict,id(2)" doc:"user or session."`
		FirstSeenAt     int64         `parquet:"first_seen_at,timestamp(microsecond),id(3)" doc:"First sighting, UTC."`
		LastSeenAt      int64         `parquet:"last_seen_at,timestamp(microsecond),id(4)" doc:"Last sighting, UTC."`
		CurrentService  string        `parquet:"current_service,dict,id(5)" doc:"Service of the interval with the latest valid_from."`
		CurrentDevice   string        `parquet:"current_device,optional,dict,id(6)" doc:"Device of that interval."`
		CurrentVersion  string        `parquet:"current_version,dict,id(7)" doc:"Version of that interval."`
		CurrentSince    int64         `parquet:"current_since,timestamp(microsecond),id(8)" doc:"valid_from of that interval, UTC."`
		PreviousVersion string        `parquet:"previous_version,optional,dict,id(9)" doc:"Version before it in the same installation."`
		VersionCount    int64         `parquet:"version_count,id(10)" doc:"Different (service, version) pairs in the history."`
		History         []IntervalRow `parquet:"history,list,id(11)" parquet-element:",id(12)" doc:"All intervals, ordered by valid_from, service, device."`
	}

	IntervalRow struct {
		Service     string `parquet:"service,dict,id(13)" doc:"Service."`
		Device      string `parquet:"device,optional,dict,id(14)" doc:"Device; NULL where nothing names it."`
		Version     string `parquet:"version,dict,id(15)" doc:"Version in effect."`
		ValidFrom   int64  `parquet:"valid_from,timestamp(microsecond),id(16)" doc:"First sighting of the version, UTC, inclusive."`
		ValidTo     *int64 `parquet:"valid_to,optional,timestamp(microsecond),id(17)" doc:"First sighting of the next version, UTC, exclusive; NULL: still in effect."`
		LastSeenAt  int64  `parquet:"last_seen_at,timestamp(microsecond),id(18)" doc:"Last sighting of the version in this interval, UTC."`
		Sightings   int64  `parquet:"sightings,id(19)" doc:"Sightings in this interval."`
		IsDowngrade *bool  `parquet:"is_downgrade,optional,id(20)" doc:"Whether the version is older than the installation's one before it, false for the first; NULL: the two are not comparable, see docs/VERSIONS.md."`
	}

	VersionDailyRow struct {
		Date                   int32  `parquet:"date_utc,date,id(1)" doc:"UTC date of the events' own time."`
		Service                string `parquet:"service,dict,id(2)" doc:"Id of the service or product."`
		Version                string `parquet:"version,optional,dict,id(3)" doc:"Version that was running; NULL where no sighting tells."`
		Device                 string `parquet:"device,optional,dict,id(4)" doc:"Device; NULL where nothing names it."`
		ActiveUsers            int64  `parquet:"active_users,id(5)" doc:"Users with an event here. Summed over devices these are installations, not users: see version_users."`
		AnonymousUsers         int64  `parquet:"anonymous_users,id(6)" doc:"Of active_users, those that are a session nobody is known to own."`
		VersionUsers           int64  `parquet:"version_users,id(7)" doc:"Of active_users, those that count here for the version: sums over devices count each user of a version once."`
		ServiceUsers           int64  `parquet:"service_users,id(8)" doc:"Of active_users, those that count here for the service: sums over versions and devices count each user of a service once."`
		Sessions               int64  `parquet:"sessions,id(9)" doc:"Sessions with an event here."`
		SessionsEnded          int64  `parquet:"sessions_ended,id(10)" doc:"SessionEnd events that tell a duration."`
		SessionSeconds         int64  `parquet:"session_seconds,id(11)" doc:"Sum of those durations, each rounded to the second."`
		Issues                 int64  `parquet:"issues,id(12)" doc:"Issue events."`
		NotificationsSent      int64  `parquet:"notifications_sent,id(13)" doc:"Notification events of status Sent."`
		NotificationsShown     int64  `parquet:"notifications_shown,id(14)" doc:"… of status Shown."`
		NotificationsAccepted  int64  `parquet:"notifications_accepted,id(15)" doc:"… of status Accepted."`
		NotificationsDismissed int64  `parquet:"notifications_dismissed,id(16)" doc:"… of status Dismissed."`
		NotificationsFailed    int64  `parquet:"notifications_failed,id(17)" doc:"… of status Failed."`
		NotificationsOther     int64  `parquet:"notifications_other,id(18)" doc:"… of any other status, or of none."`
		NewInstallations       int64  `parquet:"new_installations,id(19)" doc:"Installations whose first interval begins on the date, with this version."`
		AnonymousInstallations int64  `parquet:"anonymous_installations,id(20)" doc:"Of new_installations, those of a session nobody is known to own."`
		UpgradesIn             int64  `parquet:"upgrades_in,id(21)" doc:"Installations that changed on the date to this version from an older one."`
		UpgradesOut            int64  `parquet:"upgrades_out,id(22)" doc:"Installations that changed on the date from this version to a newer one."`
		DowngradesIn           int64  `parquet:"downgrades_in,id(23)" doc:"Installations that changed on the date to this version from a newer one."`
		DowngradesOut          int64  `parquet:"downgrades_out,id(24)" doc:"Installations that changed on the date from this version to an older one."`
		OtherMovesIn           *int64 `parquet:"other_moves_in,optional,id(25)" doc:"Installations that changed on the date to this version from one that is neither older nor newer. NULL: 0, counted before there was this column."`
		OtherMovesOut          *int64 `parquet:"other_moves_out,optional,id(26)" doc:"Installations that changed on the date from this version to one that is neither older nor newer. NULL as above."`
	}

	VersionRow struct {
		Service string `parquet:"service,dict,id(1)" doc:"Id of the service or product."`
		Version string `parquet:"version,id(2)" doc:"Version text, as it came."`
		Class   string `parquet:"version_class,optional,dict,id(3)" doc:"Versions of a service are comparable if they have one class: # for those that begin with a number, else their leading word. NULL: it has no order."`
		RankKey string `parquet:"rank_key,id(4)" doc:"What decides: of two comparable versions the older has the smaller one, by bytes, and equal ones have the same."`
		SortKey string `parquet:"sort_key,id(5)" doc:"rank_key, a blank, and what tells versions of equal rank apart: orders all versions by bytes."`
	}

	EventDailyRow struct {
		Date      int32  `parquet:"date_utc,date,id(1)" doc:"UTC date of the events' own time."`
		Service   string `parquet:"service,dict,id(2)" doc:"Id of the service or product."`
		Version   string `parquet:"version,optional,dict,id(3)" doc:"Version that was running; NULL where no sighting tells."`
		Device    string `parquet:"device,optional,dict,id(4)" doc:"Device; NULL where nothing names it."`
		EventName string `parquet:"event_name,dict,id(5)" doc:"Event of the catalogue."`
		Name      string `parquet:"name,optional,dict,id(6)" doc:"FeatureUsed: feature. Issue: code. Notification: target version. Install: source. Experiment: experiment. DeviceInfo: operating system. Else NULL."`
		Detail    string `parquet:"detail,optional,dict,id(7)" doc:"Issue: severity. Notification: status. Install: campaign. Experiment: variant. DeviceInfo: model. Else NULL."`
		Events    int64  `parquet:"events,id(8)" doc:"Events."`
		Users     int64  `parquet:"users,id(9)" doc:"Users with such an event here."`
		Sessions  int64  `parquet:"sessions,id(10)" doc:"Sessions with such an event."`
	}

	HourRow struct {
		HourStart  int64  `parquet:"hour_utc,timestamp(microsecond),id(1)" doc:"The hour: its first moment, UTC."`
		RunID      string `parquet:"run_id,id(2)" doc:"Temporal run that ingested it."`
		State      string `parquet:"state,dict,id(3)" doc:"complete, empty (no file), or degraded (a file was left out whole)."`
		Source     string `parquet:"source,dict,id(4)" doc:"Where the files came from."`
		Files      int64  `parquet:"files,id(5)" doc:"Files listed."`
		BadFiles   int64  `parquet:"bad_files,id(6)" doc:"Files left out whole, see ops.files."`
		Bytes      int64  `parquet:"bytes,id(7)" doc:"Size of the files, as stored."`
		Lines      int64  `parquet:"lines,id(8)" doc:"Lines read = events + rejects + blanks + erased."`
		Events     int64  `parquet:"events,id(9)" doc:"Rows in bronze.events."`
		Rejects    int64  `parquet:"rejects,id(10)" doc:"Rows in bronze.rejects."`
		Blanks     int64  `parquet:"blanks,id(11)" doc:"Blank lines."`
		Silver     int64  `parquet:"silver_events,id(12)" doc:"Rows in silver.events."`
		Sightings  int64  `parquet:"sightings,id(13)" doc:"Rows in silver.sightings."`
		Bindings   int64  `parquet:"bindings,id(14)" doc:"Rows in silver.bindings."`
		Changed    bool   `parquet:"changed,id(15)" doc:"Whether the run changed a row of silver."`
		StartedAt  int64  `parquet:"started_at,timestamp(microsecond),id(16)" doc:"Start of the run, UTC."`
		FinishedAt int64  `parquet:"finished_at,timestamp(microsecond),id(17)" doc:"When the hour was complete in silver, UTC."`
		IngestDate int32  `parquet:"p_ingest_date_utc,date,delta,id(18)" doc:"Partition: UTC date of the hour."`
		Erased     int64  `parquet:"erased,id(19)" doc:"Lines left out because they are of a forgotten user."`
		GoneFiles  int64  `parquet:"gone_files,optional,id(20)" doc:"Of files, those that left the source and whose rows stay; NULL: none."`
		PassedOver int64  `parquet:"passed_over,optional,id(21)" doc:"What lay beside the files and is not read, see ops.files; NULL: nothing."`
		Rules      int64  `parquet:"rules,optional,id(22)" doc:"Number of the rules by which the run made silver; NULL: from before they had one."`
	}

	FileRow struct {
		FileName        string `parquet:"file_name,id(1)" doc:"Source file, relative to the source's root."`
		ETag            string `parquet:"etag,id(2)" doc:"The store's tag of this version of the file."`
		Size            int64  `parquet:"size,id(3)" doc:"Bytes, as stored."`
		State           string `parquet:"state,dict,id(4)" doc:"read; gone (left the source, its rows stay); bad (left out whole, see rows_kept); replaced (a newer version was read); removed (its rows were taken out by --remove-gone); or passed (not read: no telemetry by its name)."`
		Error           string `parquet:"error,optional,id(5)" doc:"Why a file is bad, or passed over."`
		Lines           int64  `parquet:"lines,id(6)" doc:"Lines read = events + rejects + blanks + erased."`
		Events          int64  `parquet:"events,id(7)" doc:"Lines in bronze.events."`
		Rejects         int64  `parquet:"rejects,id(8)" doc:"Lines in bronze.rejects."`
		Blanks          int64  `parquet:"blanks,id(9)" doc:"Blank lines."`
		RunID           string `parquet:"run_id,id(10)" doc:"Temporal run that first read this version of the file."`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(11)" doc:"Partition: UTC date of the folder the file lies in."`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(12)" doc:"UTC hour of that day, 0 to 23."`
		Erased          int64  `parquet:"erased,id(13)" doc:"Lines left out because they are of a forgotten user."`
		RowsKept        int64  `parquet:"rows_kept,optional,id(14)" doc:"Of a bad file: rows in bronze, of its last good version, that stay. The counts are of that version. NULL: none."`
		Note            string `parquet:"note,optional,id(15)" doc:"What of a file that was read was left out: bytes behind its last compressed member; NULL: nothing."`
	}

	ErasureRow struct {
		ErasureID  string `parquet:"erasure_id,id(1)" doc:"Partition: names the erasure. The keyed hash of the user's id, 16 bytes as hex."`
		Kind       string `parquet:"kind,dict,id(2)" doc:"user: the erasure itself; session: a session that named the user."`
		Hash       string `parquet:"hash,id(3)" doc:"Keyed hash (HMAC-SHA256, the first 16 bytes as hex) of the id that must not come back."`
		Length     int64  `parquet:"length,id(4)" doc:"Bytes of that id."`
		FirstAt    *int64 `parquet:"first_at,optional,timestamp(microsecond),id(5)" doc:"session: when it first named this side, without naming the other, UTC."`
		LastAt     *int64 `parquet:"last_at,optional,timestamp(microsecond),id(6)" doc:"session: when it last did so, UTC."`
		Subject    bool   `parquet:"is_subject,id(7)" doc:"session: whether it named the forgotten user then, or somebody else."`
		State      string `parquet:"state,optional,dict,id(8)" doc:"user: begun, or done: a scan of every object found nothing. session: ended, where it named nobody, else NULL."`
		RecordedAt int64  `parquet:"recorded_at,timestamp(microsecond),id(9)" doc:"When this was remembered, UTC."`
		FinishedAt *int64 `parquet:"finished_at,optional,timestamp(microsecond),id(10)" doc:"user: when the last scan ended, UTC."`
		Rows       int64  `parquet:"rows,id(11)" doc:"user: rows taken out of the present tables."`
		Files      int64  `parquet:"files,id(12)" doc:"user: data files written anew or removed, of all snapshots."`
		Objects    int64  `parquet:"objects,id(13)" doc:"user: objects that the last scan read."`
		Bytes      int64  `parquet:"bytes,id(14)" doc:"user: bytes of these."`
	}

	FindingRow struct {
		HourStart  int64  `parquet:"hour_utc,timestamp(microsecond),id(1)" doc:"The hour: its first moment, UTC."`
		FoundAt    int64  `parquet:"found_at,timestamp(microsecond),id(2)" doc:"When it was found to differ, UTC."`
		State      string `parquet:"state,dict,id(3)" doc:"State of the hour in ops.hours before; unknown where it had no row."`
		Added      int64  `parquet:"files_added,id(4)" doc:"Files that had not been read."`
		Changed    int64  `parquet:"files_changed,id(5)" doc:"Files with another etag or size than the one that was read."`
		Removed    int64  `parquet:"files_removed,id(6)" doc:"Files that were read, left the source, and of which no row stays."`
		RunID      string `parquet:"run_id,id(7)" doc:"Temporal run that found it."`
		IngestDate int32  `parquet:"p_ingest_date_utc,date,delta,id(8)" doc:"Partition: UTC date of the hour."`
		Gone       int64  `parquet:"files_gone,optional,id(9)" doc:"Files that were read and left the source; their rows stay. NULL: none."`
		Note       string `parquet:"note,optional,id(10)" doc:"What was found of the source as a whole, in words; the counts are 0 then."`
	}
)

// Identifier is the table's place in the catalog.
func (d TableDefinition) Identifier() table.Identifier { return strings.Split(d.Name, ".") }

// Schema derives the Iceberg schema from the row's tags.
func (d TableDefinition) Schema() *iceberg.Schema {
	return iceberg.NewSchema(0, icebergFields(reflect.TypeOf(d.Row))...)
}

// FieldID finds a top-level column's Iceberg id.
func (d TableDefinition) FieldID(column string) int {
	field, ok := d.Schema().FindFieldByName(column)
	if !ok {
		panic(fmt.Sprintf("%s has no column %s", d.Name, column))
	}
	return field.ID
}

func (d TableDefinition) spec(buckets int) iceberg.PartitionSpec {
	if d.BucketBy != "" {
		return iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(d.BucketBy)}, FieldID: PartitionFieldID,
			Transform: iceberg.BucketTransform{NumBuckets: buckets}, Name: d.BucketBy + "_bucket",
		})
	}
	if d.MonthOf != "" {
		return iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(d.MonthOf)}, FieldID: PartitionFieldID, Transform: iceberg.MonthTransform{},
			Name: d.MonthOf + "_month",
		})
	}
	fields := make([]iceberg.PartitionField, len(d.Partition))
	for i, column := range d.Partition {
		fields[i] = iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(column)}, FieldID: PartitionFieldID + i, Transform: iceberg.IdentityTransform{},
			Name: column,
		}
	}
	return iceberg.NewPartitionSpec(fields...)
}

// PartitionFieldID is where Iceberg starts to number partition fields.
const PartitionFieldID = 1000

func icebergFields(row reflect.Type) []iceberg.NestedField {
	fields := make([]iceberg.NestedField, 0, row.NumField())
	for i := range row.NumField() {
		field := row.Field(i)
		name, options := parseTag(field.Tag.Get("parquet"))
		nested := iceberg.NestedField{
			ID: tagNumber(options, "id"), Name: name, Required: !options["optional"], Doc: field.Tag.Get("doc"),
		}
		switch kind := field.Type; {
		case options["list"]:
			_, element := parseTag(field.Tag.Get("parquet-element"))
			nested.Type = &iceberg.ListType{
				ElementID: tagNumber(element, "id"), ElementRequired: true,
				Element: &iceberg.StructType{FieldList: icebergFields(kind.Elem())},
			}
		case options["timestamp(microsecond)"]:
			nested.Type = iceberg.PrimitiveTypes.TimestampTz
		case options["date"]:
			nested.Type = iceberg.PrimitiveTypes.Date
		case kind.Kind() == reflect.String:
			nested.Type = iceberg.PrimitiveTypes.String
		case kind.Kind() == reflect.Pointer && kind.Elem().Kind() == reflect.Int64, kind.Kind() == reflect.Int64:
			nested.Type = iceberg.PrimitiveTypes.Int64
		case kind.Kind() == reflect.Int32:
			nested.Type = iceberg.PrimitiveTypes.Int32
		case kind.Kind() == reflect.Pointer && kind.Elem().Kind() == reflect.Bool, kind.Kind() == reflect.Bool:
			nested.Type = iceberg.PrimitiveTypes.Bool
		case kind.Kind() == reflect.Pointer && kind.Elem().Kind() == reflect.Float64:
			nested.Type = iceberg.PrimitiveTypes.Float64
		case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Uint8:
			nested.Type = iceberg.PrimitiveTypes.Binary
		default:
			panic(fmt.Sprintf("no Iceberg type for %s %s", row, field.Name))
		}
		fields = append(fields, nested)
	}
	return fields
}

func parseTag(tag string) (name string, options map[string]bool) {
	parts := strings.Split(tag, ",")
	options = map[string]bool{}
	for _, option := range parts[1:] {
		options[option] = true
	}
	return parts[0], options
}

func tagNumber(options map[string]bool, name string) int {
	for option := range options {
		if inner, ok := strings.CutPrefix(option, name+"("); ok {
			number, err := strconv.Atoi(strings.TrimSuffix(inner, ")"))
			if err == nil {
				return number
			}
		}
	}
	panic(fmt.Sprintf("tag option %s(n) is missing or not a number: %v", name, options))
}

// Parse reads a row as the line that it was.
func (row *EventRow) Parse(parser *telemetry.Parser, event *telemetry.Event) telemetry.Reason {
	event.Category, event.ServiceName, event.SessionID = []byte(row.Category), []byte(row.ServiceName), []byte(
		row.SessionID)
	event.TransactionID, event.Body, event.Time = []byte(row.TransactionID), []byte(row.BodyMessage), row.Time
	return cmp.Or(parser.CheckTime(event.Time), parser.ParseBody(event))
}

// SilverTables are those whose logs the daily aggregates follow.
var SilverTables = [...]TableDefinition{SilverEvents, SilverSightings, SilverBindings}

// HourTables are those whose rows a run replaces, in the order of its commits.
var HourTables = []TableDefinition{BronzeEvents, BronzeRejects, SilverEvents, SilverSightings, SilverBindings}

func DefinitionOf(name string) (TableDefinition, error) {
	for _, definition := range TableDefinitions {
		if definition.Name == name {
			return definition, nil
		}
	}
	return TableDefinition{}, fmt.Errorf("%w: there is no table %q", objects.ErrConfig, name)
}

// Kinds of bindings.
const (
	BindingUser   = "user" // without a value: an ending, the session is nobody's from there on
	BindingDevice = "device"
)

func TableName(loaded *table.Table) string { return strings.Join(loaded.Identifier(), ".") }

var (
	EventTimeField   = SilverEvents.FieldID("event_timestamp_utc")
	BindingTimeField = SilverBindings.FieldID("event_timestamp_utc")
)

// The columns of bronze that say where a line came from.
type (
	EventPlace struct {
		FileName        string `parquet:"file_name,id(8)"`
		LineNumber      int64  `parquet:"line_number,delta,id(9)"`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(10)"`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(11)"`
	}
	RejectPlace struct {
		FileName        string `parquet:"file_name,dict,id(2)"`
		LineNumber      int64  `parquet:"line_number,delta,id(3)"`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(7)"`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(8)"`
	}
)

// String is an interval as a person reads it.
func (i IntervalRow) String() string {
	text := i.Service
	if i.Device != "" {
		text += "/" + i.Device
	}
	to := ""
	if i.ValidTo != nil {
		to = Moment(*i.ValidTo)
	}
	text += fmt.Sprintf(" %s [%s, %s) last seen %s, %d sightings", i.Version, Moment(i.ValidFrom), to,
		Moment(i.LastSeenAt), i.Sightings)
	switch {
	case i.IsDowngrade == nil:
		text += ", not comparable with the one before"
	case *i.IsDowngrade:
		text += ", a downgrade"
	}
	return text
}

// gold.versions holds the keys by which SQL orders versions. It is a dictionary: a round of gold adds what it has
// not met yet, before gold.users shows it; rows go only where gold is made anew, and with a forgotten user. So it
// grows with the number of different versions, and most rounds don't touch it.

// VersionName names a version of a service.
type VersionName struct{ Service, Version string }

// versionSeed is another one in each process: whoever makes up versions can't make two that look alike.
var versionSeed = maphash.MakeSeed()

func (n VersionName) Hash() uint64 { return maphash.Comparable(versionSeed, n) }

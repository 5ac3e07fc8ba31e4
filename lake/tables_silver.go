package lake

import (
	"github.com/versionlake/versionlake/telemetry"
)

// SilverEvents holds the typed events; SilverSightings and SilverBindings hold what histories are made from.
var (
	SilverEvents = TableDefinition{
		Name: "silver.events", Comment: "The events that matter, typed; exact repeats within an hour dropped.",
		Row: SilverRow{}, Partition: HourPartition, OfHours: true, OfUsers: true, Ruled: true, Compact: compactByName,
		Bounded: []string{"event_timestamp_utc"},
	}
	SilverSightings = TableDefinition{
		Name: "silver.sightings", Row: SightingRow{},
		Comment:   "One row per SoftwareVersion event: all that gold's histories are made from.",
		Partition: DayPartition, OfHours: true, OfUsers: true, Ruled: true, Compact: CompactBySession,
		Bounded: []string{"session_key", "event_timestamp_utc", hourColumn},
	}
	SilverBindings = TableDefinition{
		Name: "silver.bindings", Comment: "What events say of their session: its user, its device.", Row: BindingRow{},
		Partition: DayPartition, OfHours: true, OfUsers: true, Ruled: true, Compact: CompactBySession,
		Bounded: []string{"session_key", "event_timestamp_utc", hourColumn},
	}
)

// SilverTables are those whose logs gold and the daily aggregates follow.
var SilverTables = [...]TableDefinition{SilverEvents, SilverSightings, SilverBindings}

// Fields of event times.
var (
	EventTimeField   = SilverEvents.FieldID("event_timestamp_utc")
	BindingTimeField = SilverBindings.FieldID("event_timestamp_utc")
)

// Kinds of bindings.
const (
	BindingUser   = "user" // without a value: an ending, the session is nobody's from there on
	BindingDevice = "device"
)

// SilverRow is a row of silver.events.
type SilverRow struct {
	// Event of the catalogue: SoftwareVersion, DeviceInfo, Notification, …
	EventName string `parquet:"event_name,dict,id(1)"`
	// Session id; <service>/<session id> where sessions are told apart by service. NULL: it was a placeholder.
	SessionID string `parquet:"session_id,optional,delta,id(2)"`
	// Transaction id as a number; 9223372036854775807 where it is none.
	Transaction int64 `parquet:"transaction_number,uncompressed,delta,id(3)"`
	// Id of the service or product.
	ServiceName string `parquet:"service_name,uncompressed,dict,id(4)"`
	// When the event happened, by the client's clock, UTC.
	Time int64 `parquet:"event_timestamp_utc,uncompressed,timestamp(microsecond),delta,id(5)"`
	// User as the body names it; NULL: see silver.bindings.
	UserID string `parquet:"user_id,optional,id(6)"`
	// Device as the body names it.
	Device string `parquet:"device,uncompressed,optional,dict,id(7)"`
	// SoftwareVersion: version text.
	Version string `parquet:"version,uncompressed,optional,dict,id(8)"`
	// DeviceInfo: operating system.
	OS string `parquet:"os,uncompressed,optional,dict,id(9)"`
	// DeviceInfo: model.
	Model string `parquet:"model,uncompressed,optional,dict,id(10)"`
	// DeviceInfo: memory, as the client says it.
	Memory string `parquet:"memory,uncompressed,optional,dict,id(11)"`
	// Notification: version that the user was told of.
	Target string `parquet:"target_version,uncompressed,optional,dict,id(12)"`
	// Notification: Sent, Shown, Accepted, Dismissed, Failed.
	Status string `parquet:"status,uncompressed,optional,dict,id(13)"`
	// SessionEnd: duration, as the client says it.
	Duration string `parquet:"duration,optional,id(14)"`
	// FeatureUsed: feature.
	Feature string `parquet:"feature,uncompressed,optional,dict,id(15)"`
	// Issue: code.
	Code string `parquet:"code,uncompressed,optional,dict,id(16)"`
	// Issue: severity.
	Severity string `parquet:"severity,uncompressed,optional,dict,id(17)"`
	// Issue: message.
	Message string `parquet:"message,optional,id(18)"`
	// Install: source of the installation.
	Source string `parquet:"source,uncompressed,optional,dict,id(19)"`
	// Install: campaign.
	Campaign string `parquet:"campaign,uncompressed,optional,dict,id(20)"`
	// Experiment: experiment.
	Experiment string `parquet:"experiment,uncompressed,optional,dict,id(21)"`
	// Experiment: variant.
	Variant string `parquet:"variant,uncompressed,optional,dict,id(22)"`
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,dict,id(23)"`
	// Line in the file, from 1.
	LineNumber int64 `parquet:"line_number,uncompressed,delta,id(24)"`
	// Partition: UTC date of the folder the file lay in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(25)"`
	// Partition: UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(26)"`
}

// SightingRow is a row of silver.sightings.
type SightingRow struct {
	// xxhash64 of session_id: files are sorted by it, so that gold finds a session without reading the rest.
	SessionKey int64 `parquet:"session_key,uncompressed,delta,id(1)"`
	// Session, as in silver.events; NULL: the sighting has none, and names its user.
	SessionID string `parquet:"session_id,optional,delta,id(2)"`
	// User as the body names it; NULL: the session's user, see silver.bindings.
	UserID string `parquet:"user_id,optional,id(3)"`
	// Id of the service or product.
	ServiceName string `parquet:"service_name,uncompressed,dict,id(4)"`
	// Device as the body names it; NULL: the session's device, see silver.bindings.
	Device string `parquet:"device,uncompressed,optional,dict,id(5)"`
	// Version text, as it came.
	Version string `parquet:"version,uncompressed,dict,id(6)"`
	// When the version was seen, by the client's clock, UTC.
	Time int64 `parquet:"event_timestamp_utc,uncompressed,timestamp(microsecond),delta,id(7)"`
	// Transaction id as a number; 9223372036854775807 where it is none.
	Transaction int64 `parquet:"transaction_number,uncompressed,delta,id(8)"`
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,dict,id(9)"`
	// Line in the file, from 1.
	LineNumber int64 `parquet:"line_number,uncompressed,delta,id(10)"`
	// Partition: UTC date of the folder the file lay in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(11)"`
	// UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(12)"`
}

// Hour is the hour of the file that the row is of.
func (r *SightingRow) Hour() telemetry.Hour { return HourOfRow(r.IngestDate, r.IngestHourOfDay) }

// BindingRow is a row of silver.bindings.
type BindingRow struct {
	// xxhash64 of session_id: files are sorted by it.
	SessionKey int64 `parquet:"session_key,uncompressed,delta,id(1)"`
	// Session, as in silver.events.
	SessionID string `parquet:"session_id,delta,id(2)"`
	// user or device.
	Kind string `parquet:"kind,uncompressed,dict,id(3)"`
	// The user id, or the device. NULL: the session is nobody's from here on (a Login of nobody, a Logout).
	Value string `parquet:"value,optional,id(4)"`
	// When the event said so, by the client's clock, UTC.
	Time int64 `parquet:"event_timestamp_utc,uncompressed,timestamp(microsecond),delta,id(5)"`
	// Transaction id as a number; 9223372036854775807 where it is none.
	Transaction int64 `parquet:"transaction_number,uncompressed,delta,id(6)"`
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,dict,id(7)"`
	// Line in the file, from 1.
	LineNumber int64 `parquet:"line_number,uncompressed,delta,id(8)"`
	// Partition: UTC date of the folder the file lay in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(9)"`
	// UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(10)"`
}

// Hour is the hour of the file that the row is of.
func (r *BindingRow) Hour() telemetry.Hour { return HourOfRow(r.IngestDate, r.IngestHourOfDay) }

package lake

import (
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// GoldEvents has one row per row of silver.events, with the user, the device and the version that it belongs to.
var GoldEvents = TableDefinition{
	Name: "gold.events", Comment: "The events that matter, each with the user, the device and the version that it " +
		"belongs to.",
	Row: ResolvedRow{}, Partition: DayPartition, OfUsers: true,
	Bounded: []string{"event_time", "user_id", "service", "session_key", "ingest_hour_utc"},
}

// What an event says itself, as bits of ResolvedRow.Named. Its session tells the rest.
const (
	NamedUser = 1 << iota
	NamedDevice
	NamedVersion
)

// ResolvedRow is a row of gold.events.
type ResolvedRow struct {
	// When the event happened, by the client's clock, UTC.
	Time int64 `parquet:"event_time,timestamp(microsecond),id(1)"`
	// Event of the catalogue: SoftwareVersion, DeviceInfo, Notification, …
	EventName string `parquet:"event_name,dict,id(2)"`
	// Session, as in silver.events; NULL: the event has none.
	SessionID string `parquet:"session_id,optional,id(3)"`
	// Whose the event is, as in gold.users; session:<session id> while nobody is known.
	UserID string `parquet:"user_id,dict,id(4)"`
	// user or session.
	UserKind string `parquet:"user_kind,uncompressed,dict,id(5)"`
	// Id of the service or product.
	Service string `parquet:"service,uncompressed,dict,id(6)"`
	// Device; NULL where nothing of the session names it.
	Device string `parquet:"device,uncompressed,optional,dict,id(7)"`
	// Version that was running; NULL where no sighting of the session tells within 24 hours.
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
	// SessionEnd: length of the session in seconds; NULL where it is not a number from 0 to 31 days.
	Duration *float64 `parquet:"duration_seconds,optional,id(14)"`
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
	// What the event says itself, as a sum: 1 the user, 2 the device, 4 the version. Its session tells the rest.
	Named int32 `parquet:"named,uncompressed,dict,id(23)"`
	// xxhash64 of session_id: finds the rows of a session.
	SessionKey int64 `parquet:"session_key,uncompressed,delta,id(24)"`
	// Hour that the event was ingested with: its first moment, UTC.
	IngestHour int64 `parquet:"ingest_hour_utc,uncompressed,timestamp(microsecond),delta,id(25)"`
	// Partition: UTC date of that hour.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(26)"`
}

// Hour is the one that the row was ingested with.
func (r *ResolvedRow) Hour() telemetry.Hour { return telemetry.HourOf(time.UnixMicro(r.IngestHour)) }

// Columns of gold.events by whose bounds files are found.
var (
	ResolvedTimeField = GoldEvents.FieldID("event_time")
	ResolvedHourField = GoldEvents.FieldID("ingest_hour_utc")
)

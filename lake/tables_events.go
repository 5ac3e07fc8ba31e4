package lake

import (
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// GoldEvents has one row per row of silver.events, with the user, the device and the version that it belongs to.
var GoldEvents = TableDefinition{
	Name: "gold.events", Comment: "The events that matter, each with the user, the device and the version that it " +
		"belongs to.",
	Row: ResolvedRow{}, Partition: DayPartition,
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
	Time       int64    `parquet:"event_time,timestamp(microsecond),id(1)" doc:"When the event happened, by the client's clock, UTC."`
	EventName  string   `parquet:"event_name,dict,id(2)" doc:"Event of the catalogue: SoftwareVersion, DeviceInfo, Notification, …"`
	SessionID  string   `parquet:"session_id,optional,id(3)" doc:"Session, as in silver.events; NULL: the event has none."`
	UserID     string   `parquet:"user_id,dict,id(4)" doc:"Whose the event is, as in gold.users; session:<session id> while nobody is known."`
	UserKind   string   `parquet:"user_kind,uncompressed,dict,id(5)" doc:"user or session."`
	Service    string   `parquet:"service,uncompressed,dict,id(6)" doc:"Id of the service or product."`
	Device     string   `parquet:"device,uncompressed,optional,dict,id(7)" doc:"Device; NULL where nothing of the session names it."`
	Version    string   `parquet:"version,uncompressed,optional,dict,id(8)" doc:"Version that was running; NULL where no sighting of the session tells within 24 hours."`
	OS         string   `parquet:"os,uncompressed,optional,dict,id(9)" doc:"DeviceInfo: operating system."`
	Model      string   `parquet:"model,uncompressed,optional,dict,id(10)" doc:"DeviceInfo: model."`
	Memory     string   `parquet:"memory,uncompressed,optional,dict,id(11)" doc:"DeviceInfo: memory, as the client says it."`
	Target     string   `parquet:"target_version,uncompressed,optional,dict,id(12)" doc:"Notification: version that the user was told of."`
	Status     string   `parquet:"status,uncompressed,optional,dict,id(13)" doc:"Notification: Sent, Shown, Accepted, Dismissed, Failed."`
	Duration   *float64 `parquet:"duration_seconds,optional,id(14)" doc:"SessionEnd: length of the session in seconds; NULL where it is not a number from 0 to 31 days."`
	Feature    string   `parquet:"feature,uncompressed,optional,dict,id(15)" doc:"FeatureUsed: feature."`
	Code       string   `parquet:"code,uncompressed,optional,dict,id(16)" doc:"Issue: code."`
	Severity   string   `parquet:"severity,uncompressed,optional,dict,id(17)" doc:"Issue: severity."`
	Message    string   `parquet:"message,optional,id(18)" doc:"Issue: message."`
	Source     string   `parquet:"source,uncompressed,optional,dict,id(19)" doc:"Install: source of the installation."`
	Campaign   string   `parquet:"campaign,uncompressed,optional,dict,id(20)" doc:"Install: campaign."`
	Experiment string   `parquet:"experiment,uncompressed,optional,dict,id(21)" doc:"Experiment: experiment."`
	Variant    string   `parquet:"variant,uncompressed,optional,dict,id(22)" doc:"Experiment: variant."`
	Named      int32    `parquet:"named,uncompressed,dict,id(23)" doc:"What the event says itself, as a sum: 1 the user, 2 the device, 4 the version. Its session tells the rest."`
	SessionKey int64    `parquet:"session_key,uncompressed,delta,id(24)" doc:"xxhash64 of session_id: finds the rows of a session."`
	IngestHour int64    `parquet:"ingest_hour_utc,uncompressed,timestamp(microsecond),delta,id(25)" doc:"Hour that the event was ingested with: its first moment, UTC."`
	IngestDate int32    `parquet:"p_ingest_date_utc,date,delta,id(26)" doc:"Partition: UTC date of that hour."`
}

// Hour is the one that the row was ingested with.
func (r *ResolvedRow) Hour() telemetry.Hour { return telemetry.HourOf(time.UnixMicro(r.IngestHour)) }

// Columns of gold.events by whose bounds files are found.
var (
	ResolvedTimeField = GoldEvents.FieldID("event_time")
	ResolvedHourField = GoldEvents.FieldID("ingest_hour_utc")
)

// EndGroup ends the open row group, if it has rows, so that readers can skip it by its bounds.
func (w *DataWriter[T]) EndGroup() error { return w.endGroup() }

package lake

import (
	"cmp"

	"github.com/versionlake/versionlake/telemetry"
)

// BronzeEvents and BronzeRejects hold the lines as they came.
var (
	BronzeEvents = TableDefinition{
		Name: "bronze.events", Comment: "Every accepted telemetry line, as it came.", Row: EventRow{},
		Partition: HourPartition, OfHours: true, OfUsers: true, Compact: CompactByCluster,
		properties: metrics("file_name", "full"),
		Bounded:    []string{"event_name", "event_timestamp_utc", "file_name", "line_number"},
	}
	BronzeRejects = TableDefinition{
		Name: "bronze.rejects", Comment: "Every other line that is not blank, with the reason.", Row: RejectRow{},
		Partition: HourPartition, OfHours: true, OfUsers: true, Compact: compactByName,
	}
)

// EventRow is a row of bronze.events.
type EventRow struct {
	// Telemetry category, free text.
	Category string `parquet:"category,dict,id(1)"`
	// Raw event text: a relaxed dict, see docs/EVENTS.md.
	BodyMessage string `parquet:"body_message,id(2)"`
	// Session id.
	SessionID string `parquet:"title_session_id,dict,id(3)"`
	// Transaction id: the order of events within a session.
	TransactionID string `parquet:"title_transaction_id,id(4)"`
	// Id of the service or product.
	ServiceName string `parquet:"service_name,uncompressed,dict,id(5)"`
	// Event name, as the body gives it.
	EventName string `parquet:"event_name,uncompressed,dict,id(6)"`
	// When the event happened, by the client's clock, UTC.
	Time int64 `parquet:"event_timestamp_utc,uncompressed,timestamp(microsecond),delta,id(7)"`
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,dict,id(8)"`
	// Line in the file, from 1; a continued line counts where it begins.
	LineNumber int64 `parquet:"line_number,uncompressed,delta,id(9)"`
	// Partition: UTC date of the folder the file lay in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(10)"`
	// Partition: UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(11)"`
}

// RejectRow is a row of bronze.rejects.
type RejectRow struct {
	// Why the line was rejected: a reason code of docs/EVENTS.md.
	Reason string `parquet:"reason,dict,id(1)"`
	// Source file, relative to the source's root.
	FileName string `parquet:"file_name,dict,id(2)"`
	// Line in the file, from 1.
	LineNumber int64 `parquet:"line_number,delta,id(3)"`
	// Where the line begins in the (uncompressed) file.
	ByteOffset int64 `parquet:"byte_offset,delta,id(4)"`
	// How long the line is, its end included.
	ByteLength int64 `parquet:"byte_length,delta,id(5)"`
	// The line's bytes, without its end and with continued lines joined; the first MiB of a longer one.
	RawLine []byte `parquet:"raw_line,id(6)"`
	// Partition: UTC date of the folder the file lay in.
	IngestDate int32 `parquet:"p_ingest_date_utc,date,delta,id(7)"`
	// Partition: UTC hour of that day, 0 to 23.
	IngestHourOfDay int32 `parquet:"p_ingest_hour_utc,delta,id(8)"`
}

// The columns of bronze that say where a line came from.
type (
	EventPlace struct {
		FileName        string `parquet:"file_name,dict,id(8)"`
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

// Parse reads a row as the line that it was.
func (row *EventRow) Parse(parser *telemetry.Parser, event *telemetry.Event) telemetry.Reason {
	event.Category, event.ServiceName, event.SessionID = []byte(row.Category), []byte(row.ServiceName), []byte(
		row.SessionID)
	event.TransactionID, event.Body, event.Time = []byte(row.TransactionID), []byte(row.BodyMessage), row.Time
	return cmp.Or(parser.CheckTime(event.Time), parser.ParseBody(event))
}

package daycounts

import (
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/telemetry"
)

// EventColumns are those that are read of gold.events.
var EventColumns = parquet.SchemaOf(struct {
	Time       int64    `parquet:"event_time,timestamp(microsecond)"`
	EventName  string   `parquet:"event_name,dict"`
	SessionID  string   `parquet:"session_id,optional"`
	UserID     string   `parquet:"user_id,dict"`
	Service    string   `parquet:"service,dict"`
	Device     string   `parquet:"device,optional,dict"`
	Version    string   `parquet:"version,optional,dict"`
	Duration   *float64 `parquet:"duration_seconds,optional"`
	OS         string   `parquet:"os,optional,dict"`
	Model      string   `parquet:"model,optional,dict"`
	Target     string   `parquet:"target_version,optional,dict"`
	Status     string   `parquet:"status,optional,dict"`
	Feature    string   `parquet:"feature,optional,dict"`
	Code       string   `parquet:"code,optional,dict"`
	Severity   string   `parquet:"severity,optional,dict"`
	Source     string   `parquet:"source,optional,dict"`
	Campaign   string   `parquet:"campaign,optional,dict"`
	Experiment string   `parquet:"experiment,optional,dict"`
	Variant    string   `parquet:"variant,optional,dict"`
}{})

// Places of these columns.
const (
	ColumnTime = iota
	ColumnEventName
	ColumnSession
	ColumnUser
	ColumnService
	ColumnDevice
	ColumnVersion
	ColumnDuration
	ColumnOS
	ColumnModel
	ColumnTarget
	ColumnStatus
	ColumnFeature
	ColumnCode
	ColumnSeverity
	ColumnSource
	ColumnCampaign
	ColumnExperiment
	ColumnVariant
)

// About are the columns that say what an event is about, name and detail of gold.event_daily (docs/METRICS.md); 0:
// none.
func About(eventName string) (name, detail int) {
	switch eventName {
	case telemetry.KindFeatureUsed.String():
		return ColumnFeature, 0
	case telemetry.KindIssue.String():
		return ColumnCode, ColumnSeverity
	case telemetry.KindNotification.String():
		return ColumnTarget, ColumnStatus
	case telemetry.KindInstall.String():
		return ColumnSource, ColumnCampaign
	case telemetry.KindExperiment.String():
		return ColumnExperiment, ColumnVariant
	case telemetry.KindDeviceInfo.String():
		return ColumnOS, ColumnModel
	}
	return 0, 0
}

package daily

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// dailyEventRow is what is read of silver.events.
type dailyEventRow struct {
	EventName   string `parquet:"event_name,dict,id(1)"`
	SessionID   string `parquet:"session_id,optional,id(2)"`
	ServiceName string `parquet:"service_name,dict,id(4)"`
	Time        int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
	UserID      string `parquet:"user_id,optional,id(6)"`
	Device      string `parquet:"device,optional,dict,id(7)"`
	Version     string `parquet:"version,optional,dict,id(8)"`
	OS          string `parquet:"os,optional,dict,id(9)"`
	Model       string `parquet:"model,optional,dict,id(10)"`
	Target      string `parquet:"target_version,optional,dict,id(12)"`
	Status      string `parquet:"status,optional,dict,id(13)"`
	Duration    string `parquet:"duration,optional,id(14)"`
	Feature     string `parquet:"feature,optional,dict,id(15)"`
	Code        string `parquet:"code,optional,dict,id(16)"`
	Severity    string `parquet:"severity,optional,dict,id(17)"`
	Source      string `parquet:"source,optional,dict,id(19)"`
	Campaign    string `parquet:"campaign,optional,dict,id(20)"`
	Experiment  string `parquet:"experiment,optional,dict,id(21)"`
	Variant     string `parquet:"variant,optional,dict,id(22)"`
}

var dailyEventSchema = parquet.SchemaOf(dailyEventRow{})

func dailyEventOf(row parquet.Row) (e dailyEventRow) {
	e.Time = row[3].Int64()
	for i, text := range [...]*string{
		&e.EventName, &e.SessionID, &e.ServiceName, nil, &e.UserID, &e.Device, &e.Version, &e.OS, &e.Model,
		&e.Target, &e.Status, &e.Duration, &e.Feature, &e.Code, &e.Severity,
		&e.Source, &e.Campaign, &e.Experiment, &e.Variant,
	} {
		if text != nil {
			*text = objects.UnsafeString(row[i].ByteArray())
		}
	}
	return e
}

// about is what an event is about: name and detail of gold.event_daily (docs/METRICS.md).
func (e *dailyEventRow) about() (name, detail string) {
	switch e.EventName {
	case telemetry.KindFeatureUsed.String():
		return e.Feature, ""
	case telemetry.KindIssue.String():
		return e.Code, e.Severity
	case telemetry.KindNotification.String():
		return e.Target, e.Status
	case telemetry.KindInstall.String():
		return e.Source, e.Campaign
	case telemetry.KindExperiment.String():
		return e.Experiment, e.Variant
	case telemetry.KindDeviceInfo.String():
		return e.OS, e.Model
	}
	return "", ""
}

// endedAfter is the duration of a session that ended, in seconds; -1 where the event tells none.
func (e *dailyEventRow) endedAfter() int64 {
	const most = 31 * 24 * 60 * 60
	if e.EventName != telemetry.KindSessionEnd.String() || strings.Trim(e.Duration, "0123456789.eE+-") != "" {
		return -1
	}
	seconds, err := strconv.ParseFloat(e.Duration, 64)
	if err != nil || !(seconds >= 0 && seconds <= most) {
		return -1
	}
	return int64(math.Round(seconds))
}

// dailyEvent is the kind of a SessionRow that is an event; its value is what packEvent made.
const dailyEvent = 'e'

func (e *dailyEventRow) pack(buffer []byte) []byte {
	name, detail := e.about()
	for _, text := range [...]string{e.Version, e.EventName, name, detail, strconv.FormatInt(e.endedAfter(), 10)} {
		buffer = objects.AppendText(buffer, text)
	}
	return buffer
}

// dailyEvents streams events of some dates as rows of sessions; each must be safe for concurrent use.
func dailyEvents(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, counted func(date int32) bool,
	each func(sessions.SessionRow) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			var packed []byte
			return l.ScanRaw(ctx, file, dailyEventSchema, func(row parquet.Row) error {
				if !counted(lake.DateOf(row[3].Int64())) {
					return nil
				}
				e := dailyEventOf(row)
				packed = e.pack(packed[:0])
				return each(sessions.SessionRow{
					Key: int64(xxhash.Sum64String(e.SessionID)), Session: e.SessionID, Kind: dailyEvent, User: e.UserID,
					Service: e.ServiceName,
					Device:  e.Device, Value: objects.UnsafeString(packed), Time: e.Time,
				})
			})
		})
	}
	return work.Wait()
}

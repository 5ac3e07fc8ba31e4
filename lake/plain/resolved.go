package plain

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/versionlake/versionlake/lake"
)

// Resolved is what an event should be in gold.events; itself is what it says itself.
func (e *Event) Resolved(itself *lake.SilverRow) lake.ResolvedRow {
	kind := "user"
	if strings.HasPrefix(e.User, "session:") {
		kind = "session"
	}
	from := &e.Row
	row := lake.ResolvedRow{
		Time: from.Time, EventName: from.EventName, SessionID: from.SessionID, UserID: e.User, UserKind: kind,
		Service: from.ServiceName, Device: from.Device, Version: from.Version, OS: from.OS, Model: from.Model,
		Memory: from.Memory, Target: from.Target, Status: from.Status, Feature: from.Feature, Code: from.Code,
		Severity: from.Severity, Message: from.Message, Source: from.Source, Campaign: from.Campaign,
		Experiment: from.Experiment, Variant: from.Variant,
		IngestHour: lake.HourOfRow(from.IngestDate, from.IngestHourOfDay).Start().UnixMicro(),
		IngestDate: from.IngestDate, SessionKey: int64(xxhash.Sum64String(from.SessionID)),
	}
	for bit, said := range map[int32]string{1: itself.UserID, 2: itself.Device, 4: itself.Version} {
		if said != "" {
			row.Named |= bit
		}
	}
	if from.EventName == "SessionEnd" {
		row.Duration = Seconds(from.Duration)
	}
	return row
}

// Describe is a row of gold.events as text: what is not there is left out.
func Describe(row *lake.ResolvedRow) string {
	text := fmt.Sprintf("%s %s of %q (%s), session %q (key %d), %s", lake.Moment(row.Time), row.EventName, row.UserID,
		row.UserKind, row.SessionID, row.SessionKey, row.Service)
	for _, part := range [][2]string{
		{"device", row.Device}, {"version", row.Version}, {"os", row.OS}, {"model", row.Model}, {"memory", row.Memory},
		{"target", row.Target}, {"status", row.Status}, {"feature", row.Feature}, {"code", row.Code},
		{"severity", row.Severity}, {"message", row.Message}, {"source", row.Source}, {"campaign", row.Campaign},
		{"experiment", row.Experiment}, {"variant", row.Variant},
	} {
		if part[1] != "" {
			text += fmt.Sprintf(", %s %q", part[0], part[1])
		}
	}
	if row.Duration != nil {
		text += ", duration " + strconv.FormatFloat(*row.Duration, 'g', -1, 64)
	}
	return text + fmt.Sprintf(", named %d, ingested in %s of %s", row.Named, row.Hour(),
		lake.FormatDate(row.IngestDate))
}

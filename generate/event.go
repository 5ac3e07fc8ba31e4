package generate

import (
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// Heartbeat is the name of the events that no one asked for: most of them.
const Heartbeat = "Heartbeat"

// Event is one line, and what it means.
type Event struct {
	Hour telemetry.Hour // of the folder that it lies in
	File string         // its path below the source: 2022/05/27/05/part-000.tsv
	Line int64          // from 1

	Kind        telemetry.Kind
	Name        string // as the line has it: the kind's; for an Issue also Crash or Error; Heartbeat for KindOther
	Time        int64  // as written, wrong clocks and all, in microseconds UTC
	Service     string
	Session     string
	Transaction int64

	// User is who the event belongs to once everything has arrived: the user that the body names, or that a Login of
	// the session names and no Logout, or Login of nobody, ended; else the session's own id as history.UserID gives
	// it. Device is found likewise.
	User        string
	NamesUser   bool // the body itself names the user
	Device      string
	HasDevice   bool
	NamesDevice bool // the body itself names the device

	Version                       string // of SoftwareVersion
	Target, Status                string // of Notification
	OS, Model                     string // of DeviceInfo
	Memory                        int64  // of DeviceInfo, in GiB
	Duration                      int64  // of SessionEnd, in seconds
	Feature                       string // of FeatureUsed
	Code, Severity, Message       string // of Issue
	Source, Campaign              string // of Install
	ExperimentName, ExperimentArm string // of Experiment

	Repeated bool             // the line was written before: the event counts once
	Reason   telemetry.Reason // why the line must be rejected; "" for good ones

	dialect dialect
	body    seed // what else the body says
}

func nameOf(kind telemetry.Kind) string {
	if kind == telemetry.KindOther {
		return Heartbeat
	}
	return kind.String()
}

// Counts says whether the event is one for those who read the lake: not rejected, and not a repetition.
func (e *Event) Counts() bool { return e.Reason == "" && !e.Repeated }

// Sighting is the event, a SoftwareVersion, as package history takes it.
func (e *Event) Sighting() history.Sighting {
	return history.Sighting{Service: e.Service, Device: e.Device, HasDevice: e.HasDevice, Version: e.Version,
		Time: e.Time, Transaction: e.Transaction, File: e.File, Line: e.Line}
}

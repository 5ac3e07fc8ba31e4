package plain

import (
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Silver is what silver has of a line, if the line is no repeat.
type Silver struct {
	Event    *lake.SilverRow // nil: none
	Sighting *lake.SightingRow
	Bindings []lake.BindingRow
}

// SilverOf says what silver has of a row of bronze, whose body was parsed into e. Nothing where none of the three
// tables has a row, not even of a line that names its user.
func SilverOf(e *telemetry.Event, row *lake.EventRow) Silver {
	attribute := func(a telemetry.Attribute) string {
		text, _ := e.Attribute(a)
		return string(text)
	}
	session, user, device := string(e.Session), attribute(telemetry.AttributeUser), attribute(telemetry.AttributeDevice)
	var s Silver
	if e.Kind == telemetry.KindOther && user == "" {
		return s
	}
	if e.Kind != telemetry.KindOther {
		s.Event = &lake.SilverRow{
			EventName: e.Kind.String(), SessionID: session, ServiceName: row.ServiceName,
			Transaction: e.Transaction, Time: row.Time, UserID: user, Device: device,
			Version: attribute(telemetry.AttributeVersion), OS: attribute(telemetry.AttributeOS),
			Model: attribute(telemetry.AttributeModel), Memory: attribute(telemetry.AttributeMemory),
			Target: attribute(telemetry.AttributeTarget), Status: attribute(telemetry.AttributeStatus),
			Duration: attribute(telemetry.AttributeDuration), Feature: attribute(telemetry.AttributeFeature),
			Code: attribute(telemetry.AttributeCode), Severity: attribute(telemetry.AttributeSeverity),
			Message: attribute(telemetry.AttributeMessage), Source: attribute(telemetry.AttributeSource),
			Campaign: attribute(telemetry.AttributeCampaign), Experiment: attribute(telemetry.AttributeExperiment),
			Variant: attribute(telemetry.AttributeVariant),
		}
	}
	if version := attribute(telemetry.AttributeVersion); e.Kind == telemetry.KindSoftwareVersion && version != "" {
		s.Sighting = &lake.SightingRow{SessionID: session, UserID: user, ServiceName: row.ServiceName, Device: device,
			Version: version, Transaction: e.Transaction, Time: row.Time}
	}
	if session == "" {
		return s // what has no session can't say whose it is
	}
	bind := func(kind, value string) {
		s.Bindings = append(s.Bindings, lake.BindingRow{SessionID: session, Kind: kind, Value: value,
			Transaction: e.Transaction, Time: row.Time})
	}
	if user != "" {
		bind(lake.BindingUser, user)
	}
	if e.Kind == telemetry.KindLogout || e.Kind == telemetry.KindLogin && user == "" {
		bind(lake.BindingUser, "") // an ending
	}
	if e.Kind == telemetry.KindDeviceInfo && device != "" {
		bind(lake.BindingDevice, device)
	}
	return s
}

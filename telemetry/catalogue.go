package telemetry

import "maps"

// Kind is an event of the catalogue.
type Kind uint8

// KindOther is every event that the catalogue does not know: it stays in bronze and is no error.
const (
	KindOther Kind = iota
	KindSoftwareVersion
	KindDeviceInfo
	KindNotification
	KindLogin
	KindSessionStart
	KindSessionEnd
	KindFeatureUsed
	KindIssue
	KindInstall
	KindExperiment
)

var kindNames = [...]string{"", "SoftwareVersion", "DeviceInfo", "Notification", "Login", "SessionStart", "SessionEnd",
	"FeatureUsed", "Issue", "Install", "Experiment"}

// String is the canonical name of the event: "Issue" for Crash, Error and Issue; "" for KindOther.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// Attribute is an entry of the body that silver has a column for. Every event may carry any of them.
type Attribute uint8

// The attributes. The event's own name is not among them: it is Event.Name.
const (
	AttributeUser Attribute = iota
	AttributeVersion
	AttributeDevice
	AttributeOS
	AttributeModel
	AttributeMemory
	AttributeTarget
	AttributeStatus
	AttributeDuration
	AttributeFeature
	AttributeCode
	AttributeSeverity
	AttributeMessage
	AttributeSource
	AttributeCampaign
	AttributeExperiment
	AttributeVariant
	NumAttributes = iota
)

var attributeNames = [NumAttributes]string{"UserId", "Version", "Device", "OS", "Model", "Memory", "Target", "Status",
	"Duration", "Feature", "Code", "Severity", "Message", "Source", "Campaign", "Experiment", "Variant"}

// String is the canonical name of the attribute, as the catalogue spells it.
func (a Attribute) String() string {
	if a < NumAttributes {
		return attributeNames[a]
	}
	return ""
}

// The attribute that holds the event's name: configurable like the others, but required, so it has a place of its own.
const (
	attributeName = NumAttributes
	nameOfName    = "Name"
)

// Catalogue says under which names telemetry has the events and attributes: canonical name → the names, matched exactly,
// upper and lower case included. A list stands for itself: it must repeat the canonical name if telemetry uses that, too,
// and an empty one switches the entry off. What is not listed keeps its default, so the zero value is the default.
type Catalogue struct {
	Events     map[string][]string `json:"events"`
	Attributes map[string][]string `json:"attributes"`
}

// DefaultCatalogue is the catalogue of docs/EVENTS.md. JSON decoded into it is merged over it.
func DefaultCatalogue() Catalogue {
	c := Catalogue{Events: map[string][]string{}, Attributes: map[string][]string{nameOfName: {nameOfName}}}
	for _, name := range kindNames[1:] {
		c.Events[name] = []string{name}
	}
	for _, name := range attributeNames {
		c.Attributes[name] = []string{name}
	}
	c.Events[KindIssue.String()] = []string{"Issue", "Crash", "Error"}
	c.Attributes[AttributeUser.String()] = []string{"UserId", "PlayerId"}
	return c
}

// Validate finds canonical names that do not exist, names that belong to two entries, and names that can't occur.
func (c Catalogue) Validate() error {
	_, _, err := c.tables()
	return err
}

// tables merges c over the defaults.
func (c Catalogue) tables() (events, attributes nameTable, err error) {
	all := DefaultCatalogue()
	maps.Copy(all.Events, c.Events)
	maps.Copy(all.Attributes, c.Attributes)
	if events, err = newNameTable("event", kindNames[:], all.Events); err != nil {
		return nil, nil, err
	}
	attributes, err = newNameTable("attribute", append(attributeNames[:], nameOfName), all.Attributes)
	return events, attributes, err
}

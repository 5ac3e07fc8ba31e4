package telemetry

import (
	"fmt"
	"maps"
	"slices"
)

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
	KindLogout
)

var kindNames = [...]string{"", "SoftwareVersion", "DeviceInfo", "Notification", "Login", "SessionStart", "SessionEnd",
	"FeatureUsed", "Issue", "Install", "Experiment", "Logout"}

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

// maxPlaces is how many names all attributes can have together: as many as a word has bits. The first name of an
// attribute has the place of the attribute, further ones those behind.
const maxPlaces = 64

// furtherName is the place of a name that counts where the attribute has no text yet.
type furtherName struct{ place, attribute uint8 }

// Catalogue says under which names telemetry has the events and attributes: canonical name → the names, matched
// exactly, upper and lower case included. A list stands for itself: it must repeat the canonical name if telemetry
// uses that, too, and an empty one switches the entry off. What is not listed keeps its default, so the zero value
// is the default.
type Catalogue struct {
	Events     map[string][]string `json:"events"`
	Attributes map[string][]string `json:"attributes"` // of several names the first one with a text counts
	// Absent are the user and session ids that stand for none, whatever their case and the blanks around them; nil:
	// the default ones. Nothing but blanks always does.
	Absent []string `json:"absent"`
}

// DefaultCatalogue is the catalogue of docs/EVENTS.md. JSON decoded into it is merged over it.
func DefaultCatalogue() Catalogue {
	c := Catalogue{Events: map[string][]string{}, Attributes: map[string][]string{nameOfName: {nameOfName}},
		Absent: slices.Clone(defaultAbsent)}
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
	_, err := c.tables()
	return err
}

// names is a catalogue as it is looked up.
type names struct {
	events     nameTable     // by Kind
	attributes nameTable     // by place
	further    []furtherName // in the order in which they count
	users      uint64        // the places of the names of AttributeUser
	absent     placeholders
}

// tables merges c over the defaults.
func (c Catalogue) tables() (n names, err error) {
	all := DefaultCatalogue()
	maps.Copy(all.Events, c.Events)
	maps.Copy(all.Attributes, c.Attributes)
	if c.Absent != nil {
		all.Absent = c.Absent
	}
	if n.events, err = newNameTable("event", kindNames[:], all.Events); err != nil {
		return n, err
	}
	canonical := append(attributeNames[:], nameOfName)
	if n.attributes, err = newNameTable("attribute", canonical, all.Attributes); err != nil {
		return n, err
	}
	place := len(canonical)
	for attribute, key := range canonical {
		for i, name := range all.Attributes[key] {
			if i == 0 || slices.Contains(all.Attributes[key][:i], name) {
				continue
			}
			if place == maxPlaces {
				return n, fmt.Errorf(
					"catalogue: the attributes have too many names: %d besides the first ones are the most",
					maxPlaces-len(canonical))
			}
			n.attributes.renumber(name, uint8(place))
			n.further = append(n.further, furtherName{uint8(place), uint8(attribute)})
			place++
		}
	}
	n.users = 1 << AttributeUser
	for _, further := range n.further {
		if further.attribute == uint8(AttributeUser) {
			n.users |= 1 << further.place
		}
	}
	n.absent, err = newPlaceholders(all.Absent)
	return n, err
}

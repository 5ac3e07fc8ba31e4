package telemetry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
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

// The longest name of an event or attribute that can be configured, in bytes.
const maxName = 255

// nameTable finds the number of a name without an allocation: an open hash table of names that do not change. Its size is
// a power of two and at most a quarter of it is filled, so even hostile names are given up on after a few probes.
type nameTable []nameSlot

type nameSlot struct {
	name   string
	number uint8
}

const unknownName = 255

func newNameTable(what string, canonical []string, names map[string][]string) (nameTable, error) {
	owners := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		if key == "" || !slices.Contains(canonical, key) {
			return nil, fmt.Errorf("catalogue: there is no %s %q; there are %s", what, key, strings.Join(slices.Sorted(slices.Values(canonical)), " "))
		}
		for _, name := range names[key] {
			owner, taken := owners[name]
			switch {
			case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
				return nil, fmt.Errorf("catalogue: %s %q: %q cannot be a name: it needs 1 to %d bytes of UTF-8", what, key, name, maxName)
			case taken && owner != key:
				return nil, fmt.Errorf("catalogue: %q is a name of two %ss, %q and %q", name, what, owner, key)
			}
			owners[name] = key
		}
	}
	size := 16
	for size < 4*len(owners) {
		size *= 2
	}
	table := make(nameTable, size)
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		at := nameHash([]byte(name)) & (size - 1)
		for table[at].name != "" {
			at = (at + 1) & (size - 1)
		}
		table[at] = nameSlot{name, uint8(slices.Index(canonical, owners[name]))}
	}
	return table, nil
}

func (t nameTable) find(name []byte) uint8 {
	if len(name) == 0 {
		return unknownName
	}
	for at := nameHash(name); ; at++ {
		slot := &t[at&(len(t)-1)]
		if slot.name == string(name) {
			return slot.number
		}
		if slot.name == "" {
			return unknownName
		}
	}
}

// nameHash tells the usual names apart by their length and three of their letters.
func nameHash(name []byte) int {
	n := len(name)
	return n + 5*int(name[0]) + 11*int(name[n-1]) + 23*int(name[n/2])
}

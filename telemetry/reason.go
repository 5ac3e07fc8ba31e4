package telemetry

// Reason is the code under which a line is rejected, kept in bronze.rejects; "" is an accepted line. docs/EVENTS.md has
// examples of each.
type Reason string

// The reasons, in the order in which a line is checked: of several faults the first is reported. ReasonNesting and
// ReasonBody are both found while the body is read from left to right.
const (
	ReasonLength    Reason = "length"
	ReasonNUL       Reason = "nul"
	ReasonUTF8      Reason = "utf8"
	ReasonFields    Reason = "fields"
	ReasonTimestamp Reason = "timestamp"
	ReasonFuture    Reason = "future"
	ReasonPast      Reason = "past"
	ReasonBody      Reason = "body"
	ReasonNesting   Reason = "nesting"
	ReasonName      Reason = "name"
	ReasonSession   Reason = "session"
)

var reasons = []struct {
	reason      Reason
	description string
}{
	{ReasonLength, "the line is longer than 1 MiB"},
	{ReasonNUL, "the line holds a NUL byte"},
	{ReasonUTF8, "the line is not valid UTF-8"},
	{ReasonFields, "there are fewer than six fields, or the service or the session is empty"},
	{ReasonTimestamp, "the timestamp is not a date and time with a UTC offset in years 0001 to 9999"},
	{ReasonFuture, "the timestamp lies too far beyond the end of the hour of its folder"},
	{ReasonPast, "the timestamp lies too far before the hour of its folder"},
	{ReasonBody, "the body is not a dict that can be read"},
	{ReasonNesting, "the body nests dicts and lists more than 64 deep"},
	{ReasonName, "the body names no event"},
	{ReasonSession, "the session is a placeholder, and the body does not name its user"},
}

// Reasons lists every code, in the order of the checks.
func Reasons() []Reason {
	list := make([]Reason, len(reasons))
	for i, r := range reasons {
		list[i] = r.reason
	}
	return list
}

// Description says in one line what is wrong with the lines that have this reason; "" for an unknown code.
func (r Reason) Description() string {
	for _, known := range reasons {
		if known.reason == r {
			return known.description
		}
	}
	return ""
}

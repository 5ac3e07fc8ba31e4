package generate

import (
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// dialect is a way of writing lines that a client has; all of them are accepted.
type dialect uint8

const (
	plain  dialect = iota // tabs, single quotes, 2022-05-27T05:31:19.459+0000
	json                  // JSON bodies, UserId for PlayerId, Z and microseconds
	nested                // the attributes that no one reads in a dict of their own, True and None, local times
	blanks                // blanks for tabs, and CRLF
	dialects
)

// writer appends lines.
type writer struct {
	day  int64 // since 1970, whose date is kept
	date [11]byte
}

// append appends the event's line, its end included.
func (w *writer) append(b []byte, e *Event) []byte {
	tab := byte('\t')
	if e.dialect == blanks {
		tab = ' '
	}
	b = append(append(b, "Telemetry"...), tab)
	switch at := e.Time / 1000; {
	case e.Reason == telemetry.ReasonTimestamp:
		b = append(b, "2022-13-45T25:61:00.000+0000"...)
	case e.Reason == telemetry.ReasonFuture:
		b = append(w.appendTime(b, at+31*24*hourMs), "+0000"...)
	case e.dialect == json:
		b = append(w.appendTime(b, at), "000Z"...)
	case e.dialect == nested:
		b = append(w.appendTime(b, at+2*hourMs), "+02:00"...)
	default:
		b = append(w.appendTime(b, at), "+0000"...)
	}
	b = append(append(b, tab), e.Service...)
	if e.Reason != telemetry.ReasonFields {
		b = append(append(b, tab), e.Session...)
		b = strconv.AppendInt(append(b, tab), e.Transaction, 10)
		b = append(b, tab)
		b = appendBody(b, e)
	}
	if e.dialect == blanks {
		b = append(b, '\r')
	}
	return append(b, '\n')
}

// appendTime appends a time in milliseconds UTC as 2022-05-27T05:31:19.459.
func (w *writer) appendTime(b []byte, ms int64) []byte {
	const day = 24 * hourMs
	if ms/day != w.day || w.date[0] == 0 {
		w.day = ms / day
		copy(w.date[:], time.UnixMilli(ms).UTC().Format("2006-01-02T"))
	}
	of := int(ms % day)
	digits := func(b []byte, n int, end byte) []byte { return append(b, byte('0'+n/10), byte('0'+n%10), end) }
	b = append(b, w.date[:]...)
	b = digits(b, of/3_600_000, ':')
	b = digits(b, of/60_000%60, ':')
	b = digits(b, of/1000%60, '.')
	return append(b, byte('0'+of/100%10), byte('0'+of/10%10), byte('0'+of%10))
}

// body appends a dict: a key and a value at a time.
type body struct {
	b     []byte
	quote byte
}

func (d *body) key(name string) {
	if d.b[len(d.b)-1] != '{' {
		d.b = append(d.b, ", "...)
	}
	d.b = append(append(append(d.b, d.quote), name...), d.quote)
	d.b = append(d.b, ": "...)
}

func (d *body) text(name, value string) {
	d.key(name)
	quote := d.quote
	if quote == '\'' && strings.IndexByte(value, '\'') >= 0 {
		quote = '"'
	}
	d.b = append(d.b, quote)
	for i := range len(value) {
		if c := value[i]; c == quote || c == '\\' {
			d.b = append(d.b, '\\')
		}
		d.b = append(d.b, value[i])
	}
	d.b = append(d.b, quote)
}

func (d *body) number(name string, value int64) {
	d.key(name)
	d.b = strconv.AppendInt(d.b, value, 10)
}

// version writes a version as most clients do, without quotes, unless they write JSON.
func (d *body) version(name, value string) {
	if d.quote == '"' {
		d.text(name, value)
		return
	}
	d.key(name)
	d.b = append(d.b, value...)
}

func appendBody(b []byte, e *Event) []byte {
	d := body{append(b, '{'), '\''}
	if e.dialect == json {
		d.quote = '"'
	}
	switch {
	case e.Reason == telemetry.ReasonNesting:
		d.text("Name", e.Name)
		d.key("Deep")
		d.b = append(d.b, strings.Repeat("[", 80)+strings.Repeat("]", 80)...)
	case e.Reason != telemetry.ReasonName:
		d.text("Name", e.Name)
	}
	if e.NamesUser {
		if e.dialect == json {
			d.text("UserId", e.User)
		} else {
			d.text("PlayerId", e.User)
		}
	} else if e.Kind == telemetry.KindLogin { // of nobody
		if e.dialect == json {
			d.text("UserId", "")
		} else {
			d.key("PlayerId")
			d.b = append(d.b, "None"...)
		}
	}
	d.attributes(e)
	switch e.dialect {
	case json:
		d.key("Client")
		d.b = append(d.b, `{"Sdk": "4.2", "Flags": [true, null, 1.50]}`...)
	case nested:
		d.key("Client")
		d.b = append(d.b, `{'Sdk': 4.2.0, 'Flags': [True, None, 'a', ], }`...)
	}
	switch e.Reason {
	case telemetry.ReasonBody:
		return append(d.b, ", 'Cut"...)
	case telemetry.ReasonUTF8:
		d.text("Text", "\xff\xfe")
	case telemetry.ReasonNUL:
		d.text("Text", "\x00")
	}
	return append(d.b, '}')
}

var (
	screens = []string{"lobby", "match", "shop", "settings", "profile", "world-map", "inventory", "loading"}
	methods = []string{"token", "password", "guest-link", "device"}
)

func (d *body) attributes(e *Event) {
	switch e.Kind {
	case telemetry.KindSoftwareVersion:
		d.version("Version", e.Version)
	case telemetry.KindNotification:
		d.version("Target", e.Target)
		d.text("Status", e.Status)
	case telemetry.KindLogin:
		d.text("Method", methods[e.body.below(len(methods))])
	case telemetry.KindSessionEnd:
		d.number("Duration", e.Duration)
	case telemetry.KindFeatureUsed:
		d.text("Feature", e.Feature)
		d.number("Count", 1+e.body.within(9))
	case telemetry.KindIssue:
		d.text("Code", e.Code)
		d.text("Severity", e.Severity)
		d.text("Message", e.Message)
	case telemetry.KindInstall:
		d.text("Source", e.Source)
		if e.Campaign != "" {
			d.text("Campaign", e.Campaign)
		}
	case telemetry.KindExperiment:
		d.text("Experiment", e.ExperimentName)
		d.text("Variant", e.ExperimentArm)
	case telemetry.KindOther:
		roll := uint64(e.body)
		d.text("Screen", screens[roll&7])
		d.number("Fps", int64(30+roll>>3&31))
		d.number("Ping", int64(8+roll>>8&127))
		d.number("Heap", int64(900+roll>>15&1023))
		d.number("Battery", int64(roll>>25&63))
	}
	if e.NamesDevice {
		d.text("Device", e.Device)
	}
	if e.Kind == telemetry.KindDeviceInfo {
		d.text("OS", e.OS)
		d.text("Model", e.Model)
		d.number("Memory", e.Memory)
	}
}

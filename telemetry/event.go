package telemetry

import "math"

// Event is an accepted line. Its texts are parts of the line or of a buffer of the Event: they are valid as long as the
// line is, and until the Event is used for the next Parse. They are valid UTF-8 without NUL.
type Event struct {
	Category      []byte // free text, may be empty
	ServiceName   []byte
	SessionID     []byte
	TransactionID []byte // as written, may be empty
	Body          []byte // as written, without the blanks around it
	Name          []byte // the body's Name

	Time        int64 // UTC microseconds since 1970
	Transaction int64 // TransactionID as a number, for ordering; math.MaxInt64 if it isn't one that fits
	Kind        Kind

	present uint32 // bit a: attribute a is there
	values  [NumAttributes + 1][]byte
	buffer  []byte // holds the texts that had escapes
}

// Attribute is the text of a top-level entry of the body: strings without quotes and escapes, bare tokens and numbers
// (1.22.03) as written. It is absent if the body has no such entry, or if the last one is null, None, empty, a dict or a
// list: an empty user names nobody.
func (e *Event) Attribute(a Attribute) (text []byte, ok bool) {
	if a >= NumAttributes || e.present>>a&1 == 0 {
		return nil, false
	}
	return e.values[a], true
}

// set takes the last of several equal keys, as a Python dict does.
func (e *Event) set(attribute uint8, text []byte) {
	if attribute > attributeName {
		return
	}
	if len(text) == 0 {
		e.present &^= 1 << attribute
		return
	}
	e.values[attribute] = text
	e.present |= 1 << attribute
}

// transactionNumber reads decimal digits with an optional minus.
func transactionNumber(text []byte) int64 {
	digits := text
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		digits = text[1:]
	}
	if len(digits) == 0 {
		return math.MaxInt64
	}
	var n int64
	for _, c := range digits {
		if c -= '0'; c > 9 || n > (math.MaxInt64-int64(c))/10 {
			return math.MaxInt64
		}
		n = n*10 + int64(c)
	}
	if negative {
		return -n
	}
	return n
}

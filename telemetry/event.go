package telemetry

import "math"

// Event is an accepted line. Its texts are parts of the line or of a buffer of the Event: they are valid as long as the
// line is, and until the Event is used for the next Parse. They are valid UTF-8 without NUL.
type Event struct {
	Category      []byte // free text, may be empty
	ServiceName   []byte
	SessionID     []byte // as written
	TransactionID []byte // as written, may be empty
	Body          []byte // as written, without the blanks around it
	Name          []byte // the body's Name
	// Session tells sessions apart: SessionID, behind the service where Options say so; empty where SessionID is a
	// placeholder.
	Session []byte

	Time        int64 // UTC microseconds since 1970
	Transaction int64 // TransactionID as a number, for ordering; math.MaxInt64 if it isn't one that fits
	Kind        Kind

	// By place: that of an attribute, or of its name, and behind them those of further names (Catalogue). Bit n: place
	// n has a text.
	present uint64
	values  [maxPlaces][]byte
	buffer  []byte // holds the texts that had escapes
}

// Attribute is the text of a top-level entry of the body: strings without quotes and escapes, bare tokens and numbers
// (1.22.03) as written. Of several names of one attribute the first with a text counts, in the catalogue's order. It
// is absent if none has one: null, nan, an empty text, a dict or a list is none, and no more is a user id that stands
// for nobody.
func (e *Event) Attribute(a Attribute) (text []byte, ok bool) {
	if a >= NumAttributes || e.present>>a&1 == 0 {
		return nil, false
	}
	return e.values[a], true
}

// set takes the last of several equal keys, as a Python dict does.
func (e *Event) set(place uint8, text []byte) {
	if place >= maxPlaces {
		return
	}
	if len(text) == 0 {
		e.present &^= 1 << place
		return
	}
	e.values[place] = text
	e.present |= 1 << place
}

func (e *Event) has(place uint8) bool { return e.present>>place&1 == 1 }

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

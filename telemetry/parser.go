package telemetry

import (
	"bytes"
	"fmt"
	"math/bits"
	"time"
	"unicode/utf8"
)

// DefaultMaxFuture is how far beyond the end of its hour an event may lie, when Options do not say.
const DefaultMaxFuture = 24 * time.Hour

// DefaultMaxPast is how far before its hour an event may lie, when Options do not say: devices do come back after
// months, and a clock that was never set says 1970.
const DefaultMaxPast = 5 * 365 * 24 * time.Hour

// LargestMaxFuture bounds Options.MaxFuture: whoever looks for an event by its time need not look into hours long
// before it.
const LargestMaxFuture = 31 * 24 * time.Hour

// Options of a Parser.
type Options struct {
	// Catalogue is merged over DefaultCatalogue.
	Catalogue Catalogue
	// Hour is the hour whose files are parsed, in years 1 to 9999. It matters only for ReasonFuture and ReasonPast.
	Hour Hour
	// MaxFuture is how far beyond the end of Hour an event may lie; DefaultMaxFuture if zero.
	MaxFuture time.Duration
	// MaxPast is how far before the start of Hour an event may lie; DefaultMaxPast if zero.
	MaxPast time.Duration
	// SessionsByService: the same session id in two services is two sessions.
	SessionsByService bool
}

// Parser turns lines into events. It does not change once made, so goroutines may share it.
type Parser struct {
	names
	earliest, latest  int64 // the first microsecond that is not ReasonPast, the last one that is not ReasonFuture
	sessionsByService bool
}

// NewParser makes a Parser. Errors: a catalogue that is not valid, an hour, MaxFuture or MaxPast out of range.
func NewParser(o Options) (*Parser, error) {
	if o.MaxFuture == 0 {
		o.MaxFuture = DefaultMaxFuture
	}
	if o.MaxFuture < 0 {
		return nil, fmt.Errorf("parser: a maximum of %v into the future: must not be negative", o.MaxFuture)
	}
	if o.MaxFuture > LargestMaxFuture {
		return nil, fmt.Errorf("parser: a maximum of %v into the future: must not be more than %v", o.MaxFuture,
			LargestMaxFuture)
	}
	if o.MaxPast == 0 {
		o.MaxPast = DefaultMaxPast
	}
	if o.MaxPast < 0 {
		return nil, fmt.Errorf("parser: a maximum of %v into the past: must not be negative", o.MaxPast)
	}
	if o.Hour < firstSecond/3600 || o.Hour > lastSecond/3600 {
		return nil, fmt.Errorf("parser: hour %d lies outside of the years 1 to 9999", int64(o.Hour))
	}
	p := &Parser{earliest: o.Hour.Start().UnixMicro() - o.MaxPast.Microseconds(),
		latest:            o.Hour.End().UnixMicro() + o.MaxFuture.Microseconds(),
		sessionsByService: o.SessionsByService}
	var err error
	if p.names, err = o.Catalogue.tables(); err != nil {
		return nil, fmt.Errorf("parser: %w", err)
	}
	return p, nil
}

// Parse reads a line, without its line end, into e, and returns "" if the line is accepted. Otherwise the reason is
// the first that applies, in the order of Reasons, and e is undefined. Parse does not allocate, but for e's own
// buffer until that has grown to what the lines need. The grammar is in docs/EVENTS.md.
func (p *Parser) Parse(line []byte, e *Event) Reason {
	if len(line) > MaxLine {
		return ReasonLength
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return ReasonNUL
	}
	if !isASCII(line) && !utf8.Valid(line) {
		return ReasonUTF8
	}
	timestamp, ok := e.cutAtTabs(line)
	separator := byte(' ') // between date and time, beside T: a field may hold blanks
	if !ok {
		if timestamp, ok = e.cutAtBlanks(line); !ok {
			return ReasonFields
		}
		separator = 'T'
	}
	if len(e.ServiceName) == 0 || len(e.SessionID) == 0 {
		return ReasonFields
	}
	if e.Time, ok = parseTimestamp(timestamp, separator); !ok {
		if e.Time, ok = e.unquoteFields(timestamp); !ok {
			return ReasonTimestamp
		}
		if len(e.ServiceName) == 0 || len(e.SessionID) == 0 {
			return ReasonFields
		}
	}
	if reason := p.CheckTime(e.Time); reason != "" {
		return reason
	}
	return p.ParseBody(e)
}

// CheckTime says why an event time, in UTC microseconds since 1970, is not believed; "" if it is.
func (p *Parser) CheckTime(micros int64) Reason {
	switch {
	case micros > p.latest:
		return ReasonFuture
	case micros < p.earliest:
		return ReasonPast
	}
	return ""
}

// ParseBody does the rest for an event whose fields and time are set, as of a line that was accepted and kept earlier.
func (p *Parser) ParseBody(e *Event) Reason {
	e.Transaction = transactionNumber(e.TransactionID)
	e.present, e.buffer = 0, e.buffer[:0]
	if reason := p.parseBody(e.Body, e); reason == ReasonBody {
		if reason = p.parseLoose(e); reason != "" {
			return reason
		}
	} else if reason != "" {
		return reason
	}
	for users := e.present & p.users; users != 0; users &= users - 1 {
		if place := bits.TrailingZeros64(users); p.absent.has(e.values[place]) {
			e.present &^= 1 << place
		}
	}
	for _, further := range p.further {
		if e.has(further.place) && !e.has(further.attribute) {
			e.set(further.attribute, e.values[further.place])
		}
	}
	if !e.has(attributeName) {
		return ReasonName
	}
	if e.Session = e.SessionID; p.absent.has(e.Session) {
		if e.Session = nil; !e.has(uint8(AttributeUser)) {
			return ReasonSession
		}
	} else if p.sessionsByService {
		start := len(e.buffer)
		e.buffer = appendSessionOfService(e.buffer, e.ServiceName, e.SessionID)
		e.Session = e.buffer[start:]
	}
	e.Name = e.values[attributeName]
	e.Kind = KindOther
	if kind := p.events.find(e.Name); kind != unknownName {
		e.Kind = Kind(kind)
	}
	return ""
}

// cutAtTabs cuts at the first five tabs; there may be more in the body.
func (e *Event) cutAtTabs(line []byte) (timestamp []byte, ok bool) {
	var tabs [5]int
	found, i := 0, 0
	for ; found < len(tabs) && i+8 <= len(line); i += 8 {
		for word := matches(line[i:], '\t'); word != 0; word &= word - 1 {
			tab := i + bits.TrailingZeros64(word)/8
			if found < len(tabs) && line[tab] == '\t' {
				tabs[found] = tab
				found++
			}
		}
	}
	for ; found < len(tabs); i++ {
		if i >= len(line) {
			return nil, false
		}
		if line[i] == '\t' {
			tabs[found] = i
			found++
		}
	}
	category, timestamp, service := line[:tabs[0]], line[tabs[0]+1:tabs[1]], line[tabs[1]+1:tabs[2]]
	session, transaction, body := line[tabs[2]+1:tabs[3]], line[tabs[3]+1:tabs[4]], line[tabs[4]+1:]
	if !isTrim(category) || !isTrim(timestamp) || !isTrim(service) || !isTrim(session) || !isTrim(transaction) ||
		!isTrim(body) {
		category, timestamp, service = trim(category), trim(timestamp), trim(service)
		session, transaction, body = trim(session), trim(transaction), trim(body)
	}
	e.Category, e.ServiceName, e.SessionID, e.TransactionID, e.Body = category, service, session, transaction, body
	return timestamp, true
}

// unquoteFields is for lines in which every field is quoted as CSV quotes. It returns the event's time.
func (e *Event) unquoteFields(timestamp []byte) (micros int64, ok bool) {
	for _, field := range [...]*[]byte{&timestamp, &e.Category, &e.ServiceName, &e.SessionID, &e.TransactionID} {
		last := len(*field) - 1
		if last < 1 || (*field)[0] != '"' || bytes.IndexByte((*field)[1:], '"') != last-1 {
			return 0, false
		}
		*field = trim((*field)[1:last])
	}
	return parseTimestamp(timestamp, ' ')
}

// cutAtBlanks is for lines with fewer than five tabs: five words, and a body that isn't empty.
func (e *Event) cutAtBlanks(line []byte) (timestamp []byte, ok bool) {
	var words [5][]byte
	for i := range words {
		line = trimLeft(line)
		end := 0
		for end < len(line) && !isBlank[line[end]] {
			end++
		}
		words[i], line = line[:end], line[end:]
	}
	e.Category, e.ServiceName, e.SessionID, e.TransactionID = words[0], words[2], words[3], words[4]
	e.Body = trim(line)
	return words[1], len(e.Body) > 0
}

// isBlank: the bytes that separate and surround fields. LF is only there for those who parse without a Scanner.
var isBlank = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}

func trimLeft(text []byte) []byte {
	for len(text) > 0 && isBlank[text[0]] {
		text = text[1:]
	}
	return text
}

func trim(text []byte) []byte {
	text = trimLeft(text)
	return text[:trimRight(text)]
}

// isTrim tells cheaply that there is nothing to trim. It is wrong at most about control characters, where trimming
// does no harm.
func isTrim(text []byte) bool {
	return len(text) == 0 || text[0] > ' ' && text[len(text)-1] > ' '
}

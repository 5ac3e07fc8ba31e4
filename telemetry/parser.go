package telemetry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf8"
)

// DefaultMaxFuture is how far beyond the end of its hour an event may lie, when Options do not say.
const DefaultMaxFuture = 24 * time.Hour

// Options of a Parser.
type Options struct {
	// Catalogue is merged over DefaultCatalogue.
	Catalogue Catalogue
	// Hour is the hour whose files are parsed, in years 1 to 9999. It matters only for ReasonFuture.
	Hour Hour
	// MaxFuture is how far beyond the end of Hour an event may lie; DefaultMaxFuture if zero. Events may be late without limit.
	MaxFuture time.Duration
}

// Parser turns lines into events. It does not change once made, so goroutines may share it.
type Parser struct {
	events, attributes nameTable
	latest             int64 // the last microsecond that is not ReasonFuture
}

// NewParser makes a Parser. Errors: a catalogue that is not valid, an hour or MaxFuture out of range.
func NewParser(o Options) (*Parser, error) {
	if o.MaxFuture == 0 {
		o.MaxFuture = DefaultMaxFuture
	}
	if o.MaxFuture < 0 {
		return nil, fmt.Errorf("parser: a maximum of %v into the future: must not be negative", o.MaxFuture)
	}
	if o.Hour < firstSecond/3600 || o.Hour > lastSecond/3600 {
		return nil, fmt.Errorf("parser: hour %d lies outside of the years 1 to 9999", int64(o.Hour))
	}
	p := &Parser{latest: o.Hour.End().UnixMicro() + o.MaxFuture.Microseconds()}
	var err error
	p.events, p.attributes, err = o.Catalogue.tables()
	return p, err
}

// Parse reads a line, without its line end, into e, and returns "" if the line is accepted. Otherwise the reason is the
// first that applies, in the order of Reasons, and e is undefined. Parse does not allocate, but for e's own buffer until that
// has grown to what the lines need. The grammar is in docs/EVENTS.md.
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
	var timestamp []byte
	separator := byte(' ') // between date and time, beside T
	if !e.cutAtTabs(line, &timestamp) {
		if !e.cutAtBlanks(line, &timestamp) {
			return ReasonFields
		}
		separator = 'T'
	}
	if len(e.ServiceName) == 0 || len(e.SessionID) == 0 {
		return ReasonFields
	}
	var ok bool
	if e.Time, ok = parseTimestamp(timestamp, separator); !ok {
		return ReasonTimestamp
	}
	if e.Time > p.latest {
		return ReasonFuture
	}
	e.Transaction = transactionNumber(e.TransactionID)
	e.present, e.buffer = 0, e.buffer[:0]
	if reason := p.parseBody(e.Body, e); reason != "" {
		return reason
	}
	if e.present>>attributeName&1 == 0 {
		return ReasonName
	}
	e.Name = e.values[attributeName]
	e.Kind = KindOther
	if kind := p.events.find(e.Name); kind != unknownName {
		e.Kind = Kind(kind)
	}
	return ""
}

// cutAtTabs cuts at the first five tabs; there may be more in the body.
func (e *Event) cutAtTabs(line []byte, timestamp *[]byte) bool {
	var fields [5][]byte
	for i := range fields {
		tab := bytes.IndexByte(line, '\t')
		if tab < 0 {
			return false
		}
		fields[i], line = trim(line[:tab]), line[tab+1:]
	}
	e.Category, *timestamp, e.ServiceName, e.SessionID, e.TransactionID = fields[0], fields[1], fields[2], fields[3], fields[4]
	e.Body = trim(line)
	return true
}

// cutAtBlanks is for lines with fewer than five tabs: five words, and a body that isn't empty.
func (e *Event) cutAtBlanks(line []byte, timestamp *[]byte) bool {
	var words [5][]byte
	for i := range words {
		line = trimLeft(line)
		end := 0
		for end < len(line) && !isBlank[line[end]] {
			end++
		}
		words[i], line = line[:end], line[end:]
	}
	e.Category, *timestamp, e.ServiceName, e.SessionID, e.TransactionID = words[0], words[1], words[2], words[3], words[4]
	e.Body = trim(line)
	return len(e.Body) > 0
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

// isASCII is the usual case, and told in a tenth of the time that utf8.Valid takes.
func isASCII(text []byte) bool {
	var or uint64
	for ; len(text) >= 32; text = text[32:] {
		or |= binary.NativeEndian.Uint64(text) | binary.NativeEndian.Uint64(text[8:]) |
			binary.NativeEndian.Uint64(text[16:]) | binary.NativeEndian.Uint64(text[24:])
	}
	for _, c := range text {
		or |= uint64(c)
	}
	return or&0x8080808080808080 == 0
}

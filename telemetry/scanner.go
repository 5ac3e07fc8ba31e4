package telemetry

import (
	"bytes"
	"fmt"
	"io"
)

// MaxLine is the length of the longest line that is accepted, in bytes, without its line end.
const MaxLine = 1 << 20

// What the Scanner reads at a time. Far below MaxLine: only lines that do not fit are copied.
const bufferSize = 256 << 10

// Most tabs that a continued line may hold. A complete line has five or more, so it cannot swallow its neighbour by
// ending in a backslash: telemetry comes from clients, and one must not be able to remove the lines of another.
const maxContinuedTabs = 4

const (
	byteOrderMark = "\uFEFF"
	blanks        = " \t\r"
)

// Line is one logical line: a record, or a blank line.
type Line struct {
	Text   []byte // without its line end (LF or CRLF); a continued line is joined; valid until the next Scan
	Number int64  // 1-based number of the physical line on which it begins, as `wc -l` counts
	Offset int64  // of its first byte in the (uncompressed) file
	Length int64  // bytes it occupies in the file, line ends included: the next line is at Offset + Length
	// ReasonLength if it is over MaxLine (Text is then its first MaxLine bytes, and may end within a rune), else ""
	Reason Reason
}

// Blank tells whether the line holds only blanks. Such a line is no record and no fault.
func (l *Line) Blank() bool {
	return l.Reason == "" && trimRight(l.Text) == 0
}

// Position is a place in an uncompressed file. The zero value is its start.
type Position struct {
	Offset int64 `json:"offset"` // in bytes
	Line   int64 `json:"line"`   // number of the physical line that begins there, 1-based
}

// Scanner cuts a stream into logical lines (docs/EVENTS.md, Lines). Its memory is bounded, however long the lines are.
type Scanner struct {
	r          io.Reader
	buffer     []byte
	start, end int    // of what is read and not yet delivered
	readErr    error  // why nothing more can be read, io.EOF included
	long       []byte // text of a line that is continued or does not fit into the buffer
	next       Position
	line       Line
	err        error
}

// NewScanner reads lines from r, which starts at a line's beginning, at the given position of the file.
func NewScanner(r io.Reader, at Position) *Scanner {
	at.Line = max(at.Line, 1)
	return &Scanner{r: r, buffer: make([]byte, bufferSize), next: at}
}

// Line is the line that Scan found last. The next Scan overwrites it.
func (s *Scanner) Line() *Line { return &s.line }

// Err is the error that ended the scan, nil at the end of the stream. It wraps what the reader returned: ErrCorrupt
// when the reader is one of Decompress. An error ends the scan before the line that it tore.
func (s *Scanner) Err() error { return s.err }

// Scan advances to the next line. It returns false at the end of the stream and on an error.
func (s *Scanner) Scan() bool {
	for {
		window := s.buffer[s.start:s.end]
		if n := bytes.IndexByte(window, '\n'); n >= 0 && !endsInBackslash(window[:n]) {
			s.start += n + 1
			s.deliver(window[:n], int64(n)+1, 1)
			return true
		} else if n >= 0 || s.readErr != nil || len(window) == len(s.buffer) {
			return s.scanLong()
		}
		s.fill()
	}
}

// scanLong finds a line that is continued, or longer than the buffer, or the last one.
func (s *Scanner) scanLong() bool {
	s.long = s.long[:0]
	var length, lines int64
	var line physicalLine
	over := false
	for s.start < s.end || s.fill() {
		part := s.buffer[s.start:s.end]
		n := bytes.IndexByte(part, '\n')
		if n >= 0 {
			part = part[:n]
		}
		line.add(part)
		over = !s.keep(part) || over
		length += int64(len(part))
		s.start += len(part)
		if n < 0 {
			continue
		}
		s.start++
		length++
		lines++
		if !line.continued() {
			return s.deliverLong(over, length, lines)
		}
		if !over {
			s.long = append(s.long[:trimRight(s.long)-1], ' ') // in the place of the backslash
		}
		line = physicalLine{}
	}
	if s.readErr != io.EOF {
		s.err = fmt.Errorf("read line %d at byte %d: %w", s.next.Line, s.next.Offset, s.readErr)
		return false
	}
	if length == 0 {
		return false
	}
	if line.length > 0 {
		lines++ // the last one, without a line end
	}
	return s.deliverLong(over, length, lines)
}

// keep adds to the long line, up to one byte over MaxLine: that byte may be the CR of a line end. It tells whether
// all of part was kept.
func (s *Scanner) keep(part []byte) bool {
	room := MaxLine + 1 - len(s.long)
	s.long = append(s.long, part[:min(room, len(part))]...)
	return len(part) <= room
}

func (s *Scanner) deliverLong(over bool, length, lines int64) bool {
	s.deliver(s.long, length, lines)
	if over || len(s.line.Text) > MaxLine {
		s.line.Text, s.line.Reason = s.long[:MaxLine], ReasonLength
	}
	return true
}

func (s *Scanner) deliver(text []byte, length, lines int64) {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	if s.next.Offset == 0 {
		text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	}
	s.line = Line{Text: text, Number: s.next.Line, Offset: s.next.Offset, Length: length}
	s.next.Offset += length
	s.next.Line += lines
}

// fill reads on, and tells whether there is anything to deliver.
func (s *Scanner) fill() bool {
	if s.readErr == nil {
		s.end = copy(s.buffer, s.buffer[s.start:s.end])
		s.start = 0
		var n int
		n, s.readErr = readFull(s.r, s.buffer[s.end:])
		s.end += n
	}
	return s.start < s.end
}

// readFull fills the buffer unless the stream ends or fails. Other than io.ReadFull it passes every error on as it
// is, so that a torn stream's io.ErrUnexpectedEOF cannot be taken for a short last read.
func readFull(r io.Reader, buffer []byte) (n int, err error) {
	for empty := 0; n < len(buffer) && err == nil; {
		var m int
		m, err = r.Read(buffer[n:])
		n += m
		if empty++; m > 0 {
			empty = 0
		}
		if empty == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// physicalLine is what decides whether a physical line is continued by the next one. It is built up from parts, because
// a line may be longer than any buffer.
type physicalLine struct {
	length    int64 // in bytes, without the LF
	tabs      int
	backslash bool // whether it ends in one, blanks aside
}

func (l *physicalLine) add(part []byte) {
	l.length += int64(len(part))
	if l.tabs <= maxContinuedTabs {
		l.tabs += bytes.Count(part, []byte{'\t'})
	}
	if n := trimRight(part); n > 0 {
		l.backslash = part[n-1] == '\\'
	}
}

func (l *physicalLine) continued() bool {
	return l.backslash && l.tabs <= maxContinuedTabs && l.length <= MaxLine
}

func endsInBackslash(line []byte) bool {
	n := trimRight(line)
	return n > 0 && line[n-1] == '\\'
}

// trimRight is the length of text without the blanks at its end.
func trimRight(text []byte) int {
	n := len(text)
	for n > 0 && isBlank[text[n-1]] {
		n--
	}
	return n
}

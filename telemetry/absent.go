package telemetry

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// isAbsent tells a bare token that languages print for no value, in any case.
func isAbsent(token []byte) bool {
	if len(token) < 2 || len(token) > len("undefined") {
		return false
	}
	var lower [len("undefined")]byte
	for i, c := range token {
		if c-'A' < 26 {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(token)]) {
	case "none", "null", "nil", "nan", "nat", "na", "n/a", "undefined", "<na>", "<nil>", "<null>", "<none>", "(null)",
		"(none)", "(nil)":
		return true
	}
	return false
}

// beginsAbsent: what a token that isAbsent begins with; most tokens need no further look.
var beginsAbsent = [256]bool{'n': true, 'N': true, 'u': true, 'U': true, '<': true, '(': true}

// defaultAbsent are the user and session ids that stand for none; the nil UUID in the ways in which it is printed.
var defaultAbsent = []string{"null", "none", "nil", "nan", "undefined", "<na>", "n/a",
	"00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}",
	"00000000000000000000000000000000"}

// placeholders are ids that stand for none.
type placeholders struct {
	begins, ends [256]bool // the first and the last byte of one of them, or of what may be a blank
	texts        [][]byte
}

func newPlaceholders(list []string) (p placeholders, err error) {
	for c := range p.begins {
		p.begins[c] = c <= ' ' || c >= utf8.RuneSelf
	}
	p.ends = p.begins
	for _, text := range list {
		if len(bytes.TrimSpace([]byte(text))) != len(text) || text == "" || len(text) > maxName ||
			!utf8.ValidString(text) {
			return p, fmt.Errorf("catalogue: absent: %q is no placeholder: it needs 1 to %d bytes of UTF-8, "+
				"without blanks around them "+
				"(what is nothing but blanks always is one)", text, maxName)
		}
		p.texts = append(p.texts, []byte(text))
		for _, cased := range [][]byte{bytes.ToLower([]byte(text)), bytes.ToUpper([]byte(text))} {
			p.begins[cased[0]], p.ends[cased[len(cased)-1]] = true, true
		}
	}
	return p, nil
}

// has tells whether an id, which is not empty, stands for none. Most are told by their first and last bytes.
func (p *placeholders) has(id []byte) bool {
	return p.begins[id[0]] && p.ends[id[len(id)-1]] && p.hasTrimmed(id)
}

func (p *placeholders) hasTrimmed(id []byte) bool {
	if id[0] <= ' ' || id[0] >= utf8.RuneSelf || id[len(id)-1] <= ' ' || id[len(id)-1] >= utf8.RuneSelf {
		if id = bytes.TrimSpace(id); len(id) == 0 {
			return true
		}
	}
	for _, text := range p.texts {
		last := len(text) - 1
		if last == len(id)-1 && text[last]|0x20 == id[last]|0x20 && bytes.EqualFold(text, id) {
			return true
		}
	}
	return false
}

// SessionOfService is what tells a session apart where sessions are told apart by service: service/session. It is
// unambiguous, since a slash in the service is written %2F, and a percent sign %25.
func SessionOfService(service, session []byte) []byte {
	return appendSessionOfService(nil, service, session)
}

func appendSessionOfService(out, service, session []byte) []byte {
	for _, c := range service {
		switch c {
		case '/':
			out = append(out, "%2F"...)
		case '%':
			out = append(out, "%25"...)
		default:
			out = append(out, c)
		}
	}
	return append(append(out, '/'), session...)
}

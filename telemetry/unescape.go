package telemetry

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescaped is the text of a scalar: as it stands, or else in the event's buffer. Only strings hold backslashes.
func (e *Event) unescaped(scalar []byte) []byte {
	if bytes.IndexByte(scalar, '\\') < 0 {
		return scalar
	}
	start := len(e.buffer)
	e.buffer = appendUnescaped(e.buffer, scalar)
	return e.buffer[start:len(e.buffer):len(e.buffer)]
}

// appendUnescaped never appends more bytes than text has, so an event's buffer is never longer than its line.
//
// The result is valid UTF-8 without NUL, whatever the escapes say: \x names a code point as in Python (\xe9 is é),
// and a NUL or half a surrogate pair becomes U+FFFD.
func appendUnescaped(out, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '\\')
		if n < 0 || n == len(text)-1 {
			return append(out, text...)
		}
		out = append(out, text[:n]...)
		text = text[n:]
		char, size := escaped(text)
		if size == 0 { // not an escape: both characters stay, as in Python
			out = append(out, '\\')
			text = text[1:]
			continue
		}
		out = utf8.AppendRune(out, char) // writes U+FFFD for what is not a character
		text = text[size:]
	}
}

// Unescape undoes the escapes in a text, as those of strings in bodies are. places are where each byte of the
// result, and its end, begin in the text. The result is shorter than a text with escapes.
func Unescape(text []byte) (plain []byte, places []int) {
	plain, places = make([]byte, 0, len(text)), make([]int, 0, len(text)+1)
	for at := 0; at < len(text); {
		char, size := rune(0), 0
		if text[at] == '\\' && at+1 < len(text) {
			char, size = escaped(text[at:])
		}
		if size == 0 {
			plain, size = append(plain, text[at]), 1
		} else {
			plain = utf8.AppendRune(plain, char)
		}
		for len(places) < len(plain) {
			places = append(places, at)
		}
		at += size
	}
	return plain, append(places, len(text))
}

// escaped reads the escape that a text of two bytes or more begins with; a size of 0: it is none.
func escaped(text []byte) (char rune, size int) {
	size = 2
	switch text[1] {
	case '\\', '\'', '"', '/':
		char = rune(text[1])
	case 'n':
		char = '\n'
	case 't':
		char = '\t'
	case 'r':
		char = '\r'
	case 'b':
		char = '\b'
	case 'f':
		char = '\f'
	case 'x':
		char, size = codePoint(text, 2)
	case 'u':
		char, size = codePoint(text, 4)
		if utf16.IsSurrogate(char) && len(text) > 7 && text[6] == '\\' && text[7] == 'u' {
			low, _ := codePoint(text[6:], 4)
			if pair := utf16.DecodeRune(char, low); pair != utf8.RuneError {
				char, size = pair, 12
			}
		}
	case 'U':
		char, size = codePoint(text, 8)
	default:
		return 0, 0
	}
	if char == 0 {
		char = utf8.RuneError
	}
	return char, size
}

// codePoint reads the hexadecimal digits of an escape such as \u00e9; the size of the whole escape is 0 if they are
// missing.
func codePoint(escape []byte, digits int) (char rune, size int) {
	size = 2 + digits
	if len(escape) < size {
		return 0, 0
	}
	var n uint32
	for _, c := range escape[2:size] {
		switch {
		case c-'0' <= 9:
			n = n<<4 | uint32(c-'0')
		case c|0x20-'a' <= 5:
			n = n<<4 | uint32(c|0x20-'a'+10)
		default:
			return 0, 0
		}
	}
	if n > utf8.MaxRune {
		return utf8.RuneError, size
	}
	return rune(n), size
}

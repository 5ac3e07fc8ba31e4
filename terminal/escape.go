// Package terminal is how commands write to people and programs. What they show comes from clients, files and
// servers, and may hold anything: it is written so that it stays on its row, and moves, colours and hides nothing.
package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape shows a value, such as a user's id. Different values look different: where a value has a backslash itself
// that could be taken for the beginning of an escape, it is doubled.
func Escape(value string) string { return escape(value, true) }

// Clean shows a text that was put together, such as an error, and may have escapes already.
func Clean(text string) string { return escape(text, false) }

func escape(text string, exact bool) string {
	if isPlain(text, exact) {
		return text
	}
	var shown strings.Builder
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		switch {
		case unseen(r, width):
			shown.WriteString(escapeOf(r, text[i], width))
		case r == '\\' && exact && likeEscape(text[i+1:]):
			shown.WriteString(`\\`)
		default:
			shown.WriteString(text[i : i+width])
		}
		i += width
	}
	return shown.String()
}

// isPlain is the quick answer for nearly every text.
func isPlain(text string, exact bool) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '\\' && exact {
			return false
		}
	}
	return true
}

// unseen tells of what leaves no mark of its own, or is no character: control characters, marks and overrides of
// direction, characters of no width, separators of lines, tags, selectors, what Unicode has not assigned, and bytes
// that are no UTF-8.
func unseen(r rune, width int) bool {
	return r == utf8.RuneError && width <= 1 || !unicode.IsGraphic(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func escapeOf(r rune, first byte, width int) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case width <= 1: // a control character of ASCII, or a byte that is no UTF-8
		return fmt.Sprintf(`\x%02x`, first)
	case r > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, r)
	default:
		return fmt.Sprintf(`\u%04x`, r)
	}
}

// likeEscape tells whether a backslash before the text would read as an escape.
func likeEscape(rest string) bool {
	if rest == "" {
		return false
	}
	r, width := utf8.DecodeRuneInString(rest)
	if unseen(r, width) {
		return true // it becomes another backslash
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[rest[0]]
	if digits == 0 {
		return strings.IndexByte(`\ntr`, rest[0]) >= 0
	}
	return len(rest) > digits && strings.Trim(rest[1:1+digits], "0123456789abcdef") == ""
}

// escapeJSON writes what leaves no mark in JSON's own escapes, which changes no value. encoding/json leaves it as it
// is.
func escapeJSON(text []byte) []byte {
	if bytes.IndexFunc(text, func(r rune) bool { return r > '~' }) < 0 {
		return text
	}
	escaped := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRune(text[i:])
		switch {
		case r <= '~' || !unseen(r, width):
			escaped = append(escaped, text[i:i+width]...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default: // a byte that is no UTF-8 is U+FFFD in JSON
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
		i += width
	}
	return escaped
}

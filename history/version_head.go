package history

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// head is what a version begins with.
type head struct {
	words []string // that decide its class; none: it is numbered
	epoch string   // digits before a colon
	rest  string   // from its first number on
}

// meaningless are words before a number that say no more than that a version follows.
var meaningless = map[string]bool{"v": true, "ver": true, "version": true, "rel": true, "release": true}

// parseHead reads a folded version of a service; false for a version without an order: it has no number, or is a
// hash or another id.
func parseHead(service, text string) (h head, ok bool) {
	text = dropName(fold(service), text)
	first := strings.IndexFunc(text, func(r rune) bool { return '0' <= r && r <= '9' })
	if first < 0 || isID(text, first) {
		return head{}, false
	}
	for at := 0; at < first; {
		n := letters(text[at:first])
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text[at:])
			at += n
			continue
		}
		if word := text[at : at+n]; !meaningless[word] {
			h.words = append(h.words, word)
		}
		at += n
	}
	if isNameOf(service, h.words) {
		h.words = nil
	}
	h.rest = text[first:]
	// Debian's and RPM's epochs, and Python's.
	if n := digits(h.rest); n+1 < len(h.rest) && (h.rest[n] == ':' || h.rest[n] == '!') && isDigit(h.rest[n+1]) {
		h.epoch, h.rest = h.rest[:n], h.rest[n+1:]
	}
	return h, true
}

// dropName takes the service's own name from the start of a version, where a number follows: names may have digits
// themselves.
func dropName(service, text string) string {
	rest, ok := strings.CutPrefix(text, service)
	if !ok || !strings.ContainsFunc(service, isLetter) || !strings.ContainsAny(rest, "0123456789") ||
		letters(rest) > 0 {
		return text
	}
	if isDigit(service[len(service)-1]) && (isDigit(rest[0]) || rest[0] == '.') {
		return text
	}
	return rest
}

// longestName bounds the names of services that are looked at in parts.
const longestName = 256

// isNameOf tells whether leading words name a service, or some of the words of its name that stand side by side:
// Photo Editor is com.example.photo-editor, and App is ClientApp.
func isNameOf(service string, leading []string) bool {
	name := strings.Join(leading, "")
	if name == "" || len(name) > len(service) || len(service) > longestName {
		return false
	}
	for parts := wordsOf(service); len(parts) > 0; parts = parts[1:] {
		rest, found := name, true
		for _, part := range parts {
			if rest, found = strings.CutPrefix(rest, part); !found || rest == "" {
				break
			}
		}
		if found && rest == "" {
			return true
		}
	}
	return false
}

// wordsOf are the words of a service's name, folded: a capital behind a small letter begins one.
func wordsOf(service string) (words []string) {
	start, small := 0, false
	for at, r := range service + " " {
		within := unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
		if start < at && (!within || small && unicode.IsUpper(r)) {
			words = append(words, fold(service[start:at]))
			start = at
		}
		if small = unicode.IsLower(r); !within {
			start = at + utf8.RuneLen(r)
		}
	}
	return words
}

// isID tells whether the text is an id rather than a version, by the letters and digits around its first digit: a
// hash, a UUID, or a mixture of letters and digits that no scheme of versions makes.
func isID(text string, first int) bool {
	start, end := wordAt(text, first)
	if isHash(text[start:end]) || isUUID(text[start:]) {
		return true
	}
	most := 2
	if start < first && !meaningless[text[start:first]] {
		most = 1
	}
	runs := 0 // of letters, behind the first number
	for rest := text[first:end]; ; runs++ {
		rest = rest[digits(rest):]
		n := letters(rest)
		if n == 0 {
			return runs > most
		}
		if most == 1 && n > 1 && rest[0] < utf8.RuneSelf && words[rest[:n]].kind == kindUnknown {
			return true // G991BXXU3AUE1
		}
		rest = rest[n:]
	}
}

// wordAt finds the word around a place.
func wordAt(text string, at int) (start, end int) {
	for end <= at {
		start = end
		n := word(text[start:])
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text[start:])
		}
		end = start + n
	}
	return start, end
}

// isHash tells whether a word is a hash, or git's g and one: seven hexadecimal digits or more, with a letter in
// them, that are no number with one letter at an end, nor a date with a pre-release.
func isHash(word string) bool {
	if rest, ok := strings.CutPrefix(word, "g"); ok {
		word = rest
	}
	if len(word) < 7 || strings.Trim(word, "0123456789abcdef") != "" {
		return false
	}
	n := digits(word)
	switch rest := word[n:]; {
	case rest == "", len(rest) == 1, n == 0 && digits(word[1:]) == len(word)-1:
		return false
	case n >= 8 && isDate(word[:8]) && slices.Contains([]byte("abc"), rest[0]) && digits(rest[1:]) == len(rest)-1:
		return false
	}
	return true
}

// isDate tells whether eight digits are a year, a month and a day.
func isDate(digits string) bool {
	year, month, day := digits[:4], digits[4:6], digits[6:]
	return "1970" <= year && year < "2200" && "01" <= month && month <= "12" && "01" <= day && day <= "31"
}

func isUUID(text string) bool {
	const hyphens = "        -    -    -    -            "
	if len(text) < len(hyphens) {
		return false
	}
	for i := range len(hyphens) {
		if hyphen := hyphens[i] == '-'; hyphen != (text[i] == '-') || !hyphen && !isDigit(text[i]) &&
			(text[i] < 'a' || text[i] > 'f') {
			return false
		}
	}
	return word(text[len(hyphens):]) == 0
}

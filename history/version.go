package history

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CompareVersions orders versions by their sort keys: negative when a is older than b. Only identical texts are equal.
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	return strings.Compare(SortKey(a), SortKey(b))
}

// SortKey gives a text whose bytewise order, which is that of SQL in Trino, is the order of the versions:
//
//   - what starts with a number, a "v" before it allowed, is ordered by its numbers, however many and however long;
//     missing ones count as zero;
//   - with equal numbers, a prerelease (1.2-rc.1, 1.2rc1, 1.2.rc1) comes before the release, and any other continuation
//     (1.8.0_292) after it; identifiers of a prerelease follow semver.org, rule 11;
//   - then comes the build (+7), numbers in it by value;
//   - texts that do not start with a number come first of all, numbers in them by value;
//   - the raw text breaks every tie, so 1.22.03 and 1.22.3 are neighbours but not equal.
//
// The key is printable, valid UTF-8, whatever the version is.
func SortKey(version string) string {
	key := make([]byte, 0, 32+2*len(version))
	key = appendParsed(key, strings.TrimSpace(version))
	key = append(key, ' ') // below every byte before it, so that a shorter key comes first
	return string(appendRaw(key, version))
}

// What follows the numbers of a version, in ascending order: all of it below the separator of numbers, so that 1.2-rc
// and 1.2_7 come before 1.2.1. A text that starts without a number starts with a byte below any number's.
const (
	markText       = '-'
	markPrerelease = '-'
	markRelease    = '.'
	markOther      = '/'
	nextNumber     = ':'
)

// Within a prerelease: the marks before its identifiers and between them, all below what identifiers are made of, and
// the end that comes before a build.
const (
	markBuild      = '"'
	markNumber     = '#'
	markIdentifier = '$'
	nextIdentifier = ','
)

func appendParsed(key []byte, text string) []byte {
	numbers := text
	if len(text) > 1 && (text[0] == 'v' || text[0] == 'V') {
		numbers = text[1:]
	}
	if digits(numbers) == 0 {
		return appendNatural(append(key, markText), text)
	}
	key, rest := appendNumbers(key, numbers)
	switch {
	case rest == "":
		return append(key, markRelease)
	case rest[0] == '+':
		return appendNatural(append(key, markRelease), rest[1:])
	case rest[0] == '-', rest[0] == '.' && len(rest) > 1 && isLetter(rest[1]):
		return appendPrerelease(append(key, markPrerelease), rest[1:])
	case isLetter(rest[0]):
		return appendPrerelease(append(key, markPrerelease), rest)
	}
	return appendNatural(append(key, markOther), rest)
}

// appendNumbers appends the numbers at the start of text, less the zeros that end them, and returns what follows.
func appendNumbers(key []byte, text string) (longer []byte, rest string) {
	significant := 0
	for first := true; ; first = false {
		n := digits(text)
		if !first {
			key = append(key, nextNumber)
		}
		key = appendNumber(key, text[:n])
		if first || strings.Trim(text[:n], "0") != "" {
			significant = len(key)
		}
		text = text[n:]
		if len(text) < 2 || text[0] != '.' || digits(text[1:]) == 0 {
			return key[:significant], text
		}
		text = text[1:]
	}
}

// appendNumber appends digits so that numbers of any length order by value: how many digits there are, as a letter (or
// as z and ten digits from 26 on), then the digits without leading zeros.
func appendNumber(key []byte, number string) []byte {
	number = strings.TrimLeft(number, "0")
	switch n := len(number); {
	case n == 0:
		return append(key, 'a', '0')
	case n < 26:
		key = append(key, 'a'+byte(n-1))
	default:
		key = fmt.Appendf(append(key, 'z'), "%010d", n)
	}
	return append(key, number...)
}

// appendPrerelease appends dot-separated identifiers as semver orders them: numbers by value and before the others, and
// of two lists the shorter first. A build may follow.
func appendPrerelease(key []byte, text string) []byte {
	text, build, hasBuild := strings.Cut(text, "+")
	for first := true; ; first = false {
		identifier, rest, more := strings.Cut(text, ".")
		if !first {
			key = append(key, nextIdentifier)
		}
		if n := digits(identifier); n > 0 && n == len(identifier) {
			key = appendNumber(append(key, markNumber), identifier)
		} else {
			key = appendText(append(key, markIdentifier), identifier)
		}
		if !more {
			break
		}
		text = rest
	}
	if hasBuild {
		key = appendNatural(append(key, markBuild), build)
	}
	return key
}

// appendNatural appends text so that the numbers in it order by value, at the place of digits among the characters.
func appendNatural(key []byte, text string) []byte {
	for text != "" {
		if n := digits(text); n > 0 {
			key = appendNumber(append(key, '0'), text[:n])
			text = text[n:]
			continue
		}
		n := strings.IndexAny(text, "0123456789")
		if n < 0 {
			n = len(text)
		}
		key = appendText(key, text[:n])
		text = text[n:]
	}
	return key
}

// appendText appends text; what does not print, and blanks, become "!". What is lost so, the raw text makes up for.
func appendText(key []byte, text string) []byte {
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			r = '!'
		}
		key = utf8.AppendRune(key, r)
	}
	return key
}

// appendRaw appends the text so that no two texts give the same bytes: what does not print, and "\", as \xNN.
func appendRaw(key []byte, text string) []byte {
	const hex = "0123456789abcdef"
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == '\\' || (r == utf8.RuneError && n == 1) || !unicode.IsGraphic(r) {
			for _, b := range []byte(text[:n]) {
				key = append(key, '\\', 'x', hex[b>>4], hex[b&15])
			}
		} else {
			key = append(key, text[:n]...)
		}
		text = text[n:]
	}
	return key
}

// digits counts the ASCII digits that text starts with.
func digits(text string) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

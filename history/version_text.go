package history

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts of versions, as they are read for their rank: folded.

// fold writes a text as it counts for the rank: digits of any script as ASCII's, letters small, full-width forms,
// blanks and dashes as ASCII's, nothing that does not print, no blanks around it.
func fold(text string) string {
	plain := true
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] > ' ' && text[i] < 0x7f && (text[i] < 'A' || text[i] > 'Z')
	}
	if plain {
		return text
	}
	folded := make([]byte, 0, len(text))
	for _, r := range text {
		if r = foldRune(r); r >= 0 {
			folded = utf8.AppendRune(folded, r)
		}
	}
	return strings.Trim(string(folded), " ")
}

// foldRune folds one character; below zero, it does not count. A byte that is no UTF-8 counts as a letter of its own.
func foldRune(r rune) rune {
	switch {
	case 'ａ' <= r && r <= 'ｚ', '！' <= r && r <= '～': // the full-width forms of ASCII
		r -= '！' - '!'
	case r == '٫', r == '。', r == '｡':
		return '.'
	case unicode.Is(unicode.Pd, r), r == '−':
		return '-'
	case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Cc, r), unicode.Is(unicode.Variation_Selector, r):
		return -1
	case r >= utf8.RuneSelf && unicode.Is(unicode.Nd, r):
		return '0' + digitOf(r)
	}
	return unicode.ToLower(r)
}

// digitOf is the value of a decimal digit: scripts have theirs in rows of ten, from 0 to 9 (TestDigitsComeInTens).
func digitOf(r rune) rune {
	for _, row := range unicode.Nd.R16 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return (r - rune(row.Lo)) % 10
		}
	}
	for _, row := range unicode.Nd.R32 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return (r - rune(row.Lo)) % 10
		}
	}
	return 0
}

func trimBlanks(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) })
}

// digits counts the ASCII digits that text starts with.
func digits(text string) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

// letters counts the bytes of the word that text starts with: letters, marks on them, and numerals that are no digits.
func letters(text string) int {
	for i, r := range text {
		if !isLetter(r) {
			return i
		}
	}
	return len(text)
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isLetter(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z'
	}
	return r == utf8.RuneError || unicode.In(r, unicode.L, unicode.M, unicode.Nl, unicode.No)
}

// word counts the bytes of the letters and digits that text starts with.
func word(text string) int {
	n := 0
	for n < len(text) {
		step := digits(text[n:])
		if step == 0 {
			step = letters(text[n:])
		}
		if step == 0 {
			break
		}
		n += step
	}
	return n
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

// appendRaw appends a text so that no two texts give the same bytes: what does not print, "\", and blanks where
// they are not allowed, as \xNN.
func appendRaw(key []byte, text string, noBlanks bool) []byte {
	const hex = "0123456789abcdef"
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == '\\' || (r == utf8.RuneError && n == 1) || !unicode.IsGraphic(r) || noBlanks && r == ' ' {
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

package forgotten

import (
	"cmp"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// Where ids of the forgotten stand in texts: rejects, bodies and attributes of others.

// mention finds the first id of a forgotten user, or of a session of theirs alone, in a text; only ids of so many
// bytes.
func (g *Guard) mention(text string, from, shortest int) (start, end int, found bool) {
	for start = from; start < len(text); start++ {
		if within := InWord(text, start); within {
			continue
		}
		for _, length := range g.Lengths {
			end = start + length
			if length < shortest {
				continue
			}
			if end > len(text) {
				break
			}
			if GoesOn(text, end) {
				continue
			}
			if is := g.Look(text[start:end]); g.counts(is.erasure) || is.Session != nil && !is.Session.Shared {
				return start, end, true
			}
		}
	}
	return 0, 0, false
}

func (g *Guard) Mentions(text string, shortest int) (found bool) {
	if g == nil {
		return false
	}
	EachPlain(text, func(plain string, _ []int) bool {
		_, _, found = g.mention(plain, 0, shortest)
		return !found
	})
	return found
}

// redacted stands where an id stood in a line of somebody else.
const redacted = "erased"

// Redact replaces the ids in a text; the text itself where there are none.
func (g *Guard) Redact(text string) string {
	if g == nil {
		return text
	}
	return g.redact(text, MentionLength)
}

// redact replaces the ids of so many bytes or more.
func (g *Guard) redact(text string, shortest int) string {
	var ids [][2]int
	EachPlain(text, func(plain string, places []int) bool {
		for start, end, found := g.mention(plain, 0, shortest); found; start, end, found = g.mention(plain, end,
			shortest) {
			if places == nil {
				ids = append(ids, [2]int{start, end})
			} else {
				ids = append(ids, [2]int{places[start], places[end]})
			}
		}
		return true
	})
	if len(ids) == 0 {
		return text
	}
	slices.SortFunc(ids, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	var out strings.Builder
	at := 0
	for _, id := range ids {
		if id[0] < at { // found with its escapes and without them
			continue
		}
		out.WriteString(text[at:id[0]])
		out.WriteString(redacted)
		at = id[1]
	}
	out.WriteString(text[at:])
	return out.String()
}

// unescapings bounds how often escapes are undone that may be escaped themselves, as JSON within a string is.
const unescapings = 8

// EachPlain hands out a text as it is, and without its escapes, as often as there are some: \u0070layer is player
// to whoever reads the body. An id may hold a backslash of its own, so that none of these will do alone. places are
// where the bytes of a text, and its end, lie in the first one; nil: it is that. Until each wants no more.
func EachPlain(text string, each func(plain string, places []int) (more bool)) {
	var places []int
	for level := 0; each(text, places) && level < unescapings && strings.IndexByte(text, '\\') >= 0; level++ {
		plain, at := telemetry.Unescape([]byte(text))
		if len(plain) == len(text) {
			return
		}
		for i := range at {
			if places != nil {
				at[i] = places[at[i]]
			}
		}
		text, places = objects.UnsafeString(plain), at
	}
}

// GoesOn tells whether a word goes on at a place, be it with an escape.
func GoesOn(text string, at int) bool {
	if InWord(text, at) {
		return true
	}
	if strings.IndexByte(text[at:min(at+2, len(text))], '\\') < 0 {
		return false
	}
	plain := ""
	EachPlain(text[at:min(at+LongestEscape, len(text))], func(so string, _ []int) bool { plain = so; return true })
	return at > 0 && InWord(text[at-1:at]+plain, 1)
}

// LongestEscape is about how long one character may be that is escaped some times.
const LongestEscape = 64

// InWord tells whether a place in a text, between two bytes, lies within one word. Dots, dashes and the like are
// part of a word that goes on behind them: p-1 does not mention p.
func InWord(text string, at int) bool {
	if at <= 0 || at >= len(text) {
		return false
	}
	before, after := text[at-1], text[at]
	switch {
	case isWord(before) && isWord(after):
		return true
	case isWord(before) && joins(after):
		return at+1 < len(text) && isWord(text[at+1])
	case joins(before) && isWord(after):
		return at >= 2 && isWord(text[at-2])
	}
	return false
}

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b >= 0x80
}

func joins(b byte) bool { return b == '-' || b == '.' || b == '@' || b == '+' }

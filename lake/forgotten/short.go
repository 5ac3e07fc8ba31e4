package forgotten

import (
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

// Ids of ShortMention bytes and more, but fewer than MentionLength, may be numbers or words that others' lines hold
// for another reason. They are taken out where they are all that a key holds which names users, and as words of
// what only people read; what silver reads stays as it is, so that nobody else's answers change.

// ShortMention is from how many bytes on that is done.
const ShortMention = 4

func (f *Set) short() bool {
	return slices.ContainsFunc(f.Lengths, func(n int) bool { return n >= ShortMention && n < MentionLength })
}

// RedactBody takes short ids out of the body of somebody else's line; the body itself where there are none.
func (g *Guard) RedactBody(parser *telemetry.Parser, body string) string {
	if g == nil || parser == nil || !g.short() {
		return body
	}
	var out []byte
	done := 0
	replace := func(from, to int, text string) {
		if text != body[from:to] {
			out = append(append(out, body[done:from]...), text...)
			done = to
		}
	}
	parser.EachText([]byte(body), func(from, to int, use telemetry.Use) {
		text := body[from:to]
		switch use {
		case telemetry.UseUser:
			if g.isShort(text) {
				replace(from, to, redacted)
			}
		case telemetry.UseFree:
			replace(from, to, g.redact(text, ShortMention))
		}
	})
	if done == 0 {
		return body
	}
	return string(append(out, body[done:]...))
}

// isShort tells whether a text is a short id, be it with escapes.
func (g *Guard) isShort(text string) (found bool) {
	EachPlain(text, func(plain string, _ []int) bool {
		if len(plain) >= ShortMention && len(plain) < MentionLength {
			is := g.Look(plain)
			found = g.counts(is.erasure) || is.Session != nil && !is.Session.Shared
		}
		return !found
	})
	return found
}

// redactMessage takes short ids out of a text that only people read.
func (g *Guard) redactMessage(text *string) (changed bool) {
	if g == nil || !g.short() {
		return false
	}
	clean := g.redact(*text, ShortMention)
	changed, *text = clean != *text, clean
	return changed
}

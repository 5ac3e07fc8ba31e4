package telemetry

import (
	"bytes"
	"math/bits"
)

// MaxNesting is how deep dicts and lists may nest in a body; the body itself is the first level.
const MaxNesting = 64

// parseBody reads the usual bodies (docs/EVENTS.md, Body): dicts and lists of strings and plain tokens, in one pass
// and without recursion, and keeps the top-level entries that the catalogue names. Reasons: ReasonNesting; ReasonBody,
// where parseLoose knows more.
//
//nolint:cyclop,funlen // every line goes through this loop: calls for its parts would cost the whole parser time
func (p *Parser) parseBody(b []byte, e *Event) Reason {
	if len(b) == 0 || b[0] != '{' {
		return ReasonBody
	}
	var (
		escapes = bytes.IndexByte(b, '\\') >= 0 // most bodies have none, and their strings end at the next quote
		depth   = 1
		lists   uint64      // bit d: level d+1 is a list, not a dict
		closer  = byte('}') // what ends the innermost level
		i       = 1
	)
members:
	for {
		if i = skipBlanks(b, i); i == len(b) {
			return ReasonBody
		}
		if b[i] != closer {
			place := uint8(unknownName)
			if closer == '}' {
				from, to, end := scalar(b, i, escapes)
				if end < 0 {
					return ReasonBody
				}
				switch {
				case depth > 1:
				case escapes:
					place = p.attributes.find(e.unescaped(b[from:to]))
				default:
					place = p.attributes.findIn(b, from, to)
				}
				if i = skipBlanks(b, end); i == len(b) || b[i] != ':' {
					return ReasonBody
				}
				if i = skipBlanks(b, i+1); i == len(b) {
					return ReasonBody
				}
			}
			if c := b[i]; c == '{' || c == '[' {
				if depth == MaxNesting {
					return ReasonNesting
				}
				e.set(place, nil)
				closer = c + 2 // in ASCII
				if c == '[' {
					lists |= 1 << depth
				}
				depth++
				i++
				continue members
			}
			from, to, end := scalar(b, i, escapes)
			if end < 0 {
				return ReasonBody
			}
			if place != unknownName {
				value := b[from:to]
				if from == i && beginsAbsent[b[i]] && isAbsent(value) { // a token
					value = nil
				} else if escapes {
					value = e.unescaped(value)
				}
				e.set(place, value)
			}
			i = end
		}
		for { // after a member: a comma, or the end of this level and perhaps of those around it
			if i = skipBlanks(b, i); i == len(b) {
				return ReasonBody
			}
			c := b[i]
			i++
			if c == ',' {
				continue members
			}
			if c != closer {
				return ReasonBody
			}
			if depth--; depth == 0 {
				if skipBlanks(b, i) < len(b) {
					return ReasonBody
				}
				return ""
			}
			lists &= 1<<depth - 1
			closer = '}'
			if lists>>(depth-1) != 0 {
				closer = ']'
			}
		}
	}
}

// scalar reads a string or a bare token that begins at b[i]. Its text, in a string still with escapes, is
// b[from:to], and it ends before b[end]. A negative end: there is none.
func scalar(b []byte, i int, escapes bool) (from, to, end int) {
	quote := b[i]
	if quote != '\'' && quote != '"' {
		return token(b, i)
	}
	from = i + 1
	if from+8 <= len(b) && !escapes {
		if found := matches(b[from:], quote); found != 0 { // most keys end here
			to = from + bits.TrailingZeros64(found)/8
			return from, to, to + 1
		}
	}
	for to = index(b, from, quote); to >= 0; to = index(b, to+1, quote) {
		if !escapes || !isEscaped(b[from:to]) {
			return from, to, to + 1
		}
	}
	return 0, 0, -1
}

// token reads a bare token. Blanks within it are part of it, those after it are not.
func token(b []byte, i int) (from, to, end int) {
	end = i
	for end < len(b) && !endsToken[b[end]] {
		end++
	}
	if end = i + trimRight(b[i:end]); end == i {
		return 0, 0, -1
	}
	return i, end, end
}

// isEscaped tells whether what follows the text is escaped: whether the text ends in an odd number of backslashes.
func isEscaped(text []byte) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// endsToken: what a plain token cannot hold. A backslash is among them so that tokens need no unescaping.
var endsToken = [256]bool{',': true, ':': true, '{': true, '}': true, '[': true, ']': true, '\'': true, '"': true,
	'\\': true,
	'(':  true, ')': true, '<': true}

func skipBlanks(b []byte, i int) int {
	if i < len(b) && b[i] == ' ' {
		i++
	}
	if i < len(b) && b[i] <= ' ' { // more than the usual one
		return skipMore(b, i)
	}
	return i
}

func skipMore(b []byte, i int) int {
	for i < len(b) && isBlank[b[i]] {
		i++
	}
	return i
}

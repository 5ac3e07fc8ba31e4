package telemetry

import "bytes"

// loose reads the bodies that parseBody gives up on, from their beginning: values as the printers of many languages
// write them (docs/EVENTS.md, Body). What stands in brackets is passed over, since no attribute is in there. It is
// slower, and as bounded: one pass, no recursion, no allocation but of the event's buffer.
type loose struct {
	e       *Event
	b       []byte
	i       int
	isKey   bool             // what is read stands before a colon
	closers [MaxNesting]byte // what ends each open bracket; the first is the body's own
	// A bracket in a token was never closed: from there on such brackets are letters, so that nothing is read again
	// and again.
	flatGroups, flatAngles bool
}

// parseLoose is parseBody for any body. Reasons: ReasonBody, ReasonNesting.
func (p *Parser) parseLoose(e *Event) Reason {
	e.present, e.buffer = 0, e.buffer[:0]
	body := e.Body
	if len(body) > 0 && body[0] != '{' {
		body = trim(e.unquotedBody(body))
		unquoted := len(e.buffer)
		if reason := p.parseBody(body, e); reason != ReasonBody {
			return reason
		}
		e.present, e.buffer = 0, e.buffer[:unquoted]
	}
	if len(body) == 0 || body[0] != '{' {
		return ReasonBody
	}
	l := loose{e: e, b: body, i: 1, closers: [MaxNesting]byte{'}'}}
	for l.next() != '}' {
		l.isKey = true
		key, reason := l.value()
		if reason != "" {
			return reason
		}
		if l.next() != ':' {
			return ReasonBody
		}
		l.i++
		l.next()
		l.isKey = false
		value, reason := l.value()
		if reason != "" {
			return reason
		}
		e.set(p.attributes.find(key), value)
		if l.next() != ',' {
			break
		}
		l.i++
	}
	if l.next() != '}' || skipBlanks(body, l.i+1) < len(body) {
		return ReasonBody
	}
	return ""
}

// next passes over blanks; 0: the body ends.
func (l *loose) next() byte {
	if l.i = skipBlanks(l.b, l.i); l.i == len(l.b) {
		return 0
	}
	return l.b[l.i]
}

// value reads a key or a value, and what its text is, if it has any.
func (l *loose) value() (text []byte, reason Reason) {
	if l.i == len(l.b) {
		return nil, ReasonBody
	}
	if text, end, raw := stringAt(l.b, l.i); end >= 0 {
		l.i = end
		return l.plain(text, raw), ""
	}
	if c := l.b[l.i]; c != '{' && c != '[' {
		return l.token()
	}
	end, _, reason := l.group()
	if end == 0 && reason == "" {
		reason = ReasonBody
	}
	l.i = end
	return nil, reason
}

// plain is the text of a string.
func (l *loose) plain(text []byte, raw bool) []byte {
	if raw {
		return text
	}
	return l.e.unescaped(text)
}

// stringAt reads the string that begins at b[i], perhaps with a prefix as Python has them. Its text is as written, raw
// says that backslashes mean nothing in it, and it ends before b[end]. A negative end: there is none.
func stringAt(b []byte, i int) (text []byte, end int, raw bool) {
	for n := 0; i < len(b) && n < 3; n++ {
		c := b[i]
		if c == '"' || c == '\'' {
			from, to, end := scalar(b, i, true)
			if end < 0 {
				break
			}
			return b[from:to], end, raw
		}
		if c |= 0x20; c != 'u' && c != 'b' && c != 'f' && c != 'r' {
			break
		}
		raw = raw || c == 'r'
		i++
	}
	return nil, -1, false
}

// token reads what stands without quotes. Brackets within it belong to it, with all that they hold.
func (l *loose) token() ([]byte, Reason) {
	start := l.i
	if reason := l.angles(); reason != "" {
		return nil, reason
	}
	group, groupEnd, parts := -1, -1, 0 // the last pair of parentheses, and what it holds
scan:
	for l.i < len(l.b) {
		switch c := l.b[l.i]; {
		case !endsToken[c], c == ':' && !l.isKey, c == '\\' && !l.isKey, c == ')', c == '<':
			l.i++
		case c == '(' || c == '[' || c == '{':
			end, members, reason := l.group()
			switch {
			case reason != "":
				return nil, reason
			case end > 0:
				group, groupEnd, parts = l.i, end, members
				l.i = end
			case c == '(': // it never closes, and is a letter
				l.i++
			default:
				return nil, ReasonBody
			}
		default:
			break scan
		}
	}
	text := l.b[start:l.i]
	text = text[:trimRight(text)]
	l.i = start + len(text)
	switch {
	case len(text) == 0:
		return nil, ReasonBody
	case isAbsent(text):
		return nil, ""
	case groupEnd == l.i && l.b[group] == '(':
		return l.call(text, start, group, parts), ""
	}
	return text, ""
}

// call is the value of a token that ends in parentheses: the one text that a call is given, nothing for a tuple, else
// the token's own text.
func (l *loose) call(text []byte, start, group, parts int) []byte {
	if group == start {
		if parts == 1 {
			return text // (1+2j) is no tuple
		}
		return nil
	}
	if parts != 1 || !isCallable(l.b[start:group]) {
		return text
	}
	argument := trim(l.b[group+1 : l.i-1])
	if isAbsent(argument) {
		return nil
	}
	inner, end, raw := stringAt(argument, 0)
	if end != len(argument) {
		return text
	}
	if inner = l.plain(inner, raw); isAbsent(inner) { // Decimal('NaN')
		return nil
	}
	return inner
}

// isCallable tells a name with dots, perhaps behind "new ".
func isCallable(text []byte) bool {
	text = trim(bytes.TrimPrefix(text, []byte("new ")))
	for _, c := range text {
		if !isNameByte(c) {
			return false
		}
	}
	return len(text) > 0
}

// group passes over the brackets that begin at b[i], with the strings and brackets in them: where they end, and how
// many members they have, one more than commas. An end of 0: they do not close. Reason: ReasonNesting.
//
//nolint:cyclop // most bytes change the depth, or whether all was blank: one machine, which reads best in one piece
func (l *loose) group() (end, members int, reason Reason) {
	if l.flatGroups {
		return 0, 0, ""
	}
	depth, blank := 1, true
	for i := l.i; i < len(l.b); i++ {
		c := l.b[i]
		switch c {
		case '(', '[', '{':
			if depth == MaxNesting {
				return 0, 0, ReasonNesting
			}
			blank = blank && depth == 1
			l.closers[depth] = c + 2 // in ASCII
			if c == '(' {
				l.closers[depth] = ')'
			}
			depth++
		case ')', ']', '}':
			for c != ')' && depth > 1 && l.closers[depth-1] == ')' {
				depth-- // it never closed, and was a letter
			}
			if c == ')' && depth > 1 && l.closers[depth-1] != ')' {
				blank = false // it never opened
				continue
			}
			if depth == 1 || c != l.closers[depth-1] {
				l.flatGroups = true
				return 0, 0, ""
			}
			if depth--; depth > 1 {
				continue
			}
			if !blank {
				members++
			}
			return i + 1, members, ""
		case '"', '\'':
			_, _, next := scalar(l.b, i, true)
			if next < 0 {
				l.flatGroups = true
				return 0, 0, ""
			}
			i, blank = next-1, false
		case ',':
			if depth == 2 {
				members++
			}
		default:
			blank = blank && isBlank[c]
		}
	}
	l.flatGroups = true
	return 0, 0, ""
}

// angles passes over what a token begins with, if that is something in angle brackets as many languages print what is
// no plain value: <NA>, <Color.RED: 1>, <function <lambda> at 0x7f>. They end where the token does.
func (l *loose) angles() Reason {
	if l.flatAngles || l.b[l.i] != '<' {
		return ""
	}
	depth := 1
	for i := l.i; i+1 < len(l.b); i++ {
		switch c := l.b[i]; {
		case c == '<' && isLetter(l.b[i+1]):
			if depth == MaxNesting {
				return ReasonNesting
			}
			depth++
		case c == '>' && depth > 1 && l.b[i-1] != '-' && l.b[i-1] != '=':
			next := skipBlanks(l.b, i+1)
			if depth == 2 && (next == len(l.b) || l.b[next] == ',' || l.b[next] == '}' || l.isKey && l.b[next] == ':') {
				l.i = i + 1
				return ""
			}
			depth = max(depth-1, 2) // what goes on was no end
		case i == l.i: // <5 is a number
			return ""
		}
	}
	l.flatAngles = true
	return ""
}

func isLetter(c byte) bool { return c|0x20-'a' <= 25 || c == '_' || c >= 0x80 }

func isNameByte(c byte) bool { return isLetter(c) || c-'0' <= 9 || c == '.' || c == '$' }

// unquotedBody is the text of a body that is a string: quoted as CSV quotes, the quotes in it doubled; or as a
// language quotes the text of a dict, with escapes. Nil: it is no string.
func (e *Event) unquotedBody(body []byte) []byte {
	if quote, last := body[0], len(body)-1; last > 0 && body[last] == quote && (quote == '"' || quote == '\'') {
		inner := body[1:last]
		doubled := bytes.Count(inner, []byte{quote, quote})
		if (doubled > 0 || quote == '"') && bytes.Count(inner, []byte{quote}) == 2*doubled {
			e.buffer = appendUndoubled(e.buffer, inner, quote)
			return e.buffer
		}
	}
	text, end, raw := stringAt(body, 0)
	if end != len(body) {
		return nil
	}
	if raw {
		return text
	}
	return e.unescaped(text)
}

// appendUndoubled appends a text in which each quote stands twice.
func appendUndoubled(out, text []byte, quote byte) []byte {
	for {
		n := bytes.IndexByte(text, quote)
		if n < 0 {
			return append(out, text...)
		}
		out = append(out, text[:n+1]...)
		text = text[n+2:]
	}
}

package telemetry

// Use is what becomes of a text in a body.
type Use byte

const (
	UseRead Use = iota // silver reads it, or may: an attribute's value
	UseUser            // the value of a key that names users, at whatever depth
	UseFree            // nobody reads it but people: a message, and what the catalogue does not name
)

// EachText hands out the texts of a body, values and not keys, in their order: body[from:to], still with escapes. It
// also goes through what is no body, as far as there are texts.
func (p *Parser) EachText(body []byte, each func(from, to int, use Use)) {
	type level struct {
		dict bool
		use  Use // of the members of a list
	}
	levels := []level{}
	use, isKey := UseFree, false
	member := func() { // what comes is a new member of the innermost level
		use, isKey = UseFree, true
		if last := len(levels) - 1; last >= 0 && !levels[last].dict {
			use, isKey = levels[last].use, false
		}
	}
	for i := 0; i < len(body); {
		switch c := body[i]; {
		case isBlank[c]:
			i++
		case c == '{' || c == '[':
			inner := UseFree
			if use == UseUser {
				inner = UseUser
			}
			levels = append(levels, level{c == '{', inner})
			member()
			i++
		case c == '}' || c == ']':
			levels = levels[:max(len(levels)-1, 0)]
			isKey = false
			i++
		case c == ',':
			member()
			i++
		case c == ':':
			isKey = false
			i++
		default:
			from, to, end := scalar(body, i, true)
			if end < 0 {
				i++
				continue
			}
			next := skipBlanks(body, end)
			if isKey && next < len(body) && body[next] == ':' {
				use = p.useOf(body[from:to], len(levels))
			} else {
				each(from, to, use)
			}
			isKey = false
			i = end
		}
	}
}

// useOf is the use of what a key holds.
func (p *Parser) useOf(key []byte, depth int) Use {
	key, _ = Unescape(key)
	place := p.attributes.find(key)
	switch {
	case place == unknownName:
		return UseFree
	case p.users>>place&1 != 0:
		return UseUser
	case depth > 1, p.attributeAt(place) == AttributeMessage:
		return UseFree
	}
	return UseRead
}

// attributeAt is whose name has a place.
func (p *Parser) attributeAt(place uint8) Attribute {
	for _, further := range p.further {
		if further.place == place {
			return Attribute(further.attribute)
		}
	}
	return Attribute(place)
}

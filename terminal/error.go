package terminal

import "strings"

// Error is the text of an error as one line, shown by Clean. Errors that were joined, a line each, follow one another.
func Error(err error) string { return Clean(inline(err)) }

func inline(err error) string {
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return text
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if part := err.Unwrap(); part != nil {
			indented := "\n\t" + strings.ReplaceAll(part.Error(), "\n", "\n\t") // as Postgres' driver does
			return replace(replace(text, indented, " "+inline(part)), part.Error(), inline(part))
		}
	case interface{ Unwrap() []error }:
		var raw, shown []string
		for _, part := range err.Unwrap() {
			raw, shown = append(raw, part.Error()), append(shown, inline(part))
		}
		if text == strings.Join(raw, "\n") {
			return strings.Join(shown, "; ")
		}
		for i := range raw {
			text = replace(text, raw[i], shown[i])
		}
	}
	return text
}

func replace(text, part, by string) string {
	if part == by {
		return text
	}
	return strings.ReplaceAll(text, part, by)
}

package terminal

import (
	"slices"
	"strings"
)

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
			raw = append(raw, part.Error())
			if text := inline(part); !slices.Contains(shown, text) { // several tries may have failed alike
				shown = append(shown, text)
			}
		}
		if text == strings.Join(raw, "\n") {
			return strings.Join(shown, "; ")
		}
		for _, part := range err.Unwrap() {
			text = replace(text, part.Error(), inline(part))
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

package checks

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// userOfURL finds who logs in where, in a URL.
var userOfURL = regexp.MustCompile(`//[^/@\s]+@`)

const (
	// mostSubjects are named; the last ones, which are the newest hours.
	mostSubjects = 50
	// longestSubject is in characters: versions and devices are as long as a client likes.
	longestSubject = 80
	longestText    = 600
)

// Cut shortens a text to so many characters, and says so.
func Cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// named lists the first of some things, and says how many more there are.
func named(things []string) string {
	const first = 5
	if more := len(things) - first; more > 0 {
		return strings.Join(things[:first], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(things, ", ")
}

func since(now, then time.Time) float64 { return max(now.Sub(then).Hours(), 0) }

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNoHours: not one folder of the source is that of an hour. Nothing must be concluded from such a source: it may
// be the wrong folder, or laid out in another way.
var ErrNoHours = errors.New("the source has no folder of an hour")

const (
	// A look around a source lists at most so many folders, so deep, and of each at most so many names.
	lookedAt   = 60
	lookedDeep = 9
	lookedLong = 1000
	// namesTold is how many names a message tells.
	namesTold = 5
)

// lookout looks for folders of hours, whatever they are called.
type lookout struct {
	tree    tree
	layouts []Layout
	listed  int
}

// guess is a layout that some folders seem to have, with one of them.
type guess struct {
	layout, example string
}

// checkHours returns an ErrNoHours where no folder is that of an hour.
func (l *lookout) checkHours(ctx context.Context) error {
	var stuck node
	var refused error
	for _, layout := range l.layouts {
		found, err := l.any(ctx, layout, node{at: unknown}, 0, &stuck)
		if found || ctx.Err() != nil {
			return ctx.Err()
		}
		refused = errors.Join(refused, err)
	}
	if refused != nil {
		return refused
	}
	return l.explain(ctx, stuck.folder)
}

// any tells whether there is a folder of an hour below, and in which folder the search got deepest.
func (l *lookout) any(ctx context.Context, layout Layout, at node, depth int, stuck *node) (bool, error) {
	if depth == len(layout.segments) {
		return true, nil
	}
	if strings.Count(at.folder, "/") > strings.Count(stuck.folder, "/") || stuck.folder == "" {
		*stuck = at
	}
	segment := layout.segments[depth]
	names, err := l.tree.names(ctx, at.folder, segment.prefix(), 0)
	if err != nil {
		return false, err
	}
	var refused error
	for _, name := range slices.Backward(names) {
		date, matches := segment.match(name.text, at.at)
		if !matches || !name.folder {
			continue
		}
		found, err := l.any(ctx, layout, node{folder: path.Join(at.folder, name.text), at: date}, depth+1, stuck)
		if found || ctx.Err() != nil {
			return found, ctx.Err()
		}
		refused = errors.Join(refused, err)
	}
	return false, refused
}

// explain says what lies in the source instead of hours, and which setting reads it.
func (l *lookout) explain(ctx context.Context, stuck string) error {
	names, err := l.tree.names(ctx, stuck, "", lookedLong)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n name) bool { return isIgnored(n.text) })
	if len(names) == 0 && stuck != "" {
		stuck = ""
		if names, err = l.tree.names(ctx, "", "", lookedLong); err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(n name) bool { return isIgnored(n.text) })
	}
	where, what := l.tree.String(), "nothing"
	if stuck != "" {
		where += ", in " + stuck + ","
	}
	if len(names) > 0 {
		what = told(names)
	}
	text := fmt.Sprintf("%s holds %s; looked for %s", where, what, l.flags())
	if hints := l.hints(ctx); len(hints) > 0 {
		return fmt.Errorf("%w: %s. %s", ErrNoHours, text, strings.Join(hints, ". Or: "))
	}
	return fmt.Errorf(
		"%w: %s. Name the folder that holds the hours with --source, or how they are laid out with --layout",
		ErrNoHours, text)
}

// told names the first names.
func told(names []name) string {
	var words []string
	for _, name := range names[:min(namesTold, len(names))] {
		word := printable(name.text)
		if name.folder {
			word += "/"
		}
		words = append(words, word)
	}
	if more := len(names) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

func (l *lookout) flags() string {
	var words []string
	for _, layout := range l.layouts {
		words = append(words, "--layout '"+layout.text+"'")
	}
	return strings.Join(words, " ")
}

// hints are settings that read what looks like hours and is not read.
func (l *lookout) hints(ctx context.Context) (hints []string) {
	location := strings.TrimSuffix(l.tree.String(), "/")
	for _, g := range l.look(ctx, "", theYear) {
		prefix, isBelow := "", false
		for _, layout := range l.layouts {
			if before, found := strings.CutSuffix(g.layout, "/"+layout.text); found && !strings.Contains(before, "{") {
				prefix, isBelow = before, true
			}
		}
		hint := fmt.Sprintf("%s looks like the folder of an hour: read it with --layout '%s'", printable(g.example),
			g.layout)
		if isBelow {
			hint += fmt.Sprintf(", or with --source '%s/%s'", location, prefix)
		}
		hints = append(hints, hint)
	}
	if len(hints) > 0 {
		return hints
	}
	// One level too low: what the location ends in is the first part of the date.
	parts := strings.Split(location, "/")
	for up := 1; up <= 4 && up < len(parts); up++ {
		above, next := "", theYear
		for i, part := range parts[len(parts)-up:] {
			text, after := guessed(part, next)
			if i == 0 && after == next {
				break // the date does not begin here
			}
			above, next = path.Join(above, text), after
		}
		if next == theYear {
			continue
		}
		for _, g := range l.look(ctx, above, next) {
			whole := strings.Join(parts[:len(parts)-up], "/")
			hint := fmt.Sprintf("the source seems to be a part of a tree of hours: read all of it with --source '%s'",
				whole)
			if !l.covers(g) {
				hint += fmt.Sprintf(" --layout '%s'", g.layout)
			}
			hints = append(hints, hint)
		}
		if len(hints) > 0 {
			return hints[:1]
		}
	}
	return nil
}

func (l *lookout) covers(g guess) bool {
	return slices.ContainsFunc(l.layouts,
		func(layout Layout) bool { return layout.text == g.layout || layout.names(g.example) })
}

// addTo adds a guess whose layout can be read, and is none of the others'.
func (g guess) addTo(guesses []guess) []guess {
	known := slices.ContainsFunc(guesses, func(other guess) bool { return other.layout == g.layout })
	if _, err := ParseLayout(g.layout); err != nil || known {
		return guesses
	}
	return append(guesses, g)
}

// looking is a folder on the way, and what its path says of a layout.
type looking struct {
	folder, layout string
	next           field
	depth          int
}

// look goes down from the root, where the layout so far is given, and finds other layouts of hours than those that
// are read.
func (l *lookout) look(ctx context.Context, layout string, next field) (guesses []guess) {
	if next == complete {
		return []guess{{layout: layout}}
	}
	queue := []looking{{layout: layout, next: next}}
	for l.listed = 0; len(queue) > 0 && l.listed < lookedAt; l.listed++ {
		at := queue[0]
		queue = queue[1:]
		names, err := l.tree.names(ctx, at.folder, "", lookedLong)
		if err != nil {
			continue // it only informs
		}
		dated, plain := map[string]bool{}, 0
		for _, name := range slices.Backward(names) {
			if !name.folder || isIgnored(name.text) {
				continue
			}
			text, after := guessed(name.text, at.next)
			child := looking{path.Join(at.folder, name.text), path.Join(at.layout, text), after, at.depth + 1}
			switch {
			case after == at.next: // no part of the date
				if plain++; plain > 4 {
					continue
				}
			case dated[text]: // one of its like is enough
				continue
			default:
				dated[text] = true
			}
			g := guess{child.layout, child.folder}
			switch {
			case after != complete && child.depth < lookedDeep:
				queue = append(queue, child)
			case after == complete && (layout != "" || !l.covers(g)):
				guesses = g.addTo(guesses)
			}
		}
	}
	slices.SortFunc(guesses, func(a, b guess) int { return strings.Compare(a.layout, b.layout) })
	return guesses[:min(len(guesses), 3)]
}

var digits = regexp.MustCompile(`[A-Za-z]*[=_-]?[0-9]+`)

// guessed puts placeholders in the place of numbers that may be the next parts of a date.
func guessed(name string, next field) (text string, after field) {
	text = digits.ReplaceAllStringFunc(name, func(match string) string {
		at := strings.IndexFunc(match, func(c rune) bool { return c >= '0' && c <= '9' })
		key, number := strings.ToLower(strings.TrimRight(match[:at], "=_-")), match[at:]
		widths := map[field]string{theYear: "{YYYY}", theMonth: "{MM}", theDay: "{DD}", theHour: "{HH}"}
		replaced, what := "", next
		for ; number != "" && what != complete; what++ {
			width := 2
			if what == theYear {
				width = 4
			} else if len(number) == 1 && replaced == "" {
				width = 1
			}
			if len(number) < width || !plausible(what, number[:width]) {
				return match
			}
			replaced, number = replaced+widths[what], number[width:]
		}
		initial := map[field]string{theMonth: "m", theDay: "d", theHour: "ht"}[next]
		if number != "" || replaced == "" || next != theYear && key != "" && !strings.Contains(initial, key[:1]) {
			return match
		}
		next = what
		return match[:at] + replaced
	})
	return text, next
}

func plausible(what field, text string) bool {
	limits := map[field][2]int{theYear: {1970, 2200}, theMonth: {1, 12}, theDay: {1, 31}, theHour: {0, 23}}[what]
	number, err := strconv.Atoi(text)
	return err == nil && limits[0] <= number && number <= limits[1]
}

// strays are hints about folders that look like hours and that no layout names.
func (l *lookout) strays(ctx context.Context) (hints []string) {
	for _, g := range l.look(ctx, "", theYear) {
		hints = append(hints, fmt.Sprintf("%s looks like the folder of an hour and is not read; to read such "+
			"folders, too: %s --layout '%s'",
			printable(g.example), l.flags(), g.layout))
	}
	return hints
}

package source

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// DefaultLayout is where hours lie unless a setting names other folders.
const DefaultLayout = "{YYYY}/{MM}/{DD}/{HH}"

// Layout names the folders of hours, below the source's root: year={YYYY}/month={MM}/day={DD}/hour={HH}. A number
// may be written with or without a zero in front, but not beside another number, where only its width tells where
// it ends.
type Layout struct {
	text     string
	segments []segment
}

// segment is one level of folders.
type segment []part

// part is a number of the date, or else a literal text.
type part struct {
	field   field
	literal string
	fixed   bool // of its full width only
}

type field int

const (
	theYear field = iota + 1
	theMonth
	theDay
	theHour
	complete // one after the last
)

var placeholders = map[string]field{"{YYYY}": theYear, "{MM}": theMonth, "{DD}": theDay, "{HH}": theHour}

// date is what is known of an hour; -1 is not known yet.
type date [complete]int

var unknown = date{-1, -1, -1, -1, -1}

// ParseLayout reads a layout. Errors: ErrConfig.
func ParseLayout(text string) (Layout, error) {
	layout := Layout{text: strings.Trim(text, "/")}
	refuse := func(why string) (Layout, error) {
		return Layout{}, faultf(ErrConfig, nil, "the layout %q %s; write it as %s or "+
			"year={YYYY}/month={MM}/day={DD}/hour={HH}", text, why, DefaultLayout)
	}
	if !fs.ValidPath(layout.text) || layout.text == "." || strings.ContainsRune(layout.text, 0) {
		return refuse("is not the path of a folder")
	}
	seen := map[field]bool{}
	for _, name := range strings.Split(layout.text, "/") {
		var parts segment
		for rest := name; rest != ""; {
			open := strings.IndexByte(rest, '{')
			if open != 0 {
				literal := rest
				if open > 0 {
					literal = rest[:open]
				}
				parts, rest = append(parts, part{literal: literal}), rest[len(literal):]
				continue
			}
			placeholder := rest[:strings.IndexByte(rest, '}')+1]
			what, known := placeholders[placeholder]
			switch {
			case !known:
				return refuse("has a { that begins none of {YYYY}, {MM}, {DD}, {HH}")
			case seen[what]:
				return refuse("has " + placeholder + " twice")
			}
			seen[what] = true
			parts, rest = append(parts, part{field: what}), rest[len(placeholder):]
		}
		parts.fix()
		layout.segments = append(layout.segments, parts)
	}
	for _, placeholder := range []string{"{YYYY}", "{MM}", "{DD}", "{HH}"} {
		if !seen[placeholders[placeholder]] {
			return refuse("has no " + placeholder + ", and a folder holds one hour")
		}
	}
	return layout, nil
}

// fix marks the numbers whose end only their width tells.
func (s segment) fix() {
	for i := range s {
		before := i > 0 && s[i-1].field != 0
		after := i+1 < len(s) && (s[i+1].field != 0 || isDigit(s[i+1].literal[0]))
		s[i].fixed = s[i].field == theYear || before || after
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (l Layout) String() string { return l.text }

// match reads a folder's name, and adds what it says to what is known of the date.
func (s segment) match(name string, at date) (date, bool) {
	for _, part := range s {
		if part.field == 0 {
			var found bool
			if name, found = strings.CutPrefix(name, part.literal); !found {
				return at, false
			}
			continue
		}
		width, most := 0, 2
		if part.field == theYear {
			most = 4
		}
		for width < min(most, len(name)) && isDigit(name[width]) {
			width++
		}
		if width == 0 || part.fixed && width != most {
			return at, false
		}
		at[part.field], _ = strconv.Atoi(name[:width])
		name = name[width:]
	}
	return at, name == "" && at.possible()
}

// possible tells whether there is such a date, as far as it is known.
func (d date) possible() bool {
	for what, limits := range map[field][2]int{theYear: {1, 9999}, theMonth: {1, 12}, theDay: {1, 31},
		theHour: {0, 23}} {
		if d[what] != -1 && (d[what] < limits[0] || d[what] > limits[1]) {
			return false
		}
	}
	if d[theYear] == -1 || d[theMonth] == -1 || d[theDay] == -1 {
		return true
	}
	return time.Date(d[theYear], time.Month(d[theMonth]), d[theDay], 0, 0, 0, 0, time.UTC).Day() == d[theDay]
}

// span is the time that a folder stands for, [from, to); false where the date does not tell.
func (d date) span() (from, to telemetry.Hour, known bool) {
	begin := func(year, month, day, hour int) telemetry.Hour {
		return telemetry.HourOf(time.Date(year, time.Month(month), day, hour, 0, 0, 0, time.UTC))
	}
	switch {
	case d[theYear] == -1:
		return 0, 0, false
	case d[theMonth] == -1:
		return begin(d[theYear], 1, 1, 0), begin(d[theYear]+1, 1, 1, 0), true
	case d[theDay] == -1:
		return begin(d[theYear], d[theMonth], 1, 0), begin(d[theYear], d[theMonth]+1, 1, 0), true
	case d[theHour] == -1:
		return begin(d[theYear], d[theMonth], d[theDay], 0), begin(d[theYear], d[theMonth], d[theDay]+1, 0), true
	}
	from = begin(d[theYear], d[theMonth], d[theDay], d[theHour])
	return from, from + 1, true
}

func (d date) touches(from, to telemetry.Hour) bool {
	first, end, known := d.span()
	return !known || first < to && end > from
}

func dateOf(h telemetry.Hour) date {
	start := h.Start()
	return date{-1, start.Year(), int(start.Month()), start.Day(), start.Hour()}
}

// last is the place of the segment with the last number; behind it the layout names one folder only.
func (l Layout) last() int {
	for i := len(l.segments) - 1; ; i-- {
		if slices.ContainsFunc(l.segments[i], func(p part) bool { return p.field != 0 }) {
			return i
		}
	}
}

// rest is the path behind the segment with the last number, "" or beginning with "/".
func (l Layout) rest() string {
	text := ""
	for _, segment := range l.segments[l.last()+1:] {
		text += "/" + segment[0].literal
	}
	return text
}

// stems are all ways to write the hour's path up to, but without, the last number.
func (l Layout) stems(h telemetry.Hour) []string {
	at, stems := dateOf(h), []string{""}
	last := l.last()
	for i, segment := range l.segments[:last+1] {
		if i > 0 {
			stems = each(stems, "/")
		}
		for j, piece := range segment {
			switch {
			case piece.field == 0:
				stems = each(stems, piece.literal)
			case i == last && !slices.ContainsFunc(segment[j+1:], func(p part) bool { return p.field != 0 }):
				return stems
			case piece.field == theYear:
				stems = each(stems, fmt.Sprintf("%04d", at[theYear]))
			case piece.fixed || at[piece.field] > 9:
				stems = each(stems, fmt.Sprintf("%02d", at[piece.field]))
			default:
				number := at[piece.field]
				stems = append(each(stems, fmt.Sprintf("%02d", number)), each(stems, strconv.Itoa(number))...)
			}
		}
	}
	return stems
}

func each(stems []string, suffix string) (longer []string) {
	for _, stem := range stems {
		longer = append(longer, stem+suffix)
	}
	return longer
}

// names tells whether the path is that of an hour's folder.
func (l Layout) names(folder string) bool {
	parts := strings.Split(folder, "/")
	if len(parts) != len(l.segments) {
		return false
	}
	at, matches := unknown, true
	for i, segment := range l.segments {
		if at, matches = segment.match(parts[i], at); !matches {
			return false
		}
	}
	return true
}

// prefix is the literal text that every name of the segment begins with.
func (s segment) prefix() string { return s[0].literal }

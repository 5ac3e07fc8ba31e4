package sessions

import (
	"cmp"
	"slices"
	"sort"

	"github.com/versionlake/versionlake/history"
)

// Spans are ranges of event times, in order and apart.
type Spans []Span

// SpansOf joins what meets.
func SpansOf(all ...Span) (joined Spans) {
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.Low, b.Low) })
	for _, span := range all {
		if n := len(joined); n > 0 && span.Low <= joined[n-1].High {
			joined[n-1].High = max(joined[n-1].High, span.High)
			continue
		}
		joined = append(joined, span)
	}
	return joined
}

// At are spans of single moments.
func At(moments []int64) Spans {
	all := make([]Span, len(moments))
	for i, at := range moments {
		all[i] = Span{at, at}
	}
	return SpansOf(all...)
}

// Has tells whether a moment is in one of the spans.
func (s Spans) Has(at int64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].High >= at })
	return i < len(s) && s[i].Low <= at
}

// Meets tells whether a span has a moment in common with these.
func (s Spans) Meets(with Span) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].High >= with.Low })
	return i < len(s) && s[i].Low <= with.High
}

// reached is for when something else may hold, where facts came or went in the spans: from the last fact before
// them that counts for what is before it, to the next that counts for what is after it, no further than facts
// reach.
func (s Spans) reached(before, after []int64) Spans {
	return s.widened(before, after, func(at int64) int {
		i, _ := slices.BinarySearch(before, at)
		return i - 1
	})
}

// around has the facts by which everything in the spans is told: also the last at or before them, and the next.
func (s Spans) around(before, after []int64) Spans {
	return s.widened(before, after, func(at int64) int {
		return sort.Search(len(before), func(i int) bool { return before[i] > at }) - 1
	})
}

func (s Spans) widened(before, after []int64, last func(int64) int) Spans {
	window := history.DefaultWindow.Microseconds()
	wide := make([]Span, len(s))
	for i, span := range s {
		low, high := SaturatingAdd(span.Low, -window), SaturatingAdd(span.High, window)
		if at := last(span.Low); at >= 0 {
			low = max(low, before[at])
		}
		if at := sort.Search(len(after), func(i int) bool { return after[i] > span.High }); at < len(after) {
			high = min(high, after[at])
		}
		wide[i] = Span{low, high}
	}
	return SpansOf(wide...)
}

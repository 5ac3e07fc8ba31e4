package published

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"
)

// spans are numbers, of days or of months since 1970, as runs from the first to the last, in order: "19139..19204".
type spans [][2]int32

func parseSpans(loaded *table.Table, property string) (s spans, err error) {
	text := loaded.Properties()[property]
	for field := range strings.FieldsSeq(text) {
		from, to, _ := strings.Cut(field, "..")
		first, err1 := strconv.ParseInt(from, 10, 32)
		last, err2 := strconv.ParseInt(to, 10, 32)
		if err1 != nil || err2 != nil || first > last {
			return nil, fmt.Errorf(
				"the property %s of ops.published holds %q and not runs such as 19139..19204: set it "+
					"right in the catalog", property, text)
		}
		s = append(s, [2]int32{int32(first), int32(last)})
	}
	return s, nil
}

func (s spans) String() string {
	texts := make([]string, len(s))
	for i, span := range s {
		texts[i] = fmt.Sprintf("%d..%d", span[0], span[1])
	}
	return strings.Join(texts, " ")
}

func (s spans) has(n int32) bool {
	return slices.ContainsFunc(s, func(span [2]int32) bool { return span[0] <= n && n <= span[1] })
}

func (s spans) last() (n int32, any bool) {
	if len(s) == 0 {
		return 0, false
	}
	return s[len(s)-1][1], true
}

// with are the numbers and more of them.
func (s spans) with(more []int32) spans {
	all := slices.Clone(s)
	for _, n := range more {
		all = append(all, [2]int32{n, n})
	}
	slices.SortFunc(all, func(a, b [2]int32) int { return int(a[0]) - int(b[0]) })
	var joined spans
	for _, span := range all {
		if last := len(joined) - 1; last >= 0 && span[0] <= joined[last][1]+1 {
			joined[last][1] = max(joined[last][1], span[1])
		} else {
			joined = append(joined, span)
		}
	}
	return joined
}

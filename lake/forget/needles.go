package forget

import (
	"context"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
)

// Needles are the ids that must not be found. Those shorter than MentionLength are found in every haystack: they
// count only where they are all of an id's column, or a word of a reject.
type Needles struct {
	Long    map[string]bool
	Short   map[string]bool
	lengths []int
	begin   [1 << 16]bool // by a hash of the first eight bytes
}

func needles(ctx context.Context, l *lake.Lake, erasure string) (*Needles, error) {
	parties, err := readSubjects(ctx, l, erasure)
	if err != nil {
		return nil, err
	}
	known, err := forgotten.Load(ctx, l)
	if err != nil {
		return nil, err
	}
	n := &Needles{Long: map[string]bool{}, Short: map[string]bool{}}
	guard := known.Guard()
	for _, party := range parties {
		n.Add(party.who.User)
		for _, session := range party.who.Sessions {
			if s := guard.Look(session).Session; s == nil || !s.Shared {
				n.Add(session)
			}
		}
	}
	return n, nil
}

func (n *Needles) Add(id string) {
	if len(id) < forgotten.MentionLength {
		n.Short[id] = true
		return
	}
	n.Long[id] = true
	n.begin[beginOf(id)] = true
	if !slices.Contains(n.lengths, len(id)) {
		n.lengths = append(n.lengths, len(id))
		slices.Sort(n.lengths)
	}
}

func beginOf(text string) uint64 {
	_ = text[7]
	word := uint64(0)
	for i := range 8 { // one load, as the compiler sees it
		word |= uint64(text[i]) << (8 * i)
	}
	return word * 0x9E3779B97F4A7C15 >> 48
}

// in tells whether bytes hold a long id as a word, be it with escapes.
func (n *Needles) in(data []byte) (found bool) {
	forgotten.EachPlain(objects.UnsafeString(data), func(text string, _ []int) bool {
		found = n.inPlain(text)
		return !found
	})
	return found
}

// inPlain: what stands before an id may be its length, which may look like a letter.
func (n *Needles) inPlain(text string) bool {
	for at := 0; at+forgotten.MentionLength <= len(text); at++ {
		if !n.begin[beginOf(text[at:])] {
			continue
		}
		for _, length := range n.lengths {
			end := at + length
			if end > len(text) {
				break
			}
			if n.Long[text[at:end]] && !forgotten.GoesOn(text, end) &&
				(!forgotten.InWord(text, at) || text[at-1] == byte(length) || text[at-1] == byte(2*length)) {
				return true
			}
		}
	}
	return false
}

// inValue tells whether a value of a column holds an id.
func (n *Needles) inValue(column string, value []byte) bool {
	switch column {
	case "user_id", "session_id", "title_session_id", "value":
		_, id, _ := strings.Cut(objects.UnsafeString(value), ":")
		if n.Short[objects.UnsafeString(value)] || n.Short[id] {
			return true
		}
	case "message":
		if n.mentionedIn(objects.UnsafeString(value), forgotten.ShortMention) {
			return true
		}
	case "raw_line":
		if n.mentionedIn(objects.UnsafeString(value), forgotten.RejectMention) {
			return true
		}
	}
	return n.in(value)
}

// mentionedIn tells whether a text holds a short id of so many bytes or more as a word, be it with escapes.
func (n *Needles) mentionedIn(text string, shortest int) (found bool) {
	if len(n.Short) == 0 {
		return false
	}
	forgotten.EachPlain(text, func(plain string, _ []int) bool {
		found = n.shortIn(plain, shortest)
		return !found
	})
	return found
}

func (n *Needles) shortIn(text string, shortest int) bool {
	for at := range len(text) {
		if forgotten.InWord(text, at) {
			continue
		}
		for length := shortest; length < forgotten.MentionLength && at+length <= len(text); length++ {
			if n.Short[text[at:at+length]] && !forgotten.GoesOn(text, at+length) {
				return true
			}
		}
	}
	return false
}

func (n *Needles) longest() int {
	if len(n.lengths) == 0 {
		return 0
	}
	return n.lengths[len(n.lengths)-1]
}

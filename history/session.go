package history

import (
	"sort"
	"strings"
	"time"
)

// The kinds of users: someone whom an event named, or a session that nobody is known to own.
const (
	KindUser    = "user"
	KindSession = "session"
)

const sessionPrefix, userPrefix = "session:", "user:"

// UserID gives the id and the kind of the user of an event: the user it names or is bound to, else its session. No name
// that a client may send equals the id of a session or of another name: a name that looks prefixed is prefixed again.
// The rule is in docs/ARCHITECTURE.md, section Identity.
func UserID(named, session string) (id, kind string) {
	switch {
	case named == "":
		return sessionPrefix + session, KindSession
	case strings.HasPrefix(named, sessionPrefix), strings.HasPrefix(named, userPrefix):
		return userPrefix + named, KindUser
	}
	return named, KindUser
}

// KindOf is the kind of a user, which follows from the id.
func KindOf(id string) string {
	if strings.HasPrefix(id, sessionPrefix) {
		return KindSession
	}
	return KindUser
}

// NameOf is UserID the other way round: what events call a user of kind KindUser. false: the id is that of a
// session, or of nobody.
func NameOf(id string) (name string, ok bool) {
	rest, prefixed := strings.CutPrefix(id, userPrefix)
	switch {
	case id == "", KindOf(id) == KindSession:
		return "", false
	case prefixed && (strings.HasPrefix(rest, sessionPrefix) || strings.HasPrefix(rest, userPrefix)):
		return rest, true
	}
	return id, true
}

// DefaultWindow is how far from an event a binding of its session may lie to count.
const DefaultWindow = 24 * time.Hour

// Binding is a fact about a session at a moment, learnt from one of its events: its user, or its device; or that the
// session is nobody's from there on. Time is in microseconds UTC; the other fields only break ties, as for sightings.
type Binding struct {
	Value             string
	Ends              bool // it is an ending, and has no Value
	Time, Transaction int64
	File              string
	Line              int64

	endings int // how many there are from here to the next binding that is none; see Link
}

// Compare orders bindings as Sighting.Compare orders sightings. Of one line, the ending comes last.
func (a *Binding) Compare(b *Binding) int {
	if c := compareOrder(a.Time, b.Time, a.Transaction, b.Transaction, a.File, b.File, a.Line, b.Line); c != 0 ||
		a.Ends == b.Ends {
		return c
	}
	if a.Ends {
		return 1
	}
	return -1
}

// Bindings are those of one session and one kind, sorted by Binding.Compare.
type Bindings []Binding

// Link lets Resolve pass over many endings at once. Resolve is right without it.
func (b Bindings) Link() {
	endings := 0
	for i := len(b) - 1; i >= 0; i-- {
		if !b[i].Ends {
			endings = -1
		}
		endings++
		b[i].endings = endings
	}
}

// Resolve says what held at a moment: the last binding at or before it, else the first one after it that is no ending,
// of those that lie no further from it than within. An ending says that nothing held.
func (b Bindings) Resolve(t int64, within time.Duration) (value string, ok bool) {
	window := within.Microseconds()
	if within < 0 {
		return "", false
	}
	after := sort.Search(len(b), func(i int) bool { return b[i].Time > t })
	// Unsigned, a difference cannot overflow.
	if after > 0 && uint64(t)-uint64(b[after-1].Time) <= uint64(window) {
		return b[after-1].Value, !b[after-1].Ends
	}
	for after < len(b) && b[after].Ends {
		after += max(b[after].endings, 1)
	}
	if after < len(b) && uint64(b[after].Time)-uint64(t) <= uint64(window) {
		return b[after].Value, true
	}
	return "", false
}

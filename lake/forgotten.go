package lake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/history"
)

// idHash is the keyed hash of the id of a user or of a session: all that is kept of who was forgotten.
type idHash [16]byte

func (h idHash) String() string { return hex.EncodeToString(h[:]) }

// Kinds of ids that are hashed: a session and a user of the same name are two.
const (
	forgottenUser    = "user"
	forgottenSession = "session"
)

// mentionLength is from how many bytes on an id is looked for in free text, too: shorter ones are common words.
const mentionLength = 8

// rejectMention is the same for rejects, which are of no use to others, so that less certainty will do.
const rejectMention = 2

// forgotten is whom the lake must not hold. It is safe for concurrent use once made.
type forgotten struct {
	snapshot int64 // of ops.erasures; 0: none
	key      []byte
	users    map[idHash]string // the erasure
	sessions map[idHash]*forgottenNaming
	lengths  []int // of all ids, ascending
}

// forgottenNaming is what a session with a forgotten user said about whose it is, and when.
type forgottenNaming struct {
	erasures []string
	runs     []namedRun
	shared   bool // others were named, too
	owners   history.Bindings
}

// namedRun is a time during which a session named one side only, first and last time, UTC microseconds.
type namedRun struct {
	first, last int64
	subject     bool // a forgotten user, or others
}

func (f *forgotten) addRun(session idHash, erasure string, run *namedRun) {
	s := f.sessions[session]
	if s == nil {
		s = &forgottenNaming{}
		f.sessions[session] = s
	}
	if !slices.Contains(s.erasures, erasure) {
		s.erasures = append(s.erasures, erasure)
	}
	if run == nil {
		return
	}
	s.runs = append(s.runs, *run)
	s.shared = s.shared || !run.subject
	for _, at := range []int64{run.first, run.last} {
		binding := history.Binding{Time: at}
		if run.subject {
			binding.Value, binding.Transaction = forgottenUser, 1 // of two at one moment, the forgotten one counts
		}
		s.owners = append(s.owners, binding)
	}
	slices.SortFunc(s.owners, func(a, b history.Binding) int { return a.Compare(&b) })
}

// covers tells that a naming at a moment is known already.
func (s *forgottenNaming) covers(at int64, subject bool) bool {
	return slices.ContainsFunc(s.runs, func(run namedRun) bool { return run.subject == subject && run.first <= at && at <= run.last })
}

// owns tells whether an event without a user is the forgotten one's. A session that named nobody else is so whole; one that
// did is split by time, as histories are (docs/ARCHITECTURE.md, Identity).
func (s *forgottenNaming) owns(at int64) bool {
	if !s.shared {
		return true
	}
	value, ok := s.owners.Resolve(at, history.DefaultWindow)
	return ok && value == forgottenUser
}

// hashID is the keyed hash of an id.
func hashID(mac hash.Hash, kind, id string) (h idHash) {
	mac.Reset()
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(id))
	copy(h[:], mac.Sum(nil))
	return h
}

// guard tells what belongs to the forgotten. Nil guards nothing. It keeps what it saw, so each goroutine has its own.
type guard struct {
	*forgotten
	mac  hash.Hash
	seen map[string]guarded
}

// guarded is what an id stands for; zero for most.
type guarded struct {
	erasure string           // of a forgotten user
	session *forgottenNaming // of a session that named one
}

// guardSize bounds what a guard remembers.
const guardSize = 1 << 16

// guard makes a guard; nil where nobody was forgotten.
func (f *forgotten) guard() *guard {
	if f == nil || len(f.lengths) == 0 {
		return nil
	}
	return &guard{forgotten: f, mac: hmac.New(sha256.New, f.key), seen: map[string]guarded{}}
}

func (g *guard) look(id string) guarded {
	if _, possible := slices.BinarySearch(g.lengths, len(id)); !possible {
		return guarded{}
	}
	found, known := g.seen[id]
	if known {
		return found
	}
	found.erasure = g.users[hashID(g.mac, forgottenUser, id)]
	found.session = g.sessions[hashID(g.mac, forgottenSession, id)]
	if len(g.seen) >= guardSize {
		clear(g.seen)
	}
	g.seen[strings.Clone(id)] = found
	return found
}

// fact is what an event says of itself. user is as the event names it, "" for nobody; time in UTC microseconds.
type fact struct {
	session, user string
	time          int64
	device        bool // it names the session's device
}

// owns tells whether an event is a forgotten user's. In a session of several users, what tells the device is everybody's.
func (g *guard) owns(f fact) bool {
	if g == nil {
		return false
	}
	if f.user != "" {
		return g.look(f.user).erasure != ""
	}
	s := g.look(f.session).session
	return s != nil && (!s.shared || !f.device) && s.owns(f.time)
}

// ownsRow tells whether a row of gold is a forgotten user's, by its user_id.
func (g *guard) ownsRow(id string) bool {
	if g == nil {
		return false
	}
	if session, anonymous := strings.CutPrefix(id, "session:"); anonymous {
		s := g.look(session).session
		return s != nil && !s.shared
	}
	return g.look(strings.TrimPrefix(id, "user:")).erasure != ""
}

// mention finds the first id of a forgotten user, or of a session of theirs alone, in a text; only ids of so many bytes.
func (g *guard) mention(text string, from, shortest int) (start, end int, found bool) {
	if g == nil {
		return 0, 0, false
	}
	for start = from; start < len(text); start++ {
		if within := inWord(text, start); within {
			continue
		}
		for _, length := range g.lengths {
			end = start + length
			if length < shortest {
				continue
			}
			if end > len(text) {
				break
			}
			if inWord(text, end) {
				continue
			}
			if is := g.look(text[start:end]); is.erasure != "" || is.session != nil && !is.session.shared {
				return start, end, true
			}
		}
	}
	return 0, 0, false
}

func (g *guard) mentions(text string, shortest int) bool {
	_, _, found := g.mention(text, 0, shortest)
	return found
}

// redacted stands where an id stood in a line of somebody else.
const redacted = "erased"

// redact replaces the ids in a text; the text itself where there are none.
func (g *guard) redact(text string) string {
	start, end, found := g.mention(text, 0, mentionLength)
	if !found {
		return text
	}
	var out strings.Builder
	at := 0
	for ; found; start, end, found = g.mention(text, end, mentionLength) {
		out.WriteString(text[at:start])
		out.WriteString(redacted)
		at = end
	}
	out.WriteString(text[at:])
	return out.String()
}

// inWord tells whether a place in a text, between two bytes, lies within one word. Dots, dashes and the like are part of a
// word that goes on behind them: p-1 does not mention p.
func inWord(text string, at int) bool {
	if at <= 0 || at >= len(text) {
		return false
	}
	before, after := text[at-1], text[at]
	switch {
	case isWord(before) && isWord(after):
		return true
	case isWord(before) && joins(after):
		return at+1 < len(text) && isWord(text[at+1])
	case joins(before) && isWord(after):
		return at >= 2 && isWord(text[at-2])
	}
	return false
}

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b >= 0x80
}

func joins(b byte) bool { return b == '-' || b == '.' || b == '@' || b == '+' }

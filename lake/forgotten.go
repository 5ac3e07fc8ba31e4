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
	lengths  []int           // of all ids, ascending
	done     map[string]bool // erasures that were proven
	chosen   map[string]bool // erasures that count; nil: all
	loose    bool            // it is about files that nobody has: see owns
}

// of is what is known of some erasures alone.
func (f *forgotten) of(chosen map[string]bool) *forgotten {
	some := *f
	some.chosen = chosen
	return &some
}

func (f *forgotten) counts(erasure string) bool {
	return erasure != "" && (f.chosen == nil || f.chosen[erasure])
}

// forgottenNaming is what a session with forgotten users said about whose it is, and when.
type forgottenNaming struct {
	erasures []string
	runs     []namedRun
	shared   bool // others were named, too
	owners   history.Bindings
}

// namedRun is a time during which a session named one side only, first and last time, UTC microseconds.
type namedRun struct {
	erasure     string // whose sides these are
	first, last int64
	subject     bool // the erasure's user, or others
	ends        bool // or nobody
}

// side is whom a session names: others, an erasure's user, or nobody any more.
type side byte

const (
	sideOthers side = iota
	sideSubject
	sideNobody
)

func sideOf(subject, ends bool) side {
	switch {
	case ends:
		return sideNobody
	case subject:
		return sideSubject
	}
	return sideOthers
}

func (r *namedRun) side() side { return sideOf(r.subject, r.ends) }

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
	run.erasure = erasure
	s.runs = append(s.runs, *run)
}

// settle finds out who else was named, once all runs of all sessions are known. Others of one erasure may be the user of
// another one.
func (f *forgotten) settle() {
	for _, s := range f.sessions {
		s.shared, s.owners = false, nil
		for _, run := range s.runs {
			for _, at := range []int64{run.first, run.last} {
				binding := history.Binding{Time: at, Ends: run.ends}
				switch {
				case run.ends: // it names nobody else: the session may still be whole
					binding.Transaction = 2 // the end of what was named by the same line
				case run.subject:
					binding.Value, binding.Transaction = forgottenUser, 1 // of two at one moment, the forgotten one counts
				case slices.ContainsFunc(s.runs, func(other namedRun) bool {
					return other.subject && other.erasure != run.erasure && other.first <= at && at <= other.last
				}):
					continue
				default:
					s.shared = true
				}
				s.owners = append(s.owners, binding)
			}
		}
		slices.SortFunc(s.owners, func(a, b history.Binding) int { return a.Compare(&b) })
	}
}

// covers tells that an erasure knows of a naming at a moment already.
func (s *forgottenNaming) covers(erasure string, at int64, side side) bool {
	return slices.ContainsFunc(s.runs, func(run namedRun) bool {
		return run.erasure == erasure && run.side() == side && run.first <= at && at <= run.last
	})
}

// owns tells whether an event without a user is the forgotten one's. A session that named nobody else is so whole,
// even where it ended; one that did is split by time, as histories are (docs/ARCHITECTURE.md, Identity).
func (s *forgottenNaming) owns(at int64) bool {
	if !s.shared {
		return true
	}
	if slices.ContainsFunc(s.runs, func(run namedRun) bool { return run.ends && run.first <= at && at <= run.last }) {
		return false // of a run only its ends are among the owners
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
	if s := g.sessions[hashID(g.mac, forgottenSession, id)]; s != nil && slices.ContainsFunc(s.erasures, g.counts) {
		found.session = s
	}
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
	ends          bool // from here on the session is nobody's
}

// owns tells whether an event is a forgotten user's. In a session of several users, what tells the device is everybody's.
func (g *guard) owns(f fact) bool {
	if g == nil {
		return false
	}
	s := g.look(f.session).session
	if f.user != "" {
		// A session of forgotten users alone goes whole with any of them. In a file that nobody has, others may be named in it
		// of whom the lake never learnt.
		erasure := g.look(f.user).erasure
		return g.counts(erasure) || (erasure != "" || g.loose) && s != nil && !s.shared
	}
	return s != nil && (!s.shared || !f.device) && s.owns(f.time)
}

// ownsRow tells whether a row of gold is a forgotten user's. One that is nobody's is, where all of it was seen in the forgotten one's
// time of its session: that is from before an hour named that one.
func (g *guard) ownsRow(row *userRow) bool {
	if g == nil {
		return false
	}
	if session, anonymous := strings.CutPrefix(row.UserID, "session:"); anonymous {
		s := g.look(session).session
		return s != nil && !slices.ContainsFunc(row.History, func(i intervalRow) bool { return !s.owns(i.ValidFrom) || !s.owns(i.LastSeenAt) })
	}
	return g.counts(g.look(strings.TrimPrefix(row.UserID, "user:")).erasure)
}

package forgotten

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// IdHash is the keyed hash of the id of a user or of a session: all that is kept of who was forgotten.
type IdHash [16]byte

func (h IdHash) String() string { return hex.EncodeToString(h[:]) }

// Kinds of ids that are hashed: a session and a user of the same name are two.
const (
	ForgottenUser    = "user"
	ForgottenSession = "session"
)

// MentionLength is from how many bytes on an id is looked for in free text, too: shorter ones are common words.
const MentionLength = 8

// RejectMention is the same for rejects, which are of no use to others, so that less certainty will do.
const RejectMention = 2

// Set is whom the lake must not hold. It is safe for concurrent use once made.
type Set struct {
	Snapshot int64 // of ops.erasures; 0: none
	Key      []byte
	Users    map[IdHash]string // the erasure
	Sessions map[IdHash]*ForgottenNaming
	Lengths  []int           // of all ids, ascending
	Done     map[string]bool // erasures that were proven
	Chosen   map[string]bool // erasures that count; nil: all
	Loose    bool            // it is about files that nobody has: see owns
}

// Of is what is known of some erasures alone.
func (f *Set) Of(chosen map[string]bool) *Set {
	some := *f
	some.Chosen = chosen
	return &some
}

func (f *Set) counts(erasure string) bool {
	return erasure != "" && (f.Chosen == nil || f.Chosen[erasure])
}

// ForgottenNaming is what a session with forgotten users said about whose it is, and when.
type ForgottenNaming struct {
	erasures []string
	runs     []namedRun
	Shared   bool // others were named, too
	owners   history.Bindings
}

// namedRun is a time during which a session named one side only, first and last time, UTC microseconds.
type namedRun struct {
	erasure     string // whose sides these are
	first, last int64
	subject     bool // the erasure's user, or others
	ends        bool // or nobody
}

// Side is whom a session names: others, an erasure's user, or nobody any more.
type Side byte

const (
	SideOthers Side = iota
	SideSubject
	SideNobody
)

func sideOf(subject, ends bool) Side {
	switch {
	case ends:
		return SideNobody
	case subject:
		return SideSubject
	}
	return SideOthers
}

func (r *namedRun) side() Side { return sideOf(r.subject, r.ends) }

func (f *Set) AddRun(session IdHash, erasure string, run *namedRun) {
	s := f.Sessions[session]
	if s == nil {
		s = &ForgottenNaming{}
		f.Sessions[session] = s
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

// Settle finds out who else was named, once all runs of all sessions are known. Others of one erasure may be the
// user of another one.
func (f *Set) Settle() {
	for _, s := range f.Sessions {
		s.Shared, s.owners = false, nil
		for _, run := range s.runs {
			for _, at := range []int64{run.first, run.last} {
				binding := history.Binding{Time: at, Ends: run.ends}
				switch {
				case run.ends: // it names nobody else: the session may still be whole
					binding.Transaction = 2 // the end of what was named by the same line
				case run.subject:
					// of two at one moment, the forgotten one counts
					binding.Value, binding.Transaction = ForgottenUser, 1
				case slices.ContainsFunc(s.runs, func(other namedRun) bool {
					return other.subject && other.erasure != run.erasure && other.first <= at && at <= other.last
				}):
					continue
				default:
					s.Shared = true
				}
				s.owners = append(s.owners, binding)
			}
		}
		slices.SortFunc(s.owners, func(a, b history.Binding) int { return a.Compare(&b) })
	}
}

// covers tells that an erasure knows of a naming at a moment already.
func (s *ForgottenNaming) covers(erasure string, at int64, side Side) bool {
	return slices.ContainsFunc(s.runs, func(run namedRun) bool {
		return run.erasure == erasure && run.side() == side && run.first <= at && at <= run.last
	})
}

// owns tells whether an event without a user is the forgotten one's. A session that named nobody else is so whole,
// even where it ended; one that did is split by time, as histories are (docs/ARCHITECTURE.md, Identity).
func (s *ForgottenNaming) owns(at int64) bool {
	if !s.Shared {
		return true
	}
	if slices.ContainsFunc(s.runs, func(run namedRun) bool { return run.ends && run.first <= at && at <= run.last }) {
		return false // of a run only its ends are among the owners
	}
	value, ok := s.owners.Resolve(at, history.DefaultWindow)
	return ok && value == ForgottenUser
}

// HashID is the keyed hash of an id.
func HashID(mac hash.Hash, kind, id string) (h IdHash) {
	mac.Reset()
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(id))
	copy(h[:], mac.Sum(nil))
	return h
}

// Guard tells what belongs to the forgotten. Nil guards nothing. It keeps what it saw, so each goroutine has its own.
type Guard struct {
	*Set
	mac  hash.Hash
	seen map[string]guarded
}

// guarded is what an id stands for; zero for most.
type guarded struct {
	erasure string           // of a forgotten user
	Session *ForgottenNaming // of a session that named one
}

// guardSize bounds what a guard remembers.
const guardSize = 1 << 16

// Guard makes a guard; nil where nobody was forgotten.
func (f *Set) Guard() *Guard {
	if f == nil || len(f.Lengths) == 0 {
		return nil
	}
	return &Guard{Set: f, mac: hmac.New(sha256.New, f.Key), seen: map[string]guarded{}}
}

func (g *Guard) Look(id string) guarded {
	if _, possible := slices.BinarySearch(g.Lengths, len(id)); !possible {
		return guarded{}
	}
	found, known := g.seen[id]
	if known {
		return found
	}
	found.erasure = g.Users[HashID(g.mac, ForgottenUser, id)]
	if s := g.Sessions[HashID(g.mac, ForgottenSession, id)]; s != nil && slices.ContainsFunc(s.erasures, g.counts) {
		found.Session = s
	}
	if len(g.seen) >= guardSize {
		clear(g.seen)
	}
	g.seen[strings.Clone(id)] = found
	return found
}

// Fact is what an event says of itself. user is as the event names it, "" for nobody; time in UTC microseconds.
type Fact struct {
	Session, User string
	Time          int64
	Device        bool // it names the session's device
	Ends          bool // from here on the session is nobody's
}

// Owns tells whether an event is a forgotten user's. In a session of several users, what tells the device is
// everybody's.
func (g *Guard) Owns(f Fact) bool {
	if g == nil {
		return false
	}
	s := g.Look(f.Session).Session
	if f.User != "" {
		// A session of forgotten users alone goes whole with any of them. In a file that nobody has, others may be
		// named in it of whom the lake never learnt.
		erasure := g.Look(f.User).erasure
		return g.counts(erasure) || (erasure != "" || g.Loose) && s != nil && !s.Shared
	}
	return s != nil && (!s.Shared || !f.Device) && s.owns(f.Time)
}

// OwnsRow tells whether a row of gold is a forgotten user's. One that is nobody's is, where all of it was seen in
// the forgotten one's time of its session: that is from before an hour named that one.
func (g *Guard) OwnsRow(row *lake.UserRow) bool {
	if g == nil {
		return false
	}
	if session, anonymous := strings.CutPrefix(row.UserID, "session:"); anonymous {
		s := g.Look(session).Session
		return s != nil && s.owns(row.FirstSeenAt) && !slices.ContainsFunc(row.History,
			func(i lake.IntervalRow) bool { return !s.owns(i.ValidFrom) || !s.owns(i.LastSeenAt) })
	}
	return g.counts(g.Look(strings.TrimPrefix(row.UserID, "user:")).erasure)
}

// NameOf is what events call a user of gold. ErrConfig: it is an anonymous session.
func NameOf(user string) (string, error) {
	name, ok := history.NameOf(user)
	if !ok {
		return "", fmt.Errorf("%w: %q names no user: an anonymous session is forgotten with its user",
			objects.ErrConfig, user)
	}
	return name, nil
}

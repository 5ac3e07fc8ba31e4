package hours

import (
	"context"
	"slices"
	"sync"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// smallSection is a section in memory.
type smallSection struct {
	data       []byte
	candidates []candidate
}

// freeSections leave their memory to the next hour: it is large, and would be cleared each time.
var freeSections = sync.Pool{New: func() any { return &smallSection{} }}

func (r *smallSection) read(s *silverStage, shuffles objects.Shuffles, section int) (err error) {
	if r.data, err = shuffles.Read(section, r.data[:0]); err != nil {
		return err
	}
	if r.candidates, err = objects.DecodeAll(r.data, r.candidates[:0], decodeCandidate); err != nil {
		return err
	}
	return s.section(r.candidates)
}

// large makes the rows of a section that does not fit into memory.
func (s *silverStage) large(ctx context.Context, l *lake.Lake, shuffles objects.Shuffles, section int) error {
	sorter := objects.NewSorter(l.Config.Scratch, objects.SortBytes, decodeCandidate, (*candidate).compare)
	defer sorter.Close()
	if err := shuffles.Each(section, sorter.Add); err != nil {
		return err
	}
	s.like.first = nil
	n := 0
	if err := sorter.Each(func(c *candidate) error {
		s.add(c)
		if n++; n%4096 > 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return s.write()
	}); err != nil {
		return err
	}
	return s.write()
}

// alike are the candidates so far of one session, time and transaction, which follow each other.
type alike struct {
	first  *candidate
	bodies []body            // the first few
	more   map[body]struct{} // the others
}

type body struct {
	hash        uint64
	transaction string
}

// repeats tells an exact repeat (same session, TransactionId, time and body: a client's retry) of an earlier candidate.
func (a *alike) repeats(c *candidate) bool {
	const few = 8
	this := body{c.bodyHash, c.transactionID}
	if f := a.first; f == nil || f.time != c.time || f.transaction != c.transaction || f.session != c.session {
		a.first, a.bodies, a.more = c, append(a.bodies[:0], this), nil
		return false
	}
	if _, more := a.more[this]; more || slices.Contains(a.bodies, this) {
		return true
	}
	if len(a.bodies) < few {
		a.bodies = append(a.bodies, this)
		return false
	}
	if a.more == nil {
		a.more = map[body]struct{}{}
	}
	a.more[this] = struct{}{}
	return false
}

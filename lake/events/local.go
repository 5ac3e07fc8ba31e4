package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake/sessions"
)

// local are the sightings and bindings that came with the hour of a file of silver.events. They lie in the order of
// sessions, as its events do, and are read along with them.
type local struct {
	files  []*factFile
	key    int64
	first  string // the session that was asked for first of those with the key
	begun  bool
	others []sessions.SessionRow // of other sessions with the key: keys are hashes
	heads  []head
	active []*head // of these, those that have a row
	// also takes rows of sessions that earlier hours have events of
	also func(*sessions.SessionRow)
	// large takes what is known of a session with so many rows that also got only the first of them
	large func(session string, known *sessions.Known)
}

// largeSession is from how many sightings and bindings on what a session of earlier hours, too, is known by is kept as
// what they tell. A variable for tests.
var largeSession = 4096

// factFile is a file of silver.sightings or silver.bindings that is read along.
type factFile struct {
	*sessions.Ordered
	whole bool               // it is read to its end, whatever events there are
	met   sessions.KeyCursor // sessions that earlier hours have events of, too
}

func (l *local) close() (err error) {
	for _, file := range l.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// pass goes to the rows of a session, past those before it.
func (l *local) pass(f *factFile, key int64) error {
	for !f.Ended && f.Key < key {
		if f.met.Contains(f.Key) {
			row := f.Row(sessions.RowKept)
			l.also(&row)
		}
		if err := f.Next(); err != nil {
			return fmt.Errorf("read sightings and bindings: %w", err)
		}
	}
	return nil
}

// session reads a session's rows along, merged with some others, into what is known of it. Sessions are asked for
// in the order of their keys, each once.
func (l *local) session(key int64, session string, others []sessions.SessionRow, into *sessions.Known) error {
	if l.begun && (key < l.key || key == l.key && session == l.first) {
		return fmt.Errorf("resolve events: %w", sessions.ErrUnsorted)
	}
	if l.begun && key == l.key {
		all := slices.Clone(others)
		for _, row := range l.others {
			if row.Session == session {
				all = append(all, row)
			}
		}
		slices.SortFunc(all, func(a, b sessions.SessionRow) int { return a.Compare(&b) })
		into.TakeSorted(all)
		return nil
	}
	l.begun, l.key, l.first, l.others = true, key, strings.Clone(session), nil
	for _, file := range l.files {
		if err := l.pass(file, key); err != nil {
			return err
		}
	}
	met := len(l.files) > 0 && l.files[0].met.Contains(key)
	for _, sightings := range [...]bool{false, true} {
		if err := l.merge(sightings, others, met, into); err != nil {
			return err
		}
	}
	if met && into.Rows > largeSession {
		l.large(l.first, into)
	}
	return nil
}

// merge reads either the sightings or the bindings of the present session, in the order of events.
func (l *local) merge(sightings bool, others []sessions.SessionRow, met bool, into *sessions.Known) error {
	l.heads, l.active = l.heads[:0], l.active[:0]
	for _, file := range l.files {
		if file.Sightings == sightings {
			l.heads = append(l.heads, head{file: file})
		}
	}
	for len(others) > 0 { // they are sorted by kind
		end := 1
		for end < len(others) && others[end].Kind == others[0].Kind {
			end++
		}
		if (others[0].Kind == 's') == sightings {
			l.heads = append(l.heads, head{rows: others[:end]})
		}
		others = others[end:]
	}
	for i := range l.heads {
		h := &l.heads[i]
		if err := h.advance(l, met); err != nil {
			return err
		}
		if h.some {
			l.active = append(l.active, h)
		}
	}
	for len(l.active) > 0 {
		first := l.earliest()
		h := l.active[first]
		into.Take(&h.row)
		if met && h.file != nil && into.Rows <= largeSession {
			l.also(&h.row)
		}
		if err := h.advance(l, met); err != nil {
			return err
		}
		if !h.some {
			l.active = slices.Delete(l.active, first, first+1)
		}
	}
	return nil
}

// earliest is the place of the active head with the first moment.
func (l *local) earliest() (first int) {
	for i, h := range l.active {
		if i > 0 && h.row.CompareMoments(&l.active[first].row) < 0 {
			first = i
		}
	}
	return first
}

// head is the next row of a session, of a file that is read along or of rows that are known.
type head struct {
	file *factFile
	rows []sessions.SessionRow
	row  sessions.SessionRow
	some bool
}

func (h *head) advance(l *local, met bool) error {
	if h.file == nil {
		if h.some = len(h.rows) > 0; h.some {
			h.row, h.rows = h.rows[0], h.rows[1:]
		}
		return nil
	}
	last, had := h.row, h.some
	for h.some = false; !h.file.Ended && h.file.Key == l.key && !h.some; {
		h.row = h.file.Row(sessions.RowKept)
		switch h.some = h.row.Session == l.first; {
		case h.some:
		case h.row.Session != "": // else it says nothing of other events
			l.others = append(l.others, h.row)
			if met {
				l.also(&h.row)
			}
		}
		if err := h.file.Next(); err != nil {
			return fmt.Errorf("read sightings and bindings: %w", err)
		}
	}
	if had && h.some && last.CompareMoments(&h.row) > 0 {
		return fmt.Errorf("read sightings and bindings: %w", sessions.ErrUnsorted)
	}
	return nil
}

// end reads what is left to be read.
func (l *local) end() error {
	for _, file := range l.files {
		for file.whole && !file.Ended {
			if file.met.Contains(file.Key) {
				row := file.Row(sessions.RowKept)
				l.also(&row)
			}
			if err := file.Next(); err != nil {
				return fmt.Errorf("read sightings and bindings: %w", err)
			}
		}
	}
	return nil
}

package sessions

import (
	"context"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/objects"
)

// Session is what is known of one session before and after a change: whose it is, and on which device.
type Session struct {
	Before Bound
	After  Bound
}

type Bound struct{ Users, Devices history.Timeline }

// Sightings hands out every sighting of every session, with what is known of the session, in the order of events. A
// row that went and came again unchanged (a rerun) has stayed; one that came and is also found among those that
// stayed (compaction) counts once. Of a session, what its bindings tell is held in memory, and its sightings are
// not. Several sections are worked on at once: each must be safe for that. What it gets lives until it returns.
func (j *Join) Sightings(ctx context.Context, each func(*Session, *SessionRow) error) error {
	return j.EachSection(ctx, func() func(objects.Shuffles, int) error {
		var data []byte
		var rows []SessionRow
		var order []objects.Keyed[SessionRow]
		return func(spilled objects.Shuffles, section int) (err error) {
			if spilled.Bytes(section) > objects.LargeSection {
				return j.large(ctx, spilled, section, &sessionReader{each: each})
			}
			if data, err = spilled.Read(section, data[:0]); err != nil {
				return err
			}
			if rows, err = objects.DecodeAll(data, rows[:0], decodeSessionRow); err != nil {
				return err
			}
			order = order[:0]
			for i := range rows {
				order = append(order, objects.Keyed[SessionRow]{Key: rows[i].Key, Value: &rows[i]})
			}
			return EachSighting(order, each)
		}
	})
}

// EachSighting is Join.Sightings of rows in memory, in any order.
func EachSighting(rows []objects.Keyed[SessionRow], each func(*Session, *SessionRow) error) error {
	objects.SortKeyed(rows, (*SessionRow).compareBindingsFirst)
	r := sessionReader{each: each}
	for _, row := range rows {
		if err := r.row(row.Value); err != nil {
			return err
		}
	}
	return r.end()
}

// large goes through a section that does not fit into memory, as that of a session that a whole product shares.
func (j *Join) large(ctx context.Context, spilled objects.Shuffles, section int, r *sessionReader) error {
	sorter := objects.NewSorter(j.scratch, objects.SortBytes, decodeSessionRow, (*SessionRow).compareBindingsFirst)
	defer sorter.Close()
	if err := spilled.Each(section, sorter.Add); err != nil {
		return err
	}
	n := 0
	if err := sorter.Each(func(row *SessionRow) error {
		if n++; n%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return r.row(row)
	}); err != nil {
		return err
	}
	return r.end()
}

// compareBindingsFirst is Compare with the bindings of a session before its sightings.
func (r *SessionRow) compareBindingsFirst(other *SessionRow) int {
	if r.Kind != other.Kind && r.Key == other.Key && r.Session == other.Session {
		if r.Kind == 's' {
			return 1
		}
		if other.Kind == 's' {
			return -1
		}
	}
	return r.Compare(other)
}

// sessionReader gathers the bindings of each session from sorted rows, and hands out its sightings.
type sessionReader struct {
	each    func(*Session, *SessionRow) error
	session Session
	linked  bool
	held    *SessionRow // one or more rows that are the same, in these states
	states  [4]bool
}

func (r *sessionReader) row(row *SessionRow) error {
	if r.held != nil && !row.same(r.held) {
		last := r.held
		if err := r.end(); err != nil {
			return err
		}
		if last.Key != row.Key || last.Session != row.Session {
			r.session.reset()
			r.linked = false
		}
	}
	r.held = row
	r.states[row.State] = true
	return nil
}

// end is for when no row comes that is the same as the last.
func (r *sessionReader) end() error {
	if r.held == nil {
		return nil
	}
	row := *r.held
	has := r.states
	r.held, r.states = nil, [4]bool{}
	switch {
	case has[RowAgain] && has[RowAdded] == has[RowRemoved]:
		row.State = RowAgain
	case has[RowAdded] && has[RowRemoved]:
		row.State = RowKept
	case has[RowAdded]:
		row.State = RowAdded
	case has[RowRemoved]:
		row.State = RowRemoved
	default:
		row.State = RowKept
	}
	if row.Kind != 's' {
		r.session.add(&row)
		return nil
	}
	if !r.linked {
		r.session.Before.Users.Link()
		r.session.After.Users.Link()
		r.linked = true
	}
	return r.each(&r.session, &row)
}

func (s *Session) reset() {
	for _, side := range [...]*Bound{&s.Before, &s.After} {
		side.Users.Reset()
		side.Devices.Reset()
	}
}

func (s *Session) add(row *SessionRow) {
	for _, side := range [...]struct {
		bound *Bound
		gone  byte
	}{{&s.Before, RowAdded}, {&s.After, RowRemoved}} {
		switch {
		case row.State == side.gone:
		case row.Kind == 'u':
			side.bound.Users.Add(row.Value, row.Ends(), row.Time)
		default:
			side.bound.Devices.Add(row.Value, false, row.Time)
		}
	}
}

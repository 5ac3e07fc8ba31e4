package sessions

import (
	"cmp"
	"context"
	"errors"
	"slices"

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
func (j *Join) Sightings(ctx context.Context, each func(*Session, *SessionRow) error) (err error) {
	slices.SortFunc(j.along, func(a, b *alongFile) int { return cmp.Compare(a.first, b.first) })
	along := &alongReader{join: j, waiting: j.along}
	defer func() { err = errors.Join(err, along.close()) }()
	return j.EachSection(ctx, func() (func(int) error, func(objects.Shuffles, int) error) {
		r := sectionReader{scratch: j.lake.Config.Scratch, each: each}
		begin := func(section int) error {
			err := along.section(ctx, section, r.add)
			if err != nil {
				r.reset()
			}
			return err
		}
		return begin, func(spilled objects.Shuffles, section int) error { return r.end(ctx, spilled, section) }
	})
}

// sectionReader brings the rows of one section after the other together.
type sectionReader struct {
	scratch string
	each    func(*Session, *SessionRow) error

	rows   []SessionRow
	bytes  int64                       // that they take
	sorter *objects.Sorter[SessionRow] // in the place of rows that do not fit into memory
	data   []byte                      // of rows that come from the spill
	order  []objects.Keyed[SessionRow]
}

// add takes a row that was read along.
func (r *sectionReader) add(row SessionRow) error {
	if r.sorter != nil {
		r.data = row.append(r.data[:0])
		return r.sorter.Add(r.data)
	}
	r.rows = append(r.rows, row)
	r.bytes += int64(len(row.Session) + len(row.User) + len(row.Value) + rowBytes)
	if r.bytes <= objects.LargeSection {
		return nil
	}
	return r.sort()
}

// rowBytes is what a row takes in memory, but for its longer texts.
const rowBytes = 200

// sort hands the rows so far to a sorter, and so those that follow.
func (r *sectionReader) sort() error {
	r.sorter = objects.NewSorter(r.scratch, objects.SortBytes, decodeSessionRow, (*SessionRow).compareBindingsFirst)
	for i := range r.rows {
		r.data = r.rows[i].append(r.data[:0])
		if err := r.sorter.Add(r.data); err != nil {
			return err
		}
	}
	r.forget()
	return nil
}

// forget lets go of the rows in memory, and of what they point to.
func (r *sectionReader) forget() {
	clear(r.rows)
	r.rows, r.bytes = r.rows[:0], 0
}

// reset is for the next section.
func (r *sectionReader) reset() {
	r.forget()
	if r.sorter != nil {
		r.sorter.Close()
		r.sorter = nil
	}
}

// end adds what the spill has of the section, and hands out its sightings.
func (r *sectionReader) end(ctx context.Context, spilled objects.Shuffles, section int) (err error) {
	defer r.reset()
	if r.sorter == nil && spilled.Bytes(section) > objects.LargeSection {
		if err := r.sort(); err != nil {
			return err
		}
	}
	if r.sorter != nil {
		if err := spilled.Each(section, r.sorter.Add); err != nil {
			return err
		}
		return r.large(ctx)
	}
	if r.data, err = spilled.Read(section, r.data[:0]); err != nil {
		return err
	}
	if r.rows, err = objects.DecodeAll(r.data, r.rows, decodeSessionRow); err != nil {
		return err
	}
	r.order = r.order[:0]
	for i := range r.rows {
		r.order = append(r.order, objects.Keyed[SessionRow]{Key: r.rows[i].Key, Value: &r.rows[i]})
	}
	return EachSighting(r.order, r.each)
}

// large goes through a section that does not fit into memory, as that of a session that a whole product shares.
func (r *sectionReader) large(ctx context.Context) error {
	reader := sessionReader{each: r.each}
	n := 0
	if err := r.sorter.Each(func(row *SessionRow) error {
		if n++; n%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return reader.row(row)
	}); err != nil {
		return err
	}
	return reader.end()
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

package sessions

import (
	"slices"
	"sort"

	"github.com/versionlake/versionlake/lake/objects"
)

// Sections are the sections of a join, to be read one at a time, in any order and by several goroutines.
type Sections struct {
	spilled objects.Shuffles
	number  int
}

// Open ends the writing of rows.
func (j *Join) Open() (*Sections, error) {
	spilled, err := j.Spill.Open()
	return &Sections{spilled: spilled, number: j.Sections}, err
}

func (s *Sections) Close() { s.spilled.Close() }

// Of is the number of the section that has the rows of a session.
func (s *Sections) Of(key int64) int { return objects.SessionSection(key, s.number) }

// Section is a section that was read: its rows, by session, kind, and the order of events.
type Section struct {
	Rows []SessionRow
	data []byte
}

// Read reads a section in the place of another one. Rows live until the next call.
func (s *Sections) Read(number int, into *Section) (err error) {
	if into.data, err = s.spilled.Read(number, into.data[:0]); err != nil {
		return err
	}
	if into.Rows, err = objects.DecodeAll(into.data, into.Rows[:0], decodeSessionRow); err != nil {
		return err
	}
	slices.SortFunc(into.Rows, func(a, b SessionRow) int { return a.Compare(&b) })
	return nil
}

// All reads all sections as one.
func (s *Sections) All() (*Section, error) {
	all := &Section{}
	for number := range s.number {
		var one Section // of its own: rows stay where they were read
		if err := s.Read(number, &one); err != nil {
			return nil, err
		}
		all.Rows = append(all.Rows, one.Rows...)
	}
	return all, nil
}

// Session are the rows of one session.
func (s *Section) Session(key int64, session string) []SessionRow {
	first := sort.Search(len(s.Rows), func(i int) bool {
		row := &s.Rows[i]
		return row.Key > key || row.Key == key && row.Session >= session
	})
	end := first
	for end < len(s.Rows) && s.Rows[end].Key == key && s.Rows[end].Session == session {
		end++
	}
	return s.Rows[first:end]
}

// Package why finds what stands behind an answer: the lines of which an interval was made, and what earlier versions of
// the lake would have said.
package why

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// Line is a line of telemetry, and what it says here.
type Line struct {
	Says string    `json:"says"` // sighting; or user, device, nobody: what a session is bound to
	Of   string    `json:"value"`
	At   time.Time `json:"event_time"`
	File string    `json:"file"`
	Line int64     `json:"line"`
	Hour string    `json:"hour"` // that the file lies in
	// Run is the run that first read this version of the file; "" where the ledger does not tell.
	Run string `json:"run"`
	// Text is the line as bronze has it, with tabs between; "" where Dropped or where it was not asked for.
	Text string `json:"text"`
	// Dropped: retention took the text out of the lake.
	Dropped bool `json:"dropped"`

	session string
	hour    telemetry.Hour
	row     sessions.SessionRow
}

// Evidence is a sighting, and the bindings that gave it its user and its device; nil where the line names them
// itself, or nothing does.
type Evidence struct {
	Sighting *Line `json:"sighting"`
	User     *Line `json:"user"`
	Device   *Line `json:"device"`
}

// Interval is an interval that was in effect, and what it was made of.
type Interval struct {
	history.Interval
	Evidence []Evidence // the first sightings and the last one, in their order
	More     int64      // sightings of the interval that are not among them
}

// Earlier is what versions of the lake that follow each other would have said.
type Earlier struct {
	First, Last string // tags
	Versions    []history.Interval
}

// Answer is all of it.
type Answer struct {
	User      history.User
	Intervals []Interval
	Earlier   []Earlier // the newest first
}

// Ask finds what is behind the versions that a user ran at a moment: at most so many sightings of each interval. false:
// the lake knows no such user, or has forgotten the user.
func Ask(ctx context.Context, l *lake.Lake, user string, at time.Time, limit int) (a Answer, found bool, err error) {
	now, err := gold.FindVersion(ctx, l, "")
	if err != nil {
		return a, false, err
	}
	if a.User, found, err = gold.User(ctx, l, now, user); err != nil || !found {
		return a, false, err
	}
	for _, interval := range a.User.At(at.UnixMicro()) {
		q := question{lake: l, user: user, interval: interval}
		answered, err := q.answer(ctx, limit)
		if err != nil {
			return a, false, fmt.Errorf("find the lines behind %s: %w", interval.Version, err)
		}
		a.Intervals = append(a.Intervals, answered)
	}
	a.Earlier, err = earlier(ctx, l, user, at.UnixMicro())
	return a, true, err
}

// earlier asks each tag, and puts those together that say the same.
func earlier(ctx context.Context, l *lake.Lake, user string, at int64) (said []Earlier, err error) {
	versions, err := gold.Versions(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		if len(version.Tags) == 0 {
			continue
		}
		known, _, err := gold.User(ctx, l, version, user)
		if err != nil {
			return nil, err
		}
		tag, then := version.Tags[0], known.At(at)
		if n := len(said); n > 0 && slices.EqualFunc(said[n-1].Versions, then, sameAnswer) {
			said[n-1].First = tag
			continue
		}
		said = append(said, Earlier{tag, tag, then})
	}
	return said, nil
}

func sameAnswer(a, b history.Interval) bool {
	return a.Service == b.Service && a.HasDevice == b.HasDevice && a.Device == b.Device && a.Version == b.Version
}

// question is about one interval.
type question struct {
	lake     *lake.Lake
	user     string
	interval history.Interval

	mutex     sync.Mutex
	sightings []*Line
	bindings  map[string][]*Line // by session, in their order
	keys      []int64
}

func (q *question) answer(ctx context.Context, limit int) (Interval, error) {
	in := Interval{Interval: q.interval}
	if err := q.read(ctx); err != nil {
		return in, err
	}
	for _, lines := range q.bindings {
		slices.SortFunc(lines, byOrder)
	}
	slices.SortFunc(q.sightings, byOrder)
	var all []Evidence
	for _, sighting := range q.sightings {
		if e, ours := q.evidence(sighting); ours {
			all = append(all, e)
		}
	}
	kept := all
	if limit > 0 && len(all) > limit {
		kept = append(slices.Clone(all[:limit-1]), all[len(all)-1])
	}
	in.Evidence, in.More = kept, int64(len(all)-len(kept))
	lines := map[*Line]bool{}
	for _, e := range kept {
		for _, line := range []*Line{e.Sighting, e.User, e.Device} {
			if line != nil {
				lines[line] = true
			}
		}
	}
	return in, q.texts(ctx, lines)
}

func byOrder(a, b *Line) int {
	x, y := a.row, b.row
	x.Key, x.Session, x.Kind = 0, "", 0
	y.Key, y.Session, y.Kind = 0, "", 0
	return x.Compare(&y)
}

var (
	sightingSchema = parquet.SchemaOf(lake.SightingRow{})
	bindingSchema  = parquet.SchemaOf(lake.BindingRow{})
)

// The places of a row's ingest date and hour among the columns.
const sightingDate, bindingDate = 10, 8

// read gathers the sightings that may be of the interval, and the bindings of their sessions: first the sessions that
// were ever bound to the user, then what these saw.
func (q *question) read(ctx context.Context) error {
	name, named := history.NameOf(q.user)
	session, _ := strings.CutPrefix(q.user, history.KindSession+":")
	during := sessions.Span{Low: q.interval.ValidFrom, High: q.interval.LastSeenAt}
	around := during.Widened(history.DefaultWindow.Microseconds())
	if named {
		if err := q.rows(ctx, lake.SilverBindings, around, nil, func(row parquet.Row) error {
			if b := sessions.BindingOf(row, sessions.RowKept); b.Kind == 'u' && b.Value == name {
				q.keep(func() { q.keys = append(q.keys, b.Key) })
			}
			return nil
		}); err != nil {
			return err
		}
	}
	bound := sessions.NewKeySet(q.keys)
	q.keys = nil
	if err := q.rows(ctx, lake.SilverSightings, during, nil, func(row parquet.Row) error {
		s := sessions.SightingOf(row, sessions.RowKept)
		switch {
		case s.Service != q.interval.Service, s.Value != q.interval.Version, s.Time < during.Low, s.Time > during.High:
		case named && (s.User == name || s.User == "" && bound.Has(s.Key)), !named && s.User == "" &&
			s.Session == session:
			line := lineOf(s, row, sightingDate)
			q.keep(func() { q.sightings, q.keys = append(q.sightings, line), append(q.keys, line.row.Key) })
		}
		return nil
	}); err != nil {
		return err
	}
	q.bindings = map[string][]*Line{}
	return q.rows(ctx, lake.SilverBindings, around, sessions.NewKeySet(q.keys), func(row parquet.Row) error {
		line := lineOf(sessions.BindingOf(row, sessions.RowKept), row, bindingDate)
		q.keep(func() { q.bindings[line.session] = append(q.bindings[line.session], line) })
		return nil
	})
}

func (q *question) keep(note func()) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	note()
}

func (q *question) rows(ctx context.Context, definition lake.TableDefinition, near sessions.Span, keys sessions.KeySet,
	each func(parquet.Row) error) error {
	loaded, err := q.lake.Load(ctx, definition)
	if err != nil {
		return err
	}
	files, err := sessions.FilesNear(ctx, loaded, lake.HeadOf(loaded), near, nil)
	if err != nil {
		return err
	}
	schema := sightingSchema
	if definition.Name == lake.SilverBindings.Name {
		schema = bindingSchema
	}
	return sessions.Reader{Lake: q.lake, Keys: keys}.Rows(ctx, files, schema, each)
}

// lineOf copies a row, whose texts live no longer than the call that hands it out.
func lineOf(row sessions.SessionRow, raw parquet.Row, date int) *Line {
	for _, text := range []*string{&row.Session, &row.User, &row.Service, &row.Device, &row.Value, &row.File} {
		*text = strings.Clone(*text)
	}
	hour := lake.HourOfRow(raw[date].Int32(), raw[date+1].Int32())
	says := map[byte]string{'s': "sighting", 'u': "user", 'd': "device"}[row.Kind]
	if row.Ends() {
		says = "nobody"
	}
	return &Line{Says: says, Of: row.Value, At: time.UnixMicro(row.Time).UTC(), File: row.File, Line: row.Line,
		Hour: hour.String(), hour: hour, session: row.Session, row: row}
}

// evidence says which bindings a sighting's user and device come from, and whether it is of the interval at all.
func (q *question) evidence(sighting *Line) (e Evidence, ours bool) {
	e.Sighting = sighting
	named, device := sighting.row.User, sighting.row.Device
	if named == "" {
		if e.User = q.deciding(sighting, 'u'); e.User != nil {
			named = e.User.Of
		}
	}
	if device == "" {
		if e.Device = q.deciding(sighting, 'd'); e.Device != nil {
			device = e.Device.Of
		}
	}
	user, _ := history.UserID(named, sighting.session)
	return e, user == q.user && (device != "") == q.interval.HasDevice && device == q.interval.Device
}

// deciding is the binding that holds for a sighting (docs/ARCHITECTURE.md, Identity): the last one up to it, else the
// first one after it that is no ending; nil where there is none near enough.
func (q *question) deciding(sighting *Line, kind byte) (found *Line) {
	near := func(line *Line) bool { return line.At.Sub(sighting.At).Abs() <= history.DefaultWindow }
	for _, line := range q.bindings[sighting.session] {
		switch {
		case line.row.Kind != kind:
		case !line.At.After(sighting.At):
			if found = nil; near(line) {
				found = line
			}
		case found == nil && !line.row.Ends():
			if near(line) {
				return line
			}
			return nil
		}
	}
	return found
}

// texts fills in what bronze and the ledger know of lines.
func (q *question) texts(ctx context.Context, lines map[*Line]bool) error {
	byHour := map[telemetry.Hour][]*Line{}
	for line := range lines {
		byHour[line.hour] = append(byHour[line.hour], line)
	}
	hours := make([]telemetry.Hour, 0, len(byHour))
	for hour := range byHour {
		hours = append(hours, hour)
	}
	slices.SortFunc(hours, func(a, b telemetry.Hour) int { return cmp.Compare(a, b) })
	for _, hour := range hours {
		if err := fill(ctx, q.lake, hour, byHour[hour]); err != nil {
			return fmt.Errorf("read the lines of %s: %w", hour, err)
		}
	}
	return nil
}

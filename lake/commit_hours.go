package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// StagedHour is a run of an hour of which all is staged, ready to be committed.
type StagedHour struct {
	Run       Run            `json:"run"`
	Plan      HourPlan       `json:"plan"`
	Chunks    []StagedChunk  `json:"chunks"`
	Silver    []StagedSilver `json:"silver"`
	StartedAt time.Time      `json:"started_at"`
}

// CommitHour makes the run visible: bronze, rejects, silver, the files, and last the ledger's row. Called again with the same run
// it finishes what a crash left and returns the same row. Unchanged tables are left alone. ErrConflict: another run of the hour
// ended meanwhile, which may have seen newer files: list the hour again. ErrStale: stage the hour anew.
func (l *Lake) CommitHour(ctx context.Context, run Run, plan HourPlan, chunks []StagedChunk, silver []StagedSilver, startedAt time.Time) (HourRow, error) {
	staged := StagedHour{Run: run, Plan: plan, Chunks: chunks, Silver: silver, StartedAt: startedAt}
	rows, left, err := l.CommitHours(ctx, []StagedHour{staged})
	if err == nil {
		err = left[run.Hour]
	}
	if err != nil {
		return HourRow{}, fmt.Errorf("commit hour %s: %w", run.Hour, err)
	}
	return rows[0], nil
}

// CommitHours is CommitHour for runs of several hours that share an id: each table takes one snapshot for all of them. Hours
// that can't be committed are left out, with the reason, and don't keep back the others; no row is returned for them. ErrStale:
// stage all of them anew.
func (l *Lake) CommitHours(ctx context.Context, staged []StagedHour) (rows []HourRow, left map[telemetry.Hour]error, err error) {
	c := newHoursCommit(l)
	done, err := c.begin(ctx, staged)
	if err != nil {
		return nil, nil, err
	}
	if !done {
		if err := c.gather(ctx); err != nil {
			return nil, nil, err
		}
		if err := c.commit(ctx); err != nil {
			return nil, nil, err
		}
	}
	for _, row := range c.rows {
		if c.left[row.Hour] == nil {
			rows = append(rows, row)
		}
	}
	return rows, c.left, nil
}

// hoursCommit is the commit of some hours. Their runs may meet others of the same hours, each of which replaces in one table
// after the other what it finds. So that an hour is never of two runs, the ledger's row is only written once every table is
// known to have been left alone since this commit saw its own there; the ledger's commits come one after the other.
type hoursCommit struct {
	lake  *Lake
	id    string
	hours []*committingHour
	rows  []HourRow                // that the ledger has
	left  map[telemetry.Hour]error // out, and why
	seen  map[string]int64         // by table: the snapshot up to which others' runs were looked at
	rests map[string]*dataFile     // of days' files, by what they are the rest of: a commit that is tried again writes them once
}

func newHoursCommit(l *Lake) *hoursCommit {
	return &hoursCommit{lake: l, left: map[telemetry.Hour]error{}, seen: map[string]int64{}, rests: map[string]*dataFile{}}
}

type committingHour struct {
	StagedHour
	result  *hourResult
	changed map[string]bool // tables
	// overtaken: another run ended since the files were listed, and before anything of this one was written.
	overtaken bool
}

// errInterfered: another run touched the hours between the commits of this one.
var errInterfered = errors.New("another run touched the same hour")

// interferences bounds how often the tables are looked at again: whoever is met so often never ends.
const interferences = 100

// begin finds out what earlier calls did, and leaves out the hours that must not be written.
func (c *hoursCommit) begin(ctx context.Context, staged []StagedHour) (done bool, err error) {
	c.id = staged[0].Run.ID
	loaded, err := c.lake.load(ctx, opsHours)
	if err != nil {
		return false, err
	}
	if c.rows, err = c.lake.ledgerRows(ctx, loaded, staged); err != nil {
		return false, err
	}
	dropped, err := c.lake.lastDropped(ctx)
	if err != nil {
		return false, err
	}
	for _, hour := range staged {
		if hour.Run.ID != c.id {
			return false, fmt.Errorf("hour %s is of run %s, not %s", hour.Run.Hour, hour.Run.ID, c.id)
		}
		if len(c.rows) > 0 { // one commit of the ledger is for all: who is not in it was left out then
			recorded := slices.ContainsFunc(c.rows, func(row HourRow) bool { return row.Hour == hour.Run.Hour })
			if !recorded || overtaken(loaded, hour) {
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			}
			continue
		}
		if err := c.lake.refuseIfDropped(ctx, dropped, hour.Run); errors.Is(err, ErrDropped) {
			c.left[hour.Run.Hour] = err
			continue
		} else if err != nil {
			return false, err
		}
		going := &committingHour{StagedHour: hour, changed: map[string]bool{}}
		if overtaken(loaded, hour) {
			begun, err := c.lake.begun(ctx, hour.Run)
			if err != nil {
				return false, err
			}
			going.overtaken = !begun
		}
		c.hours = append(c.hours, going)
	}
	return len(c.hours) == 0, nil
}

func errOvertaken(run Run) error {
	return fmt.Errorf("%w: another run of hour %s ended since this one listed its files", ErrConflict, run.Hour)
}

// overtaken tells that another run of the hour came into the ledger after this one had begun to list, and before its own row.
func overtaken(ledger *table.Table, hour StagedHour) bool {
	if hour.Plan.Ledger == 0 {
		return false
	}
	entries, _ := log(ledger, max(hour.Plan.Ledger, 0))
	for _, entry := range entries {
		for _, run := range entry.runs {
			if run == hour.Run {
				return false
			}
			if run.Hour == hour.Run.Hour {
				return true
			}
		}
	}
	return false
}

// gathersAtOnce is how many hours' staged results are read at the same time.
const gathersAtOnce = 8

func (c *hoursCommit) gather(ctx context.Context) error {
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(gathersAtOnce)
	for _, hour := range c.hours {
		work.Go(func() (err error) {
			if err := workCtx.Err(); err != nil {
				return err
			}
			hour.result, err = c.lake.gather(hour.StagedHour)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	now, err := c.lake.erasuresAt(ctx)
	if err != nil {
		return err
	}
	// Where silver is made from bronze, or nothing but the ledger changes, the counts are those of the ledger, which an erasure changes.
	return staleIf(slices.ContainsFunc(c.hours, func(hour *committingHour) bool {
		return (hour.result.plan.Bronze != nil || hour.result.plan.Noted != nil) && hour.result.plan.Erasures != now
	}))
}

func (c *hoursCommit) commit(ctx context.Context) error {
	for range interferences {
		for _, definition := range hourTables {
			if err := c.replace(ctx, definition); err != nil {
				return err
			}
		}
		if err := c.recordFiles(ctx); err != nil {
			return err
		}
		if err := c.recordHours(ctx); !errors.Is(err, errInterfered) {
			return err
		}
	}
	return fmt.Errorf("%w: %w %d times", ErrConflict, errInterfered, interferences)
}

// of are the hours whose rows in a table the commit replaces: where silver is made from bronze, bronze stays as it is; where all
// files are gone, everything does.
func (c *hoursCommit) of(definition tableDefinition) []*committingHour {
	return slices.DeleteFunc(c.going(), func(hour *committingHour) bool {
		if hour.result.plan.Noted != nil {
			return definition.name != opsFiles.name
		}
		return hour.result.plan.Bronze != nil && !strings.HasPrefix(definition.name, "silver.")
	})
}

// going are the hours that were not left out so far.
func (c *hoursCommit) going() []*committingHour {
	return slices.DeleteFunc(slices.Clone(c.hours), func(hour *committingHour) bool { return c.left[hour.Run.Hour] != nil })
}

// replace makes the staged files the whole content of the hours in a table, and notes whether that took a commit, now or before
// a crash.
func (c *hoursCommit) replace(ctx context.Context, definition tableDefinition) error {
	hours := c.of(definition)
	if len(hours) == 0 {
		return nil
	}
	return c.lake.commit(ctx, definition, func(loaded *table.Table) (*change, error) {
		c.seen[definition.name] = headOf(loaded)
		live, err := c.lake.filesOf(ctx, definition, loaded, hours)
		if err != nil {
			return nil, err
		}
		// After the table was loaded: an erasure remembers first, and then moves the table's head.
		if err := c.stale(ctx, definition, hours); err != nil {
			return nil, err
		}
		replaced := c.replacement(definition)
		for _, hour := range hours {
			files := hour.result.files[definition.name]
			same, err := c.lake.sameContents(live[hour.Run.Hour], files)
			if err != nil {
				return nil, err
			}
			switch {
			case same:
				_, hour.changed[definition.name] = runSnapshot(loaded, hour.Run)
			case isDropped(loaded, hour.Run.Hour): // since the run began
				hour.changed[definition.name] = false
			case hour.overtaken:
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			default:
				hour.changed[definition.name] = true
				if err := replaced.hour(hour.Run.Hour, live[hour.Run.Hour], files); err != nil {
					return nil, err
				}
			}
		}
		return replaced.change(ctx)
	})
}

// stale is ErrStale when a file holds someone who was forgotten since its hour was listed.
func (c *hoursCommit) stale(ctx context.Context, definition tableDefinition, hours []*committingHour) error {
	since := map[int64][]dataFile{}
	for _, hour := range hours {
		erasures := hour.result.plan.Erasures
		since[erasures] = append(since[erasures], hour.result.files[definition.name]...)
	}
	for erasures, files := range since {
		if stale, err := c.lake.stale(ctx, erasures, files, nil); err != nil || stale {
			return errors.Join(err, staleIf(stale))
		}
	}
	return nil
}

// replacement gathers what one commit does to some hours of a table.
type replacement struct {
	lake        *Lake
	definition  tableDefinition
	id          string
	hours       []telemetry.Hour
	remove, add []iceberg.DataFile
	days        map[string][]*partOfFile // what goes of files that hold more, by their paths
	rests       map[string]*dataFile
}

func (c *hoursCommit) replacement(definition tableDefinition) *replacement {
	return &replacement{lake: c.lake, definition: definition, id: c.id, days: map[string][]*partOfFile{}, rests: c.rests}
}

func (r *replacement) hour(hour telemetry.Hour, live []iceberg.DataFile, files []dataFile) error {
	r.hours = append(r.hours, hour)
	stay := map[string]bool{}
	for _, file := range files {
		if slices.ContainsFunc(live, func(old iceberg.DataFile) bool { return old.FilePath() == file.Path }) {
			stay[file.Path] = true
			continue
		}
		entry, err := r.lake.entry(file, r.definition)
		if err != nil {
			return err
		}
		r.add = append(r.add, entry)
	}
	for _, old := range live {
		if part, ok := old.(*partOfFile); ok {
			r.days[part.FilePath()] = append(r.days[part.FilePath()], part)
		} else if !stay[old.FilePath()] {
			r.remove = append(r.remove, old)
		}
	}
	return nil
}

// change is fresh: the names of files are never given twice, and those that stay were left out.
func (r *replacement) change(ctx context.Context) (*change, error) {
	for _, parts := range r.days {
		gone := joined(parts)
		r.remove = append(r.remove, gone.DataFile)
		rest, err := r.rest(ctx, gone)
		if err != nil {
			return nil, err
		}
		if rest != nil {
			r.add = append(r.add, rest)
		}
	}
	return &change{remove: r.remove, add: r.add, fresh: true, summary: runSummary(r.id, r.hours...)}, nil
}

// rest is what stays of a day's file without some of its hours; nil: nothing.
func (r *replacement) rest(ctx context.Context, gone *partOfFile) (iceberg.DataFile, error) {
	others := gone.others()
	if others == nil {
		return nil, nil
	}
	key := fmt.Sprint(gone.FilePath(), others.hours)
	if r.rests[key] == nil {
		written, err := r.lake.putTogether(ctx, r.definition, others.parts())
		if err != nil {
			return nil, fmt.Errorf("write the other hours of %s anew: %w", gone.FilePath(), err)
		}
		r.rests[key] = written
	}
	return r.lake.entry(*r.rests[key], r.definition)
}

// filesOf are the live files of hours, or their parts that are of one.
func (l *Lake) filesOf(ctx context.Context, definition tableDefinition, loaded *table.Table, hours []*committingHour) (map[telemetry.Hour][]iceberg.DataFile, error) {
	live := map[telemetry.Hour][]iceberg.DataFile{}
	first, last := hours[0].Run.Hour, hours[0].Run.Hour
	for _, hour := range hours {
		live[hour.Run.Hour] = nil
		first, last = min(first, hour.Run.Hour), max(last, hour.Run.Hour)
	}
	if first == last {
		files, err := l.hourFiles(ctx, loaded, first)
		live[first] = files
		return live, err
	}
	files, err := liveFiles(ctx, loaded, hoursBetween(first, last+1))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		parts, err := l.byHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if _, ours := live[part.hour]; ours {
				live[part.hour] = append(live[part.hour], part.file)
			}
		}
	}
	return live, nil
}

// interfered tells whether another run touched one of the hours since this commit looked at their tables.
func (c *hoursCommit) interfered(ctx context.Context) (bool, error) {
	ours := map[telemetry.Hour]bool{}
	for _, hour := range c.going() {
		ours[hour.Run.Hour] = true
	}
	for _, definition := range append(slices.Clone(hourTables), opsFiles) {
		seen, looked := c.seen[definition.name]
		if !looked {
			continue
		}
		loaded, err := c.lake.load(ctx, definition)
		if err != nil {
			return false, err
		}
		entries, _ := log(loaded, seen)
		for _, entry := range entries {
			if slices.ContainsFunc(entry.runs, func(run Run) bool { return run.ID != c.id && ours[run.Hour] }) {
				return true, nil
			}
		}
	}
	for _, hour := range c.going() {
		if hour.result.plan.Noted == nil {
			continue
		}
		if met, err := c.met(ctx, hour); err != nil || met {
			return met, err
		}
	}
	return false, nil
}

// begun tells whether a run has committed anything.
func (l *Lake) begun(ctx context.Context, run Run) (bool, error) {
	for _, definition := range hourTables {
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return false, err
		}
		if _, begun := runSnapshot(loaded, run); begun {
			return true, nil
		}
	}
	return false, nil
}

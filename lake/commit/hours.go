package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Hour makes a run visible: bronze, rejects, silver, the files, and last the ledger's row. Called again with the same
// run it finishes what a crash left and returns the same row. Unchanged tables are left alone. ErrConflict: another
// run of the hour ended meanwhile, which may have seen newer files: list the hour again. ErrStale: stage it again.
func Hour(ctx context.Context, l *lake.Lake, staged hours.StagedHour) (ledger.Hour, error) {
	rows, left, err := Hours(ctx, l, []hours.StagedHour{staged})
	if err == nil {
		err = left[staged.Run.Hour]
	}
	if err != nil {
		return ledger.Hour{}, fmt.Errorf("commit hour %s: %w", staged.Run.Hour, err)
	}
	return rows[0], nil
}

// Hours is Hour for runs of several hours that share an id: each table takes one snapshot for all of them. Hours that
// can't be committed are left out, with the reason, and don't keep back the others; no row is returned for them.
// ErrStale: stage all of them again.
func Hours(ctx context.Context, l *lake.Lake,
	staged []hours.StagedHour) (rows []ledger.Hour, left map[telemetry.Hour]error, err error) {
	c := New(l)
	done, err := c.Begin(ctx, staged)
	if err != nil {
		return nil, nil, err
	}
	if !done {
		if err := c.Gather(ctx); err != nil {
			return nil, nil, err
		}
		if err := c.Commit(ctx); err != nil {
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

// Commit is the commit of some hours. Their runs may meet others of the same hours, each of which replaces in
// one table after the other what it finds. So that an hour is never of two runs, the ledger's row is only written
// once every table is known to have been left alone since this commit saw its own there; the ledger's commits come
// one after the other.
type Commit struct {
	lake  *lake.Lake
	id    string
	Hours []*committingHour
	rows  []ledger.Hour            // that the ledger has
	left  map[telemetry.Hour]error // out, and why
	seen  map[string]int64         // by table: the snapshot up to which others' runs were looked at
	// of days' files, by what they are the rest of: a commit that is tried again writes them once
	rests map[string]*lake.DataFile
}

func New(l *lake.Lake) *Commit {
	return &Commit{lake: l, left: map[telemetry.Hour]error{}, seen: map[string]int64{},
		rests: map[string]*lake.DataFile{}}
}

type committingHour struct {
	hours.StagedHour
	result  *hourResult
	Changed map[string]bool // tables
	// overtaken: another run ended since the files were listed, and before anything of this one was written.
	overtaken bool
}

// ErrInterfered: another run touched the hours between the commits of this one.
var ErrInterfered = errors.New("another run touched the same hour")

// interferences bounds how often the tables are looked at again: whoever is met so often never ends.
const interferences = 100

// Begin finds out what earlier calls did, and leaves out the hours that must not be written.
func (c *Commit) Begin(ctx context.Context, staged []hours.StagedHour) (done bool, err error) {
	c.id = staged[0].Run.ID
	loaded, err := c.lake.Load(ctx, lake.OpsHours)
	if err != nil {
		return false, err
	}
	if c.rows, err = ledgerRows(ctx, c.lake, loaded, staged); err != nil {
		return false, err
	}
	dropped, err := ledger.LastDropped(ctx, c.lake)
	if err != nil {
		return false, err
	}
	for _, hour := range staged {
		if hour.Run.ID != c.id {
			return false, fmt.Errorf("hour %s is of run %s, not %s", hour.Run.Hour, hour.Run.ID, c.id)
		}
		if len(c.rows) > 0 { // one commit of the ledger is for all: who is not in it was left out then
			recorded := slices.ContainsFunc(c.rows, func(row ledger.Hour) bool { return row.Hour == hour.Run.Hour })
			if !recorded || overtaken(loaded, hour) {
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			}
			continue
		}
		if err := ledger.RefuseIfDropped(ctx, c.lake, dropped, hour.Run); errors.Is(err, lake.ErrDropped) {
			c.left[hour.Run.Hour] = err
			continue
		} else if err != nil {
			return false, err
		}
		going := &committingHour{StagedHour: hour, Changed: map[string]bool{}}
		if overtaken(loaded, hour) {
			begun, err := ledger.Begun(ctx, c.lake, hour.Run)
			if err != nil {
				return false, err
			}
			going.overtaken = !begun
		}
		c.Hours = append(c.Hours, going)
	}
	return len(c.Hours) == 0, nil
}

func errOvertaken(run lake.Run) error {
	return fmt.Errorf("%w: another run of hour %s ended since this one listed its files", lake.ErrConflict, run.Hour)
}

// overtaken tells that another run of the hour came into the ledger after this one had begun to list, and before
// its own row.
func overtaken(ledgerTable *table.Table, hour hours.StagedHour) bool {
	if hour.Plan.Ledger == 0 {
		return false
	}
	entries, _ := ledger.Since(ledgerTable, max(hour.Plan.Ledger, 0))
	for _, entry := range entries {
		for _, run := range entry.Runs {
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

func (c *Commit) Gather(ctx context.Context) error {
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(gathersAtOnce)
	for _, hour := range c.Hours {
		work.Go(func() (err error) {
			if err := workCtx.Err(); err != nil {
				return err
			}
			hour.result, err = gather(c.lake, hour.StagedHour)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	now, err := forgotten.ErasuresAt(ctx, c.lake)
	if err != nil {
		return err
	}
	// Where silver is made from bronze, or nothing but the ledger changes, the counts are those of the ledger,
	// which an erasure changes.
	return forgotten.StaleIf(slices.ContainsFunc(c.Hours, func(hour *committingHour) bool {
		return (hour.result.plan.Bronze != nil || hour.result.plan.Noted != nil) && hour.result.plan.Erasures != now
	}))
}

func (c *Commit) Commit(ctx context.Context) error {
	for range interferences {
		for _, definition := range lake.HourTables {
			if err := c.Replace(ctx, definition); err != nil {
				return err
			}
		}
		if err := c.RecordFiles(ctx); err != nil {
			return err
		}
		if err := c.RecordHours(ctx); !errors.Is(err, ErrInterfered) {
			return err
		}
	}
	return fmt.Errorf("%w: %w %d times", lake.ErrConflict, ErrInterfered, interferences)
}

// of are the hours whose rows in a table the commit replaces: where silver is made from bronze, bronze stays as it
// is; where all files are gone, everything does.
func (c *Commit) of(definition lake.TableDefinition) []*committingHour {
	return slices.DeleteFunc(c.going(), func(hour *committingHour) bool {
		if hour.result.plan.Noted != nil {
			return definition.Name != lake.OpsFiles.Name
		}
		return hour.result.plan.Bronze != nil && !strings.HasPrefix(definition.Name, "silver.")
	})
}

// going are the hours that were not left out so far.
func (c *Commit) going() []*committingHour {
	return slices.DeleteFunc(slices.Clone(c.Hours),
		func(hour *committingHour) bool { return c.left[hour.Run.Hour] != nil })
}

// Replace makes the staged files the whole content of the hours in a table, and notes whether that took a commit,
// now or before a crash.
func (c *Commit) Replace(ctx context.Context, definition lake.TableDefinition) error {
	hours := c.of(definition)
	if len(hours) == 0 {
		return nil
	}
	return c.lake.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		c.seen[definition.Name] = lake.HeadOf(loaded)
		live, broken, err := liveFiles(ctx, c.lake, definition, loaded, hours)
		if err != nil {
			return nil, err
		}
		// After the table was loaded: an erasure remembers first, and then moves the table's head.
		if err := c.stale(ctx, definition, hours); err != nil {
			return nil, err
		}
		replaced, found := c.Replacement(definition), map[string]error{}
		for _, hour := range hours {
			files := hour.result.files[definition.Name]
			same, err := c.lake.SameContents(live[hour.Run.Hour], files)
			if err == nil && same {
				same, err = replaced.whole(live[hour.Run.Hour], hour.Plan.Check, found)
			}
			if err != nil {
				return nil, err
			}
			same = !replaced.lose(hour.Run.Hour, broken) && same
			switch {
			case same:
				_, hour.Changed[definition.Name] = lake.RunSnapshot(loaded, hour.Run)
			case ledger.IsDropped(loaded, hour.Run.Hour): // since the run began
				hour.Changed[definition.Name] = false
			case hour.overtaken:
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			default:
				hour.Changed[definition.Name] = true
				if err := replaced.Hour(hour.Run.Hour, live[hour.Run.Hour], files); err != nil {
					return nil, err
				}
			}
		}
		return replaced.Change(ctx)
	})
}

// stale is ErrStale when a file holds someone who was forgotten since its hour was listed.
func (c *Commit) stale(ctx context.Context, definition lake.TableDefinition, hours []*committingHour) error {
	since := map[int64][]lake.DataFile{}
	for _, hour := range hours {
		erasures := hour.result.plan.Erasures
		since[erasures] = append(since[erasures], hour.result.files[definition.Name]...)
	}
	for erasures, files := range since {
		if stale, err := forgotten.Stale(ctx, c.lake, erasures, files, nil); err != nil || stale {
			return errors.Join(err, forgotten.StaleIf(stale))
		}
	}
	return nil
}

// interfered tells whether another run touched one of the hours since this commit looked at their tables.
func (c *Commit) interfered(ctx context.Context) (bool, error) {
	ours := map[telemetry.Hour]bool{}
	for _, hour := range c.going() {
		ours[hour.Run.Hour] = true
	}
	for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles) {
		seen, looked := c.seen[definition.Name]
		if !looked {
			continue
		}
		loaded, err := c.lake.Load(ctx, definition)
		if err != nil {
			return false, err
		}
		entries, _ := ledger.Since(loaded, seen)
		for _, entry := range entries {
			if slices.ContainsFunc(entry.Runs, func(run lake.Run) bool { return run.ID != c.id && ours[run.Hour] }) {
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

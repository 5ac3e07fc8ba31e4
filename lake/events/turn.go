package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// turn is one commit of gold.events, and what leads to it.
type turn struct {
	lake     *lake.Lake
	round    string
	again    Again
	progress func(int64)

	// The state that it was planned on.
	table         *table.Table
	erasures      int64
	silver        [3]ledger.Log // in the order of SilverTables
	base, to      ledger.EventsState
	known         bool // false: everything is made from nothing
	halfCommitted []string

	come    []iceberg.DataFile      // files of silver.events whose rows are to be resolved
	hours   map[telemetry.Hour]bool // whose present rows go
	before  telemetry.Hour          // rows of hours before it go, too
	changed sessions.SessionSet     // sessions of sightings and bindings that came or went
	facts   *facts
	coming  map[string]*coming // by path
	along   bool               // sightings and bindings of hours that come are read along with their events
	local   map[telemetry.Hour][]localFile
	// Of present files, by path: the sessions that changed of which they have rows; and what is known of all of these,
	// unless they are too many.
	met      map[string]sessions.KeySet
	metKeys  sessions.KeySet
	metMany  bool
	metAlso  []sessions.SessionRow      // which was read along
	metLarge map[string]*sessions.Known // and is kept as what it tells
	metFacts *facts
	large    *sessions.Large // sessions of which only some rows are looked at; nil: all are

	rows, came, resolved atomic.Int64
	mutex                sync.Mutex
	added                []lake.DataFile
	removed              []iceberg.DataFile
}

// fillRows is about how many events a turn resolves of a table that is being filled, unless an hour has more.
const fillRows = 200_000

// run takes a turn; more tells that there is another one to take.
func (t *turn) run(ctx context.Context) (more bool, err error) {
	if err := t.find(ctx); err != nil {
		return false, err
	}
	switch {
	case len(t.again) > 0:
		if !t.known {
			return false, nil // it is made from nothing as soon as somebody asks for it
		}
		t.changed = sessions.SessionSet{Keys: sessions.NewKeySet(slices.Clone(t.again)),
			Times: sessions.Span{Low: math.MinInt64, High: math.MaxInt64}}
	case !t.known || t.base.Filling:
		if more, err = t.fill(ctx); err != nil {
			return false, err
		}
	case t.to == t.base && !ledger.IsOff(t.table):
		return false, nil
	default:
		if err := t.change(ctx); err != nil {
			return false, err
		}
	}
	defer func() {
		if errors.Is(err, lake.ErrConflict) {
			t.withdraw(ctx)
		}
	}()
	if err := t.stage(ctx); err != nil {
		return false, err
	}
	return more, t.commit(ctx)
}

// fill finds the next hours to be filled.
func (t *turn) fill(ctx context.Context) (more bool, err error) {
	live, err := t.eventFiles(ctx)
	if err != nil {
		return false, err
	}
	type hourFile struct {
		hour telemetry.Hour
		file iceberg.DataFile
	}
	var waiting []hourFile
	for _, file := range live {
		hour, err := lake.HourOfFile(file)
		if err != nil {
			return false, err
		}
		if !t.base.Filling || hour >= t.base.Next {
			waiting = append(waiting, hourFile{hour, file})
		}
	}
	slices.SortFunc(waiting, func(a, b hourFile) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.file.FilePath(), b.file.FilePath()))
	})
	rows := int64(0)
	for i, each := range waiting {
		if i > 0 && rows > fillRows && each.hour != waiting[i-1].hour {
			t.to.Filling, t.to.Next = true, each.hour
			return true, nil
		}
		t.come = append(t.come, each.file)
		rows += each.file.Count()
	}
	t.to.Filling, t.to.Next = false, 0
	return true, nil // silver may have moved on since it began
}

// eventFiles are the live files of silver.events as they are to be reflected.
func (t *turn) eventFiles(ctx context.Context) ([]iceberg.DataFile, error) {
	if t.to.Events == 0 {
		return nil, nil
	}
	return lake.LiveFiles(ctx, t.silver[0].Table, table.WithSnapshotID(t.to.Events))
}

// change finds what changed in silver. Of an hour that lost files, all is made anew.
func (t *turn) change(ctx context.Context) error {
	changes, err := t.silver[0].Changes(ctx, t.lake)
	if err != nil {
		return err
	}
	t.hours = map[telemetry.Hour]bool{}
	for _, file := range changes.Removed {
		hour, err := lake.HourOfFile(file)
		if err != nil {
			return err
		}
		t.hours[hour] = true
	}
	for _, file := range changes.Added {
		hour, err := lake.HourOfFile(file)
		if err != nil {
			return err
		}
		if !t.hours[hour] {
			t.come = append(t.come, file)
		}
	}
	if len(t.hours) > 0 {
		live, err := t.eventFiles(ctx)
		if err != nil {
			return err
		}
		for _, file := range live {
			hour, err := lake.HourOfFile(file)
			if err != nil {
				return err
			}
			if t.hours[hour] {
				t.come = append(t.come, file)
			}
		}
	}
	t.changed, err = changedSessions(ctx, t)
	return err
}

// stage writes the files of a turn.
func (t *turn) stage(ctx context.Context) (err error) {
	present, err := lake.LiveFiles(ctx, t.table)
	if err != nil {
		return err
	}
	if !t.known {
		t.removed = present
	} else if err := t.meet(ctx, present); err != nil {
		return err
	}
	if err := t.resolveComing(ctx); err != nil {
		return err
	}
	defer t.facts.close()
	if !t.known {
		return nil
	}
	if err := t.meetFacts(); err != nil {
		return err
	}
	return each(ctx, present, t.patchFile)
}

// resolveComing finds out whose the events that come are, and writes them.
func (t *turn) resolveComing(ctx context.Context) error {
	groups, err := byDay(t.come)
	if err != nil {
		return err
	}
	for t.along = true; ; t.along = false {
		if t.facts, err = findFacts(ctx, t); err != nil {
			return err
		}
		if err = each(ctx, groups, t.resolveFiles); err == nil {
			return nil
		}
		t.facts.close()
		if !t.along || !errors.Is(err, sessions.ErrUnsorted) {
			return err
		}
		t.withdraw(ctx) // files of another engine, perhaps: what is known is brought together in another way
	}
}

// withdraw removes what was written, and not committed; maintenance sweeps what can't be removed.
func (t *turn) withdraw(ctx context.Context) {
	for _, file := range t.added {
		_ = t.lake.Objects.Remove(context.WithoutCancel(ctx), []string{file.Path})
	}
	t.added, t.metAlso, t.metLarge = nil, nil, nil
	t.came.Store(0)
}

// togetherBytes is how much of silver.events, of one day, becomes one file, which one processor works on.
const togetherBytes = 4 << 20

// byDay gathers files of silver.events, in the order of their hours, that are to become one file.
func byDay(files []iceberg.DataFile) (groups [][]iceberg.DataFile, err error) {
	hours := map[string]telemetry.Hour{}
	for _, file := range files {
		if hours[file.FilePath()], err = lake.HourOfFile(file); err != nil {
			return nil, err
		}
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b iceberg.DataFile) int {
		return cmp.Or(cmp.Compare(hours[a.FilePath()], hours[b.FilePath()]), cmp.Compare(a.FilePath(), b.FilePath()))
	})
	bytes, day := int64(0), int32(0)
	for _, file := range files {
		if date := hours[file.FilePath()].Date(); len(groups) == 0 || date != day ||
			bytes+file.FileSizeBytes() > togetherBytes {
			groups, bytes, day = append(groups, nil), 0, date
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], file)
		bytes += file.FileSizeBytes()
	}
	return groups, nil
}

// each does several things at once.
func each[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, one := range all {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, one)
		})
	}
	return work.Wait()
}

func (t *turn) add(file *lake.DataFile) {
	if file == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.added = append(t.added, *file)
}

func (t *turn) remove(file iceberg.DataFile) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.removed = append(t.removed, file)
}

func (t *turn) read(rows int64) { t.progress(t.rows.Add(rows)) }

// name begins the names of a turn's files: no two turns share one.
func (t *turn) name() string {
	return fmt.Sprintf("%s-%d", lake.ShortID(t.round), time.Now().UnixNano())
}

// commit makes a turn visible. ErrConflict: plan it again.
func (t *turn) commit(ctx context.Context) error {
	return t.lake.Commit(ctx, lake.GoldEvents, func(loaded *table.Table) (*lake.Change, error) {
		if loaded.Properties()[ledger.PropertyRound] == t.round {
			return nil, nil
		}
		if head, planned := lake.HeadOf(loaded), lake.HeadOf(t.table); head != planned {
			return nil, fmt.Errorf("%w: %s is at snapshot %d, planned at %d", lake.ErrConflict, lake.GoldEvents.Name,
				head, planned)
		}
		if state, known := ledger.EventsStateOf(loaded); t.known && (!known || state != t.base) {
			return nil, fmt.Errorf("%w: %s moved on", lake.ErrConflict, lake.GoldEvents.Name)
		}
		// Somebody may have been forgotten since silver was read.
		erasures, err := forgotten.ErasuresAt(ctx, t.lake)
		if err != nil {
			return nil, err
		}
		if erasures != t.erasures {
			return nil, fmt.Errorf("%w: a user was forgotten meanwhile", lake.ErrConflict)
		}
		wanted := t.to.Note(loaded, t.round)
		wanted.Remove = t.removed
		wanted.Add, err = t.lake.Entries(lake.GoldEvents, t.added)
		wanted.Fresh = len(t.removed) == 0
		return wanted, err
	})
}

package checks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// waiting is what a table has yet to take in of others' logs.
type waiting struct {
	since time.Time // when the first of it was committed
	hours []string
}

// add looks at the log of a table behind a snapshot.
func (w *waiting) add(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, reached int64) error {
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return err
	}
	entries, _ := ledger.Since(loaded, reached)
	for _, entry := range entries {
		if entry.Compaction || len(entry.Runs) == 0 {
			continue
		}
		for _, run := range entry.Runs {
			w.hours = append(w.hours, run.Hour.String())
		}
		if w.since.IsZero() || entry.CommittedAt().Before(w.since) {
			w.since = entry.CommittedAt()
		}
	}
	slices.Sort(w.hours)
	w.hours = slices.Compact(w.hours)
	return nil
}

func (k *looker) minutes(w waiting) float64 {
	if w.since.IsZero() {
		return 0
	}
	return 60 * since(k.Now, w.since)
}

// goldBehind says how long the hours wait that gold does not show. It reads tables' metadata alone.
func (k *looker) goldBehind(ctx context.Context, d Definition) (Result, error) {
	users, err := k.lake.Load(ctx, lake.GoldUsers)
	if err != nil {
		return Result{}, err
	}
	base := ledger.GoldBase(users)
	var w waiting
	for _, log := range []ledger.Reached{{Definition: lake.SilverSightings, Snapshot: base.Sightings},
		{Definition: lake.SilverBindings, Snapshot: base.Bindings}} {
		if err := w.add(ctx, k.lake, log.Definition, log.Snapshot); err != nil {
			return Result{}, err
		}
	}
	minutes := k.minutes(w)
	if d.stateOf(minutes) == OK {
		return d.Result(minutes, nil, "follows silver"), nil
	}
	followed, err := ledger.Follow(ctx, k.lake, nil,
		ledger.Reached{Definition: lake.SilverSightings, Snapshot: base.Sightings},
		ledger.Reached{Definition: lake.SilverBindings, Snapshot: base.Bindings})
	if err != nil {
		return Result{}, err
	}
	if half := followed.HalfCommitted; len(half) > 0 {
		return d.Result(minutes, half,
			"%s for %.0f minutes for what is half committed: %s; an hour that no longer runs "+
				"must be ingested again", "gold waits", minutes, named(half)), nil
	}
	return d.Result(minutes, w.hours, "%s in silver for up to %.0f minutes and not in gold: %s; see the workflow gold",
		count(len(w.hours), "hour"), minutes, named(w.hours)), nil
}

// dailyBehind says the same of gold.events and of the daily aggregates, where they are kept.
func (k *looker) dailyBehind(ctx context.Context, d Definition) (Result, error) {
	var w waiting
	follow := func(reached [3]int64) error {
		for i, definition := range lake.SilverTables {
			if err := w.add(ctx, k.lake, definition, reached[i]); err != nil {
				return err
			}
		}
		return nil
	}
	events, err := k.lake.Load(ctx, lake.GoldEvents)
	if err != nil && !errors.Is(err, lake.ErrNoLake) {
		return Result{}, err
	}
	if err == nil && events.CurrentSnapshot() != nil {
		if state, known := ledger.EventsStateOf(events); known && !state.Filling {
			if err := follow(state.Of()); err != nil {
				return Result{}, err
			}
		}
	}
	daily, err := k.lake.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return Result{}, err
	}
	if state, known := ledger.DailyStateOf(daily); known {
		if err := follow(state.Of()); err != nil {
			return Result{}, err
		}
	}
	minutes := k.minutes(w)
	if d.stateOf(minutes) == OK {
		return d.Result(minutes, nil, "follow silver"), nil
	}
	return d.Result(minutes, w.hours, "%s in silver for up to %.0f minutes, and not in gold.events or the daily "+
		"aggregates: %s; see the workflow daily", count(len(w.hours), "hour"), minutes, named(w.hours)), nil
}

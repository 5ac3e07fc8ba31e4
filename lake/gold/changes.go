package gold

import (
	"context"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// HourRange are the hours in [From, To).
type HourRange struct {
	From telemetry.Hour `json:"from"`
	To   telemetry.Hour `json:"to"`
}

func (r HourRange) String() string { return r.From.String() + " to " + r.To.String() }

// Remake names users whose rows a round makes from all of their sightings, though silver did not change: because
// someone doubts the rows that are there.
type Remake struct {
	// All: gold starts from nothing, and keeps none of its rows.
	All bool `json:"all,omitempty"`
	// Hours: the users that have a sighting in them.
	Hours []HourRange `json:"hours,omitempty"`
	// Users are these, by user_id. Workflows name none: Temporal would keep their ids.
	Users []string `json:"-"`
}

// Scope is what a round takes in.
type Scope struct {
	Remake Remake
	// UpTo are the runs with which the round ends, though silver may have more; all that silver has where it is empty,
	// or where gold is made anew as a whole.
	UpTo []lake.Run
}

// silverChange is what lies between gold and silver.
type silverChange struct {
	gold    *table.Table
	rebuild bool // gold starts from nothing
	// maxIntervals is how many the rows are to hold.
	maxIntervals int
	sightings    changedTable
	bindings     changedTable
	// Users of these files of silver.sightings, or of their parts, are made again, and so are these users.
	remakeFiles   []iceberg.DataFile
	remakeUsers   []string
	halfCommitted []string
}

// changedTable is a table of silver with the part of its log that gold has not taken in.
type changedTable struct {
	ledger.Log
	files ledger.ChangedFiles
}

// moved tells whether rows came or went.
func (t *changedTable) moved() bool { return len(t.files.Added)+len(t.files.Removed) > 0 }

func (c *silverChange) moved() bool { return c.sightings.moved() || c.bindings.moved() }

// baseless tells that gold does not say which silver it reflects, or that this version of silver is gone.
func (c *silverChange) baseless() bool {
	gone := func(t *changedTable, id int64) bool { return id != 0 && t.Table.SnapshotByID(id) == nil }
	base := ledger.GoldBase(c.gold)
	return !base.Known || gone(&c.sightings, base.Sightings) || gone(&c.bindings, base.Bindings)
}

// Behind tells whether silver has moved on since gold's last commit, and which hours' runs are between their commits
// of silver, or were given up there: gold stops before them.
func Behind(ctx context.Context, l *lake.Lake) (behind bool, halfCommitted []string, err error) {
	c, err := findChange(ctx, l, Scope{})
	return c.moved(), c.halfCommitted, err
}

// WaitingHours are the hours in silver that gold does not show yet, ascending.
func WaitingHours(ctx context.Context, l *lake.Lake) ([]telemetry.Hour, error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	base := ledger.GoldBase(loaded)
	waiting := map[telemetry.Hour]bool{}
	for definition, after := range map[*lake.TableDefinition]int64{&lake.SilverSightings: base.Sightings,
		&lake.SilverBindings: base.Bindings} {
		silver, err := l.Load(ctx, *definition)
		if err != nil {
			return nil, err
		}
		entries, _ := ledger.Since(silver, after) // all of the log, where gold's base is no longer in it
		for _, entry := range entries {
			if entry.Compaction {
				continue
			}
			for _, run := range entry.Runs {
				waiting[run.Hour] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(waiting)), nil
}

// findChange finds what a round has to take in.
func findChange(ctx context.Context, l *lake.Lake, scope Scope) (c silverChange, err error) {
	if c.gold, err = l.Load(ctx, lake.GoldUsers); err != nil {
		return c, err
	}
	var base ledger.Base
	if !scope.Remake.All {
		base = ledger.GoldBase(c.gold)
	}
	if c.maxIntervals, err = ledger.MaxIntervals(ctx, l); err != nil {
		return c, err
	}
	if made := ledger.MaxIntervalsOf(c.gold); made != c.maxIntervals {
		base = ledger.Base{} // every row may hold too many, or too few
	}
	upTo := scope.UpTo
	if !base.Known && c.gold.CurrentSnapshot() != nil {
		upTo = nil // else gold would lose what it has
	}
	followed, err := ledger.Follow(ctx, l,
		upTo, ledger.Reached{Definition: lake.SilverSightings, Snapshot: base.Sightings},
		ledger.Reached{Definition: lake.SilverBindings, Snapshot: base.Bindings})
	if err != nil {
		return c, err
	}
	c.rebuild, c.halfCommitted = !base.Known || followed.Lost, followed.HalfCommitted
	c.sightings.Log, c.bindings.Log = followed.Logs[0], followed.Logs[1]
	for _, t := range [...]*changedTable{&c.sightings, &c.bindings} {
		if t.files, err = t.Changes(ctx, l); err != nil {
			return c, err
		}
	}
	if !c.rebuild {
		c.remakeUsers = scope.Remake.Users
		c.remakeFiles, err = filesOfHours(ctx, l, c.sightings.Log, scope.Remake.Hours)
	}
	return c, err
}

// filesOfHours are the files of a table, or their parts, that hold the hours, as of the end of its log.
func filesOfHours(ctx context.Context, l *lake.Lake, log ledger.Log,
	ranges []HourRange) (files []iceberg.DataFile, err error) {
	if log.To == 0 {
		return nil, nil
	}
	for _, hours := range ranges {
		live, err := lake.LiveFiles(ctx, log.Table, table.WithSnapshotID(log.To),
			lake.HoursBetween(hours.From, hours.To))
		if err != nil {
			return nil, err
		}
		chosen := map[telemetry.Hour][]lake.HourRows{}
		for _, file := range live {
			parts, err := l.ByHour(ctx, lake.SilverSightings, file)
			if err != nil {
				return nil, err
			}
			for _, part := range parts {
				if part.Hour >= hours.From && part.Hour < hours.To {
					chosen[part.Hour] = append(chosen[part.Hour], part)
				}
			}
		}
		files = append(files, ledger.JoinParts(chosen)...)
	}
	return files, nil
}

package maintain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// Steps of maintenance.
const (
	StepDrop      = "drop"      // hours that are older than their layer is kept
	StepCompact   = "compact"   // small files of a partition become one
	StepManifests = "manifests" // likewise manifests
	StepExpire    = "expire"    // snapshots and tags that are older than they are kept
	StepSweep     = "sweep"     // files that nothing names any more
)

// Saving is what a step did for a table.
type Saving struct {
	Table  string `json:"table"` // or _staging
	Step   string `json:"step"`
	What   string `json:"what"` // is counted: files, manifests, snapshots, tags, folders
	Before int64  `json:"before"`
	After  int64  `json:"after"`
	Bytes  int64  `json:"bytes"` // fewer than before, where the step knows
}

// Ages that maintenance goes by.
const (
	// DefaultSnapshotAge is how long a snapshot of gold can be read that no tag names.
	DefaultSnapshotAge = 48 * time.Hour
	// logAge is the same for all other tables, where nobody travels: a run that is tried again finds what it
	// committed. Every commit reads and writes the list of all snapshots.
	logAge = 6 * time.Hour
	// DefaultGrace is how long a file that nothing names is left alone. It must be longer than any step of a run or
	// round, the longest of which may take 12 hours, and than any query.
	DefaultGrace = 24 * time.Hour
	// DefaultOpenDays is how many of the newest days late hours still come to as a rule: each takes its rows out of
	// its day's file.
	DefaultOpenDays = 2
)

// Upkeep says how a table is maintained.
type Upkeep struct {
	SnapshotAge time.Duration `json:"snapshot_age"` // of gold.users; the snapshots of other tables go sooner
	Grace       time.Duration `json:"grace"`
	OpenDays    int           `json:"open_days"` // a table's newest days, whose hours have files of their own
	DryRun      bool          `json:"dry_run"`   // nothing is changed; the savings are those that a run would make
}

// TableNames are the tables that maintenance looks after.
func TableNames() []string {
	names := make([]string, len(lake.TableDefinitions))
	for i, definition := range lake.TableDefinitions {
		names[i] = definition.Name
	}
	return names
}

// MaintainTable compacts a table, rewrites its manifests, expires its snapshots and tags, and sweeps its files. It
// may be called while anything else reads and writes the table, and again after a crash at any point. progress
// tells what is done.
func MaintainTable(ctx context.Context, l *lake.Lake, name string, u Upkeep,
	progress func(done string)) (savings []Saving, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("maintain %s: %w", name, err)
		}
	}()
	definition, err := lake.DefinitionOf(name)
	if err != nil {
		return nil, err
	}
	compacted, err := compact(ctx, l, definition, u, progress)
	if err != nil {
		return nil, err
	}
	progress("compacted")
	manifests, err := rewriteManifests(ctx, l, definition, u.DryRun)
	if err != nil {
		return nil, err
	}
	progress("wrote manifests")
	age := u.SnapshotAge
	if !strings.HasPrefix(name, "gold.") || name == lake.GoldEvents.Name {
		age = min(age, logAge)
	}
	snapshots, tags, err := expire(ctx, l, definition, age, u.DryRun)
	if err != nil {
		return nil, err
	}
	progress("expired snapshots")
	removed, waiting, err := sweep(ctx, l, definition, u.Grace, u.DryRun, progress)
	if err != nil {
		return nil, err
	}
	return []Saving{compacted, manifests, snapshots, tags, removed, waiting}, nil
}

// change commits what plan says, or only plans it.
func change(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, dryRun bool,
	plan func(*table.Table) (*lake.Change, error)) error {
	if !dryRun {
		return l.Commit(ctx, definition, plan)
	}
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return err
	}
	_, err = plan(loaded)
	return err
}

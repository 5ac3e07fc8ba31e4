package gold

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/versionkeys"
	"github.com/versionlake/versionlake/telemetry"
)

// Committed is a commit of gold.
type Committed struct {
	SnapshotID int64    `json:"snapshot_id,string"` // as text: JSON readers round large numbers
	Tags       []string `json:"tags"`
	Users      int64    `json:"users"` // rows in the table
	// Waiting are runs that this commit could not show yet, because another hour was half committed: plan again soon.
	Waiting []lake.Run `json:"waiting,omitempty"`
}

// CommitUsers makes the merged buckets visible in one snapshot, together with a tag for each hour of runs that it
// shows: hour-2022-05-27T05, and .2, .3 for an hour that is redone with another result. Called again with the same
// plan it returns the same commit. ErrConflict: gold moved since the plan; plan again.
func CommitUsers(ctx context.Context, l *lake.Lake, plan Plan, merged []Merged,
	runs []lake.Run) (result Committed, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit users: %w", err)
		}
	}()
	var staged stagedRound
	if err := l.ReadStaged(plan.Ref, &staged); err != nil {
		return Committed{}, err
	}
	wanted, err := usersChange(l, &staged, merged)
	if err != nil {
		return Committed{}, err
	}
	visible, waiting, changed, err := visibleRuns(ctx, l, &staged, runs)
	if err != nil {
		return Committed{}, err
	}
	result.Waiting = waiting
	redone, err := redone(ctx, l, visible)
	if err != nil {
		return Committed{}, err
	}
	// The versions come first, so that no reader of gold.users misses a key.
	versions, err := versionkeys.Ensure(ctx, l, staged.Versions, false)
	if err != nil {
		return Committed{}, err
	}
	err = l.Commit(ctx, lake.GoldUsers, func(loaded *table.Table) (*lake.Change, error) {
		if done := roundSnapshot(loaded, staged.Round); done != nil {
			return nil, nil
		}
		head := int64(0)
		if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
			head = snapshot.SnapshotID
		}
		if head != staged.Head {
			return nil, fmt.Errorf("%w: gold.users is at snapshot %d, planned at %d", lake.ErrConflict, head,
				staged.Head)
		}
		c := *wanted
		if len(c.Add)+len(c.Remove) == 0 {
			// The head is only named, and needs one name an hour; it may have it from a call whose answer was lost.
			c.Tags = newTags(loaded, unnamed(loaded, visible), changed, redone)
		} else {
			c.Tags = newTags(loaded, visible, changed, redone)
			c.Summary = maps.Clone(c.Summary)
			c.Summary[lake.SummaryTags] = strings.Join(c.Tags, " ")
		}
		if head == 0 && len(c.Add) == 0 {
			c.Tags = nil // nothing to tag yet
		}
		if number, err := lake.RulesOf(loaded); err != nil {
			return nil, err
		} else if staged.Rebuild && number != lake.Rules {
			c.Updates = append(c.Updates, table.NewSetPropertiesUpdate(lake.RulesProperty()))
		}
		return &c, nil
	})
	if err != nil {
		return Committed{}, err
	}
	if err := versionkeys.EnsureStill(ctx, l, staged.Versions, staged.Rebuild, versions); err != nil {
		return Committed{}, err
	}
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return Committed{}, err
	}
	snapshot := roundSnapshot(loaded, staged.Round)
	if snapshot == nil {
		snapshot = loaded.CurrentSnapshot()
	}
	if snapshot != nil {
		result.SnapshotID = snapshot.SnapshotID
		result.Tags = tagsOf(loaded, snapshot.SnapshotID, visible)
		if snapshot.Summary != nil {
			result.Users, _ = strconv.ParseInt(snapshot.Summary.Properties["total-records"], 10, 64)
		}
	}
	return result, nil
}

// usersChange gathers what the merges wrote and what it replaces.
func usersChange(l *lake.Lake, staged *stagedRound, merged []Merged) (*lake.Change, error) {
	wanted := &lake.Change{Summary: iceberg.Properties{
		lake.SummaryRound:     staged.Round,
		lake.SummarySightings: strconv.FormatInt(staged.Sightings, 10),
		lake.SummaryBindings:  strconv.FormatInt(staged.Bindings, 10),
	}}
	var added []lake.DataFile
	for _, each := range merged {
		var m StagedMerge
		if err := l.Objects.ReadJSON(each.Ref, &m); err != nil {
			return nil, err
		}
		added = append(added, m.Files...)
	}
	var removed []lake.DataFile
	for _, files := range staged.Old {
		removed = append(removed, files...)
	}
	// Same rows, same bytes: what the changes of silver come to nothing in makes no commit.
	fresh := map[string]int{}
	for _, file := range added {
		fresh[lake.Digest(file.Path)]++
	}
	kept := map[string]int{}
	removed = slices.DeleteFunc(removed, func(file lake.DataFile) bool {
		d := lake.Digest(file.Path)
		if fresh[d] > 0 {
			fresh[d]--
			kept[d]++
			return true
		}
		return false
	})
	added = slices.DeleteFunc(added, func(file lake.DataFile) bool {
		d := lake.Digest(file.Path)
		if kept[d] > 0 {
			kept[d]--
			return true
		}
		return false
	})
	var err error
	if wanted.Add, err = l.Entries(lake.GoldUsers, added); err != nil {
		return nil, err
	}
	wanted.Remove, err = l.Entries(lake.GoldUsers, removed)
	wanted.Fresh = len(removed) == 0
	return wanted, err
}

// visibleRuns divides runs into those that the plan reflects and those that still wait; changed are those that
// moved silver.
func visibleRuns(ctx context.Context, l *lake.Lake, staged *stagedRound,
	runs []lake.Run) (visible, waiting []lake.Run, changed map[lake.Run]bool, err error) {
	changed = map[lake.Run]bool{}
	ahead, aheadOfHour := map[lake.Run]bool{}, map[telemetry.Hour]bool{}
	for _, part := range [...]struct {
		definition lake.TableDefinition
		reached    int64
	}{{lake.SilverSightings, staged.Sightings}, {lake.SilverBindings, staged.Bindings}} {
		loaded, err := l.Load(ctx, part.definition)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, snapshot := range loaded.Metadata().Snapshots() {
			for _, run := range lake.RunsIn(&snapshot) {
				changed[run] = true
			}
		}
		entries, _ := ledger.Since(loaded, part.reached)
		for _, entry := range entries {
			for _, run := range entry.Runs {
				ahead[run], aheadOfHour[run.Hour] = true, true
			}
		}
	}
	for _, run := range runs {
		// A run without a commit of its own found what a run before it had left: that must be visible.
		if ahead[run] || !changed[run] && aheadOfHour[run.Hour] {
			waiting = append(waiting, run)
		} else {
			visible = append(visible, run)
		}
	}
	slices.SortFunc(visible, func(a, b lake.Run) int { return int(a.Hour - b.Hour) })
	return visible, waiting, changed, nil
}

func roundSnapshot(loaded *table.Table, round string) *table.Snapshot {
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		if snapshot.Summary != nil && snapshot.Summary.Properties[lake.SummaryRound] == round {
			return &snapshot
		}
	}
	return nil
}

// redone are the runs of hours that had one before whose tag may have expired: the ledger knows.
func redone(ctx context.Context, l *lake.Lake, runs []lake.Run) (map[lake.Run]bool, error) {
	gold, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(slices.Clone(runs),
		func(run lake.Run) bool { return time.Since(run.Hour.End()) < l.TagAge(TagOf(run)) })
	if len(old) == 0 || ledger.KnownSince(gold) == 0 {
		return nil, nil
	}
	byHour := func(a, b lake.Run) int { return int(a.Hour - b.Hour) }
	rows, err := ledger.Runs(ctx, l, slices.MinFunc(old, byHour).Hour, slices.MaxFunc(old, byHour).Hour+1)
	if err != nil {
		return nil, err
	}
	first := map[telemetry.Hour]ledger.Hour{}
	for _, row := range rows {
		if before, ok := first[row.Hour]; !ok || row.FinishedAt.Before(before.FinishedAt) {
			first[row.Hour] = row
		}
	}
	redone := map[lake.Run]bool{}
	for _, run := range old {
		row, ok := first[run.Hour]
		redone[run] = ok && row.RunID != run.ID
	}
	return redone, nil
}

// newTags names the hours that a commit shows. An hour keeps its first tag; a rerun that moved rows gets the next
// number, one that moved none gets nothing: a reader could not tell the difference. A first tag that expired does
// not come back: it would say that today's was known then.
func newTags(loaded *table.Table, visible []lake.Run, changed, redone map[lake.Run]bool) []string {
	taken := map[string]bool{}
	for name := range loaded.Metadata().Refs() {
		taken[name] = true
	}
	var tags []string
	for _, run := range visible {
		tag := TagOf(run)
		if taken[tag] || redone[run] {
			if !changed[run] {
				continue
			}
			for n := 2; tag == TagOf(run) || taken[tag]; n++ {
				tag = fmt.Sprintf("%s.%d", TagOf(run), n)
			}
		}
		taken[tag] = true
		tags = append(tags, tag)
	}
	return tags
}

// unnamed are the runs whose hour the head has no tag of.
func unnamed(loaded *table.Table, runs []lake.Run) []lake.Run {
	head := loaded.CurrentSnapshot()
	if head == nil {
		return runs
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run lake.Run) bool {
		return len(tagsOf(loaded, head.SnapshotID, []lake.Run{run})) > 0
	})
}

// TagOf is the first tag of a run's hour.
func TagOf(run lake.Run) string { return "hour-" + run.Hour.String() }

// tagsOf finds the tags that a snapshot has for the hours of runs.
func tagsOf(loaded *table.Table, snapshot int64, runs []lake.Run) []string {
	tags := []string{}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot && slices.ContainsFunc(runs, func(run lake.Run) bool {
			return name == TagOf(run) || strings.HasPrefix(name, TagOf(run)+".")
		}) {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	return tags
}

// silverFiles are the files that a plan reflects.
func silverFiles(ctx context.Context, l *lake.Lake,
	staged *stagedRound) (sightings, bindings []iceberg.DataFile, err error) {
	for _, part := range [...]struct {
		definition lake.TableDefinition
		snapshot   int64
		files      *[]iceberg.DataFile
	}{{lake.SilverSightings, staged.Sightings, &sightings}, {lake.SilverBindings, staged.Bindings, &bindings}} {
		if part.snapshot == 0 {
			continue
		}
		loaded, err := l.Load(ctx, part.definition)
		if err != nil {
			return nil, nil, err
		}
		if loaded.SnapshotByID(part.snapshot) == nil {
			return nil, nil, fmt.Errorf("%w: snapshot %d of %s was expired", lake.ErrConflict, part.snapshot,
				part.definition.Name)
		}
		if *part.files, err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(part.snapshot)); err != nil {
			return nil, nil, err
		}
	}
	return sightings, bindings, nil
}

// DropRound removes what a round of the gold writer staged.
func DropRound(ctx context.Context, l *lake.Lake, plan Plan) error {
	var staged stagedRound
	if err := l.Objects.ReadJSON(plan.Ref, &staged); err != nil {
		return err
	}
	return l.Objects.RemoveAll(ctx, roundFolder(l, staged.Round))
}

package lake

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

	"github.com/versionlake/versionlake/telemetry"
)

// UsersCommit is a commit of gold.
type UsersCommit struct {
	SnapshotID int64    `json:"snapshot_id,string"` // as text: JSON readers round large numbers
	Tags       []string `json:"tags"`
	Users      int64    `json:"users"` // rows in the table
	// Waiting are runs that this commit could not show yet, because another hour was half committed: plan again soon.
	Waiting []Run `json:"waiting,omitempty"`
}

// CommitUsers makes the merged buckets visible in one snapshot, together with a tag for each hour of runs that it shows:
// hour-2022-05-27T05, and .2, .3 for an hour that is redone with another result. Called again with the same plan it
// returns the same commit. ErrConflict: gold moved since the plan; plan again.
func (l *Lake) CommitUsers(ctx context.Context, plan UsersPlan, merged []MergedUsers, runs []Run) (result UsersCommit, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit users: %w", err)
		}
	}()
	var staged stagedUsers
	if err := l.readRound(plan.Ref, &staged); err != nil {
		return UsersCommit{}, err
	}
	wanted, err := l.usersChange(&staged, merged)
	if err != nil {
		return UsersCommit{}, err
	}
	visible, waiting, changed, err := l.visibleRuns(ctx, &staged, runs)
	if err != nil {
		return UsersCommit{}, err
	}
	result.Waiting = waiting
	redone, err := l.redone(ctx, visible)
	if err != nil {
		return UsersCommit{}, err
	}
	// The versions come first, so that no reader of gold.users misses a key.
	versions, err := l.ensureVersions(ctx, staged.Versions, false)
	if err != nil {
		return UsersCommit{}, err
	}
	err = l.commit(ctx, goldUsers, func(loaded *table.Table) (*change, error) {
		if done := roundSnapshot(loaded, staged.Round); done != nil {
			return nil, nil
		}
		head := int64(0)
		if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
			head = snapshot.SnapshotID
		}
		if head != staged.Head {
			return nil, fmt.Errorf("%w: gold.users is at snapshot %d, planned at %d", ErrConflict, head, staged.Head)
		}
		c := *wanted
		if len(c.add)+len(c.remove) == 0 {
			// The head is only named, and needs one name an hour; it may have it from a call whose answer was lost.
			c.tags = newTags(loaded, unnamed(loaded, visible), changed, redone)
		} else {
			c.tags = newTags(loaded, visible, changed, redone)
			c.summary = maps.Clone(c.summary)
			c.summary[summaryTags] = strings.Join(c.tags, " ")
		}
		if head == 0 && len(c.add) == 0 {
			c.tags = nil // nothing to tag yet
		}
		if number, err := rulesOf(loaded); err != nil {
			return nil, err
		} else if staged.Rebuild && number != Rules {
			c.updates = append(c.updates, table.NewSetPropertiesUpdate(rulesProperty()))
		}
		return &c, nil
	})
	if err != nil {
		return UsersCommit{}, err
	}
	if err := l.keepVersions(ctx, &staged, versions); err != nil {
		return UsersCommit{}, err
	}
	loaded, err := l.load(ctx, goldUsers)
	if err != nil {
		return UsersCommit{}, err
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
func (l *Lake) usersChange(staged *stagedUsers, merged []MergedUsers) (*change, error) {
	wanted := &change{summary: iceberg.Properties{
		summaryRound:     staged.Round,
		summarySightings: strconv.FormatInt(staged.Sightings, 10),
		summaryBindings:  strconv.FormatInt(staged.Bindings, 10),
	}}
	var added []dataFile
	for _, each := range merged {
		var m stagedMerge
		if err := l.objects.readJSON(each.Ref, &m); err != nil {
			return nil, err
		}
		added = append(added, m.Files...)
	}
	var removed []dataFile
	for _, files := range staged.Old {
		removed = append(removed, files...)
	}
	// Same rows, same bytes: what the changes of silver come to nothing in makes no commit.
	fresh := map[string]int{}
	for _, file := range added {
		fresh[digest(file.Path)]++
	}
	kept := map[string]int{}
	removed = slices.DeleteFunc(removed, func(file dataFile) bool {
		d := digest(file.Path)
		if fresh[d] > 0 {
			fresh[d]--
			kept[d]++
			return true
		}
		return false
	})
	added = slices.DeleteFunc(added, func(file dataFile) bool {
		d := digest(file.Path)
		if kept[d] > 0 {
			kept[d]--
			return true
		}
		return false
	})
	var err error
	if wanted.add, err = l.entries(goldUsers, added); err != nil {
		return nil, err
	}
	wanted.remove, err = l.entries(goldUsers, removed)
	wanted.fresh = len(removed) == 0
	return wanted, err
}

// visibleRuns divides runs into those that the plan reflects and those that still wait; changed are those that moved silver.
func (l *Lake) visibleRuns(ctx context.Context, staged *stagedUsers, runs []Run) (visible, waiting []Run, changed map[Run]bool, err error) {
	changed = map[Run]bool{}
	ahead, aheadOfHour := map[Run]bool{}, map[telemetry.Hour]bool{}
	for _, part := range [...]struct {
		definition tableDefinition
		reached    int64
	}{{silverSightings, staged.Sightings}, {silverBindings, staged.Bindings}} {
		loaded, err := l.load(ctx, part.definition)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, snapshot := range loaded.Metadata().Snapshots() {
			for _, run := range runsIn(&snapshot) {
				changed[run] = true
			}
		}
		entries, _ := log(loaded, part.reached)
		for _, entry := range entries {
			for _, run := range entry.runs {
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
	slices.SortFunc(visible, func(a, b Run) int { return int(a.Hour - b.Hour) })
	return visible, waiting, changed, nil
}

func roundSnapshot(loaded *table.Table, round string) *table.Snapshot {
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		if snapshot.Summary != nil && snapshot.Summary.Properties[summaryRound] == round {
			return &snapshot
		}
	}
	return nil
}

// redone are the runs of hours that had one before whose tag may have expired: the ledger knows.
func (l *Lake) redone(ctx context.Context, runs []Run) (map[Run]bool, error) {
	gold, err := l.load(ctx, goldUsers)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(slices.Clone(runs), func(run Run) bool { return time.Since(run.Hour.End()) < l.tagAge(TagOf(run)) })
	if len(old) == 0 || knownSince(gold) == 0 {
		return nil, nil
	}
	byHour := func(a, b Run) int { return int(a.Hour - b.Hour) }
	rows, err := l.hourRows(ctx, slices.MinFunc(old, byHour).Hour, slices.MaxFunc(old, byHour).Hour+1)
	if err != nil {
		return nil, err
	}
	first := map[telemetry.Hour]HourRow{}
	for _, row := range rows {
		if before, ok := first[row.Hour]; !ok || row.FinishedAt.Before(before.FinishedAt) {
			first[row.Hour] = row
		}
	}
	redone := map[Run]bool{}
	for _, run := range old {
		row, ok := first[run.Hour]
		redone[run] = ok && row.RunID != run.ID
	}
	return redone, nil
}

// newTags names the hours that a commit shows. An hour keeps its first tag; a rerun that moved rows gets the next number,
// one that moved none gets nothing: a reader could not tell the difference. A first tag that expired does not come back: it
// would say that today's was known then.
func newTags(loaded *table.Table, visible []Run, changed, redone map[Run]bool) []string {
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
func unnamed(loaded *table.Table, runs []Run) []Run {
	head := loaded.CurrentSnapshot()
	if head == nil {
		return runs
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run Run) bool {
		return len(tagsOf(loaded, head.SnapshotID, []Run{run})) > 0
	})
}

// TagOf is the first tag of a run's hour.
func TagOf(run Run) string { return "hour-" + run.Hour.String() }

// tagsOf finds the tags that a snapshot has for the hours of runs.
func tagsOf(loaded *table.Table, snapshot int64, runs []Run) []string {
	tags := []string{}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot && slices.ContainsFunc(runs, func(run Run) bool {
			return name == TagOf(run) || strings.HasPrefix(name, TagOf(run)+".")
		}) {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	return tags
}

// silverFiles are the files that a plan reflects.
func (l *Lake) silverFiles(ctx context.Context, staged *stagedUsers) (sightings, bindings []iceberg.DataFile, err error) {
	for _, part := range [...]struct {
		definition tableDefinition
		snapshot   int64
		files      *[]iceberg.DataFile
	}{{silverSightings, staged.Sightings, &sightings}, {silverBindings, staged.Bindings, &bindings}} {
		if part.snapshot == 0 {
			continue
		}
		loaded, err := l.load(ctx, part.definition)
		if err != nil {
			return nil, nil, err
		}
		if loaded.SnapshotByID(part.snapshot) == nil {
			return nil, nil, fmt.Errorf("%w: snapshot %d of %s was expired", ErrConflict, part.snapshot, part.definition.name)
		}
		if *part.files, err = liveFiles(ctx, loaded, table.WithSnapshotID(part.snapshot)); err != nil {
			return nil, nil, err
		}
	}
	return sightings, bindings, nil
}

// DropRound removes what a round of the gold writer staged.
func (l *Lake) DropRound(ctx context.Context, plan UsersPlan) error {
	var staged stagedUsers
	if err := l.objects.readJSON(plan.Ref, &staged); err != nil {
		return err
	}
	return l.objects.removeAll(ctx, l.roundFolder(staged.Round))
}

// tagAge says how long a tag is kept: hourly ones for two days, the day's last longer, so that a day can be compared with
// a day of last month.
func (l *Lake) tagAge(tag string) time.Duration {
	if hour, _, _ := strings.Cut(tag, "."); strings.HasSuffix(hour, "T23") {
		return l.config.DayTagAge
	}
	return l.config.TagAge
}

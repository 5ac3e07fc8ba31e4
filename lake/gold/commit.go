package gold

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
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
	// New: the round changed rows, and so has a snapshot of its own.
	New bool `json:"-"`
}

// CommitUsers makes the merged buckets visible in one snapshot, with a tag for the last hour of the runs that it shows,
// for that is what is known then: hour-2022-05-27T05, and .2, .3 for an hour that is redone with another result. Called
// again with the same plan it returns the same commit. ErrConflict: gold moved since the plan; plan again.
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
	c := roundCommit{staged: &staged}
	if c.wanted, err = usersChange(l, &staged, merged); err != nil {
		return Committed{}, err
	}
	if err := c.divideRuns(ctx, l, runs); err != nil {
		return Committed{}, err
	}
	if c.wanted.NotBefore, err = ledger.LastChange(ctx, l, lake.OpsHours); err != nil { // of what it may show
		return Committed{}, err
	}
	// The versions come first, so that no reader of gold.users misses a key.
	found, err := versionkeys.Ensure(ctx, l, staged.Versions, false)
	if err != nil {
		return Committed{}, err
	}
	if err := l.Commit(ctx, lake.GoldUsers, c.change); err != nil {
		return Committed{}, err
	}
	if err := versionkeys.EnsureStill(ctx, l, staged.Versions, staged.Rebuild, found); err != nil {
		return Committed{}, err
	}
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return Committed{}, err
	}
	return c.result(loaded), nil
}

// CommittedBefore finds what a round committed, by the beginning of its name, for these runs.
func CommittedBefore(ctx context.Context, l *lake.Lake, prefix string,
	runs []lake.Run) (result Committed, found bool, err error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return result, false, err
	}
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		if snapshot.Summary == nil || !strings.HasPrefix(snapshot.Summary.Properties[lake.SummaryRound], prefix) {
			continue
		}
		base := ledger.BaseOf(&snapshot)
		c := roundCommit{staged: &stagedRound{Round: snapshot.Summary.Properties[lake.SummaryRound],
			Sightings: base.Sightings, Bindings: base.Bindings}}
		if err := c.divideRuns(ctx, l, runs); err != nil {
			return result, false, fmt.Errorf("look for round %s: %w", prefix, err)
		}
		return c.result(loaded), true, nil
	}
	return result, false, nil
}

// roundCommit is a round that is about to be committed.
type roundCommit struct {
	staged *stagedRound
	wanted *lake.Change
	// visible are the runs that the round shows, waiting those that it can't show yet.
	visible, waiting []lake.Run
	named            []lake.Run        // the one of visible that the commit is named after
	changed          map[lake.Run]bool // runs that moved silver
	ahead            map[lake.Run]bool // those of them that the plan does not reflect
	redone           map[lake.Run]bool // runs whose hour had one before
}

// change is what the round changes in gold.users as it is now; nil where it has done so before.
func (c *roundCommit) change(loaded *table.Table) (*lake.Change, error) {
	if roundSnapshot(loaded, c.staged.Round) != nil {
		return nil, nil
	}
	head := lake.HeadOf(loaded)
	if head != c.staged.Head {
		return nil, fmt.Errorf("%w: gold.users is at snapshot %d, planned at %d", lake.ErrConflict, head, c.staged.Head)
	}
	change := *c.wanted
	if len(change.Add)+len(change.Remove) == 0 {
		// The head is only named, and needs one name an hour; it may have it from a call whose answer was lost.
		change.Tags = c.newTags(loaded, unnamed(loaded, c.named))
		change.Updates = ledger.Reflecting(loaded, c.staged.Sightings, c.staged.Bindings)
	} else {
		change.Tags = c.newTags(loaded, c.named)
		change.Summary = maps.Clone(change.Summary)
		change.Summary[lake.SummaryTags] = strings.Join(change.Tags, " ")
		if newest, ok := c.newestHour(loaded, head); ok {
			change.Summary[lake.SummaryNewestHour] = newest.String()
		}
	}
	if head == 0 && len(change.Add) == 0 {
		change.Tags = nil // nothing to tag yet
	}
	rules, err := lake.RulesOf(loaded)
	if err != nil {
		return nil, err
	}
	if made := ledger.MaxIntervalsProperty(c.staged.MaxIntervals); c.staged.Rebuild && (rules != lake.Rules ||
		ledger.MaxIntervalsOf(loaded) != c.staged.MaxIntervals) {
		maps.Copy(made, lake.RulesProperty())
		change.Updates = append(change.Updates, table.NewSetPropertiesUpdate(made))
	}
	return &change, nil
}

// result tells what gold.users has of the round.
func (c *roundCommit) result(loaded *table.Table) Committed {
	result := Committed{Waiting: c.waiting}
	snapshot := roundSnapshot(loaded, c.staged.Round)
	if result.New = snapshot != nil; !result.New {
		snapshot = loaded.CurrentSnapshot()
	}
	if snapshot == nil {
		return result
	}
	result.SnapshotID = snapshot.SnapshotID
	result.Tags = tagsOf(loaded, snapshot.SnapshotID, c.named)
	if snapshot.Summary != nil {
		result.Users, _ = strconv.ParseInt(snapshot.Summary.Properties["total-records"], 10, 64)
	}
	return result
}

// usersChange gathers what the merges wrote and what it replaces.
func usersChange(l *lake.Lake, staged *stagedRound, merged []Merged) (*lake.Change, error) {
	wanted := &lake.Change{Summary: iceberg.Properties{
		lake.SummaryRound:     staged.Round,
		lake.SummarySightings: strconv.FormatInt(staged.Sightings, 10),
		lake.SummaryBindings:  strconv.FormatInt(staged.Bindings, 10),
	}}
	maps.Copy(wanted.Summary, lake.SummaryFormat())
	var added []lake.DataFile
	for _, each := range merged {
		var m stagedMerge
		if err := l.Objects.ReadJSON(each.Ref, &m); err != nil {
			return nil, err
		}
		added = append(added, m.Files...)
	}
	var removed []lake.DataFile
	for _, files := range staged.Old {
		removed = append(removed, files...)
	}
	sound, broken, err := bySoundness(l, staged.Rebuild, removed)
	if err != nil {
		return nil, err
	}
	if !staged.Baseless {
		added, sound = withoutSame(added, sound)
	}
	removed = append(sound, broken...)
	if wanted.Add, err = l.Entries(lake.GoldUsers, added); err != nil {
		return nil, err
	}
	wanted.Remove, err = l.Entries(lake.GoldUsers, removed)
	wanted.Fresh = len(removed) == 0
	return wanted, err
}

// bySoundness parts the files that gold has from those that can't be read, which must not stay whatever they should
// hold. Where gold is not made anew, all of them have just been read.
func bySoundness(l *lake.Lake, rebuilt bool, files []lake.DataFile) (sound, broken []lake.DataFile, err error) {
	if !rebuilt {
		return files, nil, nil
	}
	for _, file := range files {
		entry, err := l.Entry(file, lake.GoldUsers)
		if err == nil {
			err = l.CheckFile(entry, true)
		}
		switch {
		case err == nil:
			sound = append(sound, file)
		case objects.Unreadable(err):
			broken = append(broken, file)
		default:
			return nil, nil, err
		}
	}
	return sound, broken, nil
}

// withoutSame leaves out files whose bytes are there already: changes of silver that come to nothing make no commit.
func withoutSame(added, removed []lake.DataFile) (fresh, old []lake.DataFile) {
	written := map[string]int{}
	for _, file := range added {
		written[lake.Digest(file.Path)]++
	}
	stay := map[string]int{}
	take := func(left map[string]int, file lake.DataFile) bool {
		digest := lake.Digest(file.Path)
		if left[digest] == 0 {
			return false
		}
		left[digest]--
		return true
	}
	old = slices.DeleteFunc(removed, func(file lake.DataFile) bool {
		if !take(written, file) {
			return false
		}
		stay[lake.Digest(file.Path)]++
		return true
	})
	return slices.DeleteFunc(added, func(file lake.DataFile) bool { return take(stay, file) }), old
}

// divideRuns finds which runs the plan reflects, and which still wait.
func (c *roundCommit) divideRuns(ctx context.Context, l *lake.Lake, runs []lake.Run) (err error) {
	c.changed, c.ahead = map[lake.Run]bool{}, map[lake.Run]bool{}
	aheadOfHour := map[telemetry.Hour]bool{}
	for _, part := range [...]struct {
		definition lake.TableDefinition
		reached    int64
	}{{lake.SilverSightings, c.staged.Sightings}, {lake.SilverBindings, c.staged.Bindings}} {
		loaded, err := l.Load(ctx, part.definition)
		if err != nil {
			return err
		}
		for _, snapshot := range loaded.Metadata().Snapshots() {
			for _, run := range lake.RunsIn(&snapshot) {
				c.changed[run] = true
			}
		}
		entries, _ := ledger.Since(loaded, part.reached)
		for _, entry := range entries {
			for _, run := range entry.Runs {
				c.ahead[run], aheadOfHour[run.Hour] = true, true
			}
		}
	}
	for _, run := range runs {
		// A run without a commit of its own found what a run before it had left: that must be visible.
		if c.ahead[run] || !c.changed[run] && aheadOfHour[run.Hour] {
			c.waiting = append(c.waiting, run)
		} else {
			c.visible = append(c.visible, run)
		}
	}
	slices.SortFunc(c.visible, func(a, b lake.Run) int { return int(a.Hour - b.Hour) })
	c.named = c.visible[max(0, len(c.visible)-1):]
	for i := len(c.visible) - 1; i >= 0; i-- {
		if c.changed[c.visible[i]] {
			c.named = c.visible[i : i+1]
			break
		}
	}
	c.redone, err = redone(ctx, l, c.named)
	return err
}

// newestHour is the last hour that the commit shows, or that the snapshot shows which it follows.
func (c *roundCommit) newestHour(loaded *table.Table, head int64) (newest telemetry.Hour, ok bool) {
	if before := loaded.SnapshotByID(head); before != nil {
		version := VersionOf(loaded, *before)
		newest, ok = version.NewestHour, version.ShowsHours
	}
	see := func(run lake.Run) {
		if !ok || run.Hour > newest {
			newest, ok = run.Hour, true
		}
	}
	for run := range c.changed {
		if !c.ahead[run] {
			see(run)
		}
	}
	for _, run := range c.visible {
		see(run)
	}
	return newest, ok
}

// roundSnapshot is the commit of a round; nil where there is none.
func roundSnapshot(loaded *table.Table, round string) *table.Snapshot {
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		if snapshot.Summary != nil && snapshot.Summary.Properties[lake.SummaryRound] == round {
			return &snapshot
		}
	}
	return nil
}

// DropRound removes what a round of the gold writer staged.
func DropRound(ctx context.Context, l *lake.Lake, plan Plan) error {
	var staged stagedRound
	if err := l.Objects.ReadJSON(plan.Ref, &staged); err != nil {
		return err
	}
	return l.Objects.RemoveAll(ctx, roundFolder(l, staged.Round))
}

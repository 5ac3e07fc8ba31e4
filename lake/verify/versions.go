package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// verifyVersions checks the head and every tagged snapshot.
func (v *Verifier) verifyVersions(ctx context.Context) error {
	buckets, err := lake.BucketsOf(v.gold.Spec())
	if err != nil {
		return err
	}
	bucket := lake.BucketFunc(buckets)
	read, compared := map[string]bool{}, map[string]bool{}
	versions := v.namedVersions()
	for n, version := range versions {
		v.progress("looking at gold", n, len(versions), "versions")
		if v.gold.SnapshotByID(version.id) == nil {
			continue // verifyTags says so
		}
		v.checked.Versions++
		files, err := lake.LiveFiles(ctx, v.gold, table.WithSnapshotID(version.id))
		if err != nil {
			return err
		}
		where := Difference{Rule: 4, Table: lake.GoldUsers.Name, Version: version.name}
		byBucket := map[int][]iceberg.DataFile{}
		for _, file := range files {
			at, ok := file.Partition()[lake.PartitionFieldID].(int32)
			if !ok {
				return fmt.Errorf("file %s of gold.users has no bucket", file.FilePath())
			}
			byBucket[int(at)] = append(byBucket[int(at)], file)
			if read[file.FilePath()] {
				continue
			}
			read[file.FilePath()] = true
			if err := eachRow(ctx, v, where, []iceberg.DataFile{file},
				func(row *lake.UserRow) error { return v.verifyRow(where, row, int(at), bucket(row.UserID)) }); err != nil {
				return err
			}
		}
		for _, at := range slices.Sorted(maps.Keys(byBucket)) {
			var paths []string
			for _, file := range byBucket[at] {
				paths = append(paths, file.FilePath())
			}
			slices.Sort(paths)
			if set := strings.Join(paths, "\n"); !compared[set] {
				compared[set] = true
				if err := v.verifyOneRow(ctx, where, byBucket[at]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// namedVersion is a snapshot of gold.users with one of its names.
type namedVersion struct {
	id   int64
	name string
}

// namedVersions are the head and the tagged snapshots, each once, by time.
func (v *Verifier) namedVersions() []namedVersion {
	names := map[int64]string{}
	refs := v.refs()
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if _, known := names[refs[name].SnapshotID]; !known {
			names[refs[name].SnapshotID] = name
		}
	}
	if head := v.gold.CurrentSnapshot(); head != nil && names[head.SnapshotID] == "" {
		names[head.SnapshotID] = fmt.Sprint(head.SnapshotID)
	}
	var versions []namedVersion
	for id, name := range names {
		versions = append(versions, namedVersion{id, name})
	}
	slices.SortFunc(versions, func(a, b namedVersion) int { return strings.Compare(a.name, b.name) })
	return versions
}

// refs are all names of snapshots but the main branch.
func (v *Verifier) refs() map[string]table.SnapshotRef {
	refs := map[string]table.SnapshotRef{}
	for name, ref := range v.gold.Metadata().Refs() {
		if name != table.MainBranch {
			refs[name] = ref
		}
	}
	return refs
}

// verifyOneRow finds users with more than one row in the files of a bucket, by hashes of their ids: eight bytes a user.
func (v *Verifier) verifyOneRow(ctx context.Context, where Difference, files []iceberg.DataFile) error {
	type idRow struct {
		UserID string `parquet:"user_id,id(1)"`
	}
	hashes := make([]uint64, 0, lake.CountOf(files))
	if err := eachRow(ctx, v, where, files, func(row *idRow) error {
		hashes = append(hashes, xxhash.Sum64String(row.UserID))
		return nil
	}); err != nil {
		return err
	}
	slices.Sort(hashes)
	suspects := map[uint64]bool{}
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] {
			suspects[hashes[i]] = true
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	rows := map[string]int{}
	if err := eachRow(ctx, v, where, files, func(row *idRow) error {
		if suspects[xxhash.Sum64String(row.UserID)] {
			rows[strings.Clone(row.UserID)]++
		}
		return nil
	}); err != nil {
		return err
	}
	for _, user := range slices.Sorted(maps.Keys(rows)) {
		if rows[user] > 1 {
			where.User = user
			if err := v.differ(where, "the user has %d rows", rows[user]); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyRow checks a row by itself: where it lies, its intervals, and what follows from them.
func (v *Verifier) verifyRow(where Difference, row *lake.UserRow, lies, belongs int) error {
	where.User = strings.Clone(row.UserID)
	if lies != belongs {
		if err := v.differ(where, "the row lies in bucket %d and belongs into %d, where readers look for it",
			lies, belongs); err != nil {
			return err
		}
	}
	where.Rule = 5
	if len(row.History) == 0 {
		return v.differ(where, "the history is empty")
	}
	if !slices.IsSortedFunc(row.History, plainOrder) {
		if err := v.differ(where, "the history is not in the order of valid_from, service and device"); err != nil {
			return err
		}
	}
	type installation struct{ service, device string }
	before := map[installation]*lake.IntervalRow{}
	for i := range row.History {
		interval := &row.History[i]
		at := installation{interval.Service, interval.Device}
		if text := plainFault(before[at], interval); text != "" {
			if err := v.differ(where, "interval %d, %s: %s", i+1, interval, text); err != nil {
				return err
			}
		}
		before[at] = interval
	}
	for _, last := range before {
		if last.ValidTo != nil {
			if err := v.differ(where, "the last interval of an installation is closed: %s", last); err != nil {
				return err
			}
		}
	}
	where.Rule = 1
	want := *row
	plainSummary(&want)
	if want.UserKind = "user"; strings.HasPrefix(row.UserID, "session:") {
		want.UserKind = "session"
	}
	if text := plainDifference(row, &want); text != "" {
		return v.differ(where, "the row contradicts its own history: %s", text)
	}
	return nil
}

// plainFault says what is wrong with an interval that follows another one of its installation, or none.
func plainFault(before, interval *lake.IntervalRow) string {
	switch {
	case interval.ValidTo != nil && *interval.ValidTo <= interval.ValidFrom:
		return "it is less than one microsecond long"
	case interval.Sightings < 1:
		return "it has no sighting"
	case interval.LastSeenAt < interval.ValidFrom || interval.ValidTo != nil && interval.LastSeenAt > *interval.ValidTo:
		return "it was last seen outside of itself"
	case before == nil:
		return ""
	case before.ValidTo == nil || *before.ValidTo > interval.ValidFrom:
		return "it overlaps the interval before it, " + before.String()
	case *before.ValidTo < interval.ValidFrom:
		return "there is a gap after the interval before it, " + before.String()
	case before.Version == interval.Version:
		return "it has the version of the interval before it"
	}
	return ""
}

// clockSkew is how far apart the clocks of two workers may be.
const clockSkew = 10 * time.Second

// verifyTags checks that each hour's tag points at a snapshot that shows the hour, and that no tag was moved.
func (v *Verifier) verifyTags(ctx context.Context) error {
	// Where a commit says that it was given a tag, and when each snapshot ceased to be the head.
	given, until := map[string]int64{}, map[int64]time.Time{}
	for _, snapshot := range v.gold.Metadata().Snapshots() {
		if snapshot.ParentSnapshotID != nil {
			until[*snapshot.ParentSnapshotID] = time.UnixMilli(snapshot.TimestampMs)
		}
		if snapshot.Summary != nil {
			for _, tag := range strings.Fields(snapshot.Summary.Properties[lake.SummaryTags]) {
				given[tag] = snapshot.SnapshotID
			}
		}
	}
	refs := v.refs()
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		text, isHour := strings.CutPrefix(name, "hour-")
		text, _, _ = strings.Cut(text, ".")
		hour, err := telemetry.ParseHour(text)
		if !isHour || err != nil {
			continue // somebody's own
		}
		v.checked.Tags++
		at := refs[name].SnapshotID
		where := Difference{Rule: 3, Table: lake.GoldUsers.Name, Version: name, Hour: hour.String()}
		fault := ""
		switch was, known := given[name]; {
		case v.gold.SnapshotByID(at) == nil:
			fault = fmt.Sprintf("the tag points at snapshot %d, which is gone", at)
		case len(v.ledger[hour]) == 0:
			fault = "the tag is of an hour that the ledger does not know"
		case known && was != at:
			fault = fmt.Sprintf("the tag was moved: snapshot %d was committed with it, and it points at %d", was, at)
		case !known:
			// The hour moved no row, or was there already: the tag went to what was the head when it was ready.
			ready := v.ledger[hour][0].FinishedAt
			if end, over := until[at]; over && end.Before(ready.Add(-clockSkew)) {
				fault = fmt.Sprintf("the tag points at snapshot %d, which does not show the hour: it was "+
					"replaced at %s, and the hour was ready at %s",
					at, end.UTC().Format(time.RFC3339Nano), ready.Format(time.RFC3339Nano))
			}
		}
		if fault != "" {
			if err := v.differ(where, "%s", fault); err != nil {
				return err
			}
		}
	}
	return v.verifyReflected(ctx)
}

// verifyReflected checks that no version of gold goes back behind the silver that the one before it reflects.
func (v *Verifier) verifyReflected(ctx context.Context) error {
	for snapshot := v.gold.CurrentSnapshot(); snapshot != nil; snapshot = parentOf(v.gold, snapshot) {
		parent := parentOf(v.gold, snapshot)
		if parent == nil {
			break
		}
		after, before := ledger.BaseOf(snapshot), ledger.BaseOf(parent)
		if !after.Known || !before.Known {
			continue
		}
		for _, part := range []struct {
			definition    lake.TableDefinition
			before, after int64
		}{{lake.SilverSightings, before.Sightings, after.Sightings},
			{lake.SilverBindings, before.Bindings, after.Bindings}} {
			loaded := v.tables[part.definition.Name]
			from, to := loaded.SnapshotByID(part.before), loaded.SnapshotByID(part.after)
			if from != nil && to != nil && to.SequenceNumber < from.SequenceNumber || part.before != 0 &&
				part.after == 0 {
				if err := v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name,
					Version: fmt.Sprint(snapshot.SnapshotID)},
					"it reflects snapshot %d of %s, which is older than snapshot %d that the version before it reflects",
					part.after, part.definition.Name, part.before); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

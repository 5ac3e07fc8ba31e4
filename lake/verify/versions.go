package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/plain"
)

// verifyVersions checks the head and every tagged snapshot.
func (v *verifier) verifyVersions(ctx context.Context) error {
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
		if v.unlisted(version.id) {
			continue // verifyObjects says so
		}
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
				func(row *lake.UserRow) error {
					v.verifyRow(where, row, int(at), bucket(row.UserID))
					return nil
				}); err != nil {
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
func (v *verifier) namedVersions() []namedVersion {
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

// verifyOneRow finds users with more than one row in the files of a bucket, by hashes of their ids: eight bytes a user.
func (v *verifier) verifyOneRow(ctx context.Context, where Difference, files []iceberg.DataFile) error {
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
			v.differ(where, "the user has %d rows", rows[user])
		}
	}
	return nil
}

// verifyRow checks a row by itself: where it lies, its intervals, and what follows from them.
func (v *verifier) verifyRow(where Difference, row *lake.UserRow, lies, belongs int) {
	where.User = strings.Clone(row.UserID)
	if lies != belongs {
		v.differ(where, "the row lies in bucket %d and belongs into %d, where readers look for it", lies, belongs)
	}
	where.Rule = 5
	if len(row.History) == 0 {
		v.differ(where, "the history is empty")
		return
	}
	if !slices.IsSortedFunc(row.History, plain.Order) {
		v.differ(where, "the history is not in the order of valid_from, service and device")
	}
	for _, text := range plain.Faults(row) {
		v.differ(where, "%s", text)
	}
	where.Rule = 1
	if text := plain.Contradictions(row); text != "" {
		v.differ(where, "the row contradicts its own history: %s", text)
	}
}

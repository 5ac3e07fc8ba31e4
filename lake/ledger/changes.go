package ledger

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// ChangedFiles are the files of a silver table, or their parts, that came and went between two snapshots;
// compaction is passed over.
type ChangedFiles struct {
	Added, Removed []iceberg.DataFile
}

// ChangesBetween reads the log from one snapshot (0: from the beginning) to another.
func ChangesBetween(ctx context.Context, l *lake.Lake, loaded *table.Table,
	from, to int64) (changes ChangedFiles, err error) {
	if to == 0 || from == to {
		return changes, nil
	}
	if from == 0 {
		changes.Added, err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(to))
		return changes, err
	}
	definition, err := lake.DefinitionOf(lake.TableName(loaded))
	if err != nil {
		return changes, err
	}
	added, removed := map[string]iceberg.DataFile{}, map[string]iceberg.DataFile{}
	if rewritten(loaded, from, to) {
		err = compareFiles(ctx, loaded, from, to, added, removed)
	} else {
		err = readChangelog(ctx, loaded, from, to, added, removed)
	}
	if err != nil {
		return changes, err
	}
	return cancelUnchanged(ctx, l, definition, added, removed)
}

// readChangelog gathers the files that came and went, at a cost that grows with the change alone.
func readChangelog(ctx context.Context, loaded *table.Table, from, to int64,
	added, removed map[string]iceberg.DataFile) error {
	tasks, err := loaded.NewIncrementalChangelogScan().FromSnapshotExclusive(from).ToSnapshot(to).PlanFiles(ctx)
	if err != nil {
		return fmt.Errorf("read the log of %v from %d to %d: %w", loaded.Identifier(), from, to, err)
	}
	for _, task := range tasks {
		file := task.ScanTask().File
		if task.Operation() == table.ChangelogOpInsert {
			added[file.FilePath()] = file
			continue
		}
		if _, both := added[file.FilePath()]; both {
			delete(added, file.FilePath()) // came and went in between: nobody saw it
			continue
		}
		removed[file.FilePath()] = file
	}
	return nil
}

// rewritten tells whether a compaction lies among other changes. Then a row may have come in one file and gone in
// another, which looks like one that stayed.
func rewritten(loaded *table.Table, from, to int64) bool {
	compacted, changed := false, false
	for snapshot := loaded.SnapshotByID(to); snapshot != nil && snapshot.SnapshotID != from; {
		replaced := snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace
		compacted, changed = compacted || replaced, changed || !replaced
		if snapshot.ParentSnapshotID == nil {
			break
		}
		snapshot = loaded.SnapshotByID(*snapshot.ParentSnapshotID)
	}
	return compacted && changed
}

// CompareFiles compares the files of two snapshots: right whatever happened in between, and as slow as the table is
// large.
func compareFiles(ctx context.Context, loaded *table.Table, from, to int64,
	added, removed map[string]iceberg.DataFile) error {
	before, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(from))
	if err != nil {
		return err
	}
	after, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(to))
	if err != nil {
		return err
	}
	for _, file := range before {
		removed[file.FilePath()] = file
	}
	for _, file := range after {
		if _, both := removed[file.FilePath()]; both {
			delete(removed, file.FilePath())
			continue
		}
		added[file.FilePath()] = file
	}
	return nil
}

// cancelUnchanged takes out of what came and went each hour that is the same before and after: compaction, or the
// replacement of another hour of its day, put it into another file, or a file that was damaged was written again.
func cancelUnchanged(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	added, removed map[string]iceberg.DataFile) (changes ChangedFiles, err error) {
	sides := [...]struct {
		files map[string]iceberg.DataFile
		to    *[]iceberg.DataFile
		hours map[telemetry.Hour][]lake.HourRows
	}{{added, &changes.Added, map[telemetry.Hour][]lake.HourRows{}},
		{removed, &changes.Removed, map[telemetry.Hour][]lake.HourRows{}}}
	for _, side := range sides {
		for _, file := range side.files {
			parts, err := l.ByHour(ctx, definition, file)
			if err != nil {
				return changes, err
			}
			for _, part := range parts {
				side.hours[part.Hour] = append(side.hours[part.Hour], part)
			}
		}
	}
	came, went := sides[0].hours, sides[1].hours
	for hour := range came {
		same, err := l.SameDigests(came[hour], went[hour])
		if err != nil {
			return changes, err
		}
		if same {
			delete(came, hour)
			delete(went, hour)
		}
	}
	for _, side := range sides {
		*side.to = JoinParts(side.hours)
	}
	return changes, nil
}

// JoinParts makes each file one again, of those of its hours that are left.
func JoinParts(hours map[telemetry.Hour][]lake.HourRows) (files []iceberg.DataFile) {
	parts := map[string][]*lake.PartOfFile{}
	for _, of := range hours {
		for _, each := range of {
			if part, ok := each.File.(*lake.PartOfFile); ok {
				parts[part.FilePath()] = append(parts[part.FilePath()], part)
			} else {
				files = append(files, each.File)
			}
		}
	}
	for _, of := range parts {
		files = append(files, lake.Joined(of))
	}
	return files
}

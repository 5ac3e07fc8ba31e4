package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// change is what one commit does to one table.
type change struct {
	remove, add []iceberg.DataFile
	summary     iceberg.Properties
	tags        []string
	// fresh: no file of add can be in the table yet, so the library need not look.
	fresh bool
	// rewrite: add holds the rows of remove, in the same places; the snapshot is one that gold passes over.
	rewrite bool
	// manifests: write these anew.
	manifests []table.RewriteManifestsOpt
	// updates are of the table's metadata alone: expired snapshots and tags, properties. They count only if requirements hold.
	updates      []table.Update
	requirements []table.Requirement
	// done is told where the metadata lies that the change made; may be nil.
	done func(location string)
}

func (c *change) empty() bool {
	return len(c.remove) == 0 && len(c.add) == 0 && len(c.tags) == 0 && len(c.manifests) == 0 && len(c.updates) == 0
}

// commit changes a table in one snapshot, data, summary and tags together. plan looks at the present table and says
// what to do, or nothing; when another writer was first it is asked again. It must recognise a change that is
// already there, since after an error nobody knows whether a commit took effect.
func (l *Lake) commit(ctx context.Context, definition tableDefinition, plan func(*table.Table) (*change, error)) error {
	l.commits[definition.name].Lock()
	defer l.commits[definition.name].Unlock()
	for attempt := 0; ; attempt++ {
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return err
		}
		wanted, err := plan(loaded)
		if err != nil && !l.overtaken(ctx, loaded, err) {
			return fmt.Errorf("plan the commit of %s: %w", definition.name, err)
		}
		if err == nil {
			if wanted == nil || wanted.empty() {
				return nil
			}
			err = l.tryCommit(ctx, loaded, wanted)
		}
		if err == nil {
			return nil
		}
		if !isConflict(err) && !l.overtaken(ctx, loaded, err) {
			return fmt.Errorf("commit %s: %w", definition.name, err)
		}
		// The lock keeps this process's own commits apart, so that a conflict means another process: give it room.
		pause := time.Duration(rand.Int64N(int64(min(50<<min(attempt, 6), 2000)))+5) * time.Millisecond
		select {
		case <-ctx.Done():
			return fmt.Errorf("commit %s after %d conflicts: %w", definition.name, attempt+1, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// overtaken tells that what a plan reads went while it was made: an erasure removes the metadata that it rewrites.
func (l *Lake) overtaken(ctx context.Context, loaded *table.Table, err error) bool {
	if !isMissing(err) {
		return false
	}
	now, err := l.catalog.LoadTable(ctx, loaded.Identifier())
	return err == nil && now.MetadataLocation() != loaded.MetadataLocation()
}

func (l *Lake) tryCommit(ctx context.Context, loaded *table.Table, wanted *change) error {
	transaction := loaded.NewTransaction()
	if err := wanted.stage(ctx, transaction); err != nil {
		return err
	}
	commit, err := transaction.TableCommit()
	if err != nil {
		return err
	}
	requirements, updates := slices.Concat(commit.Requirements, wanted.requirements), slices.Concat(commit.Updates, wanted.updates)
	if len(wanted.tags) > 0 {
		staged, err := transaction.StagedTable()
		if err != nil {
			return err
		}
		head := staged.CurrentSnapshot()
		// Iceberg counts a tag's age from its snapshot's, which may be long past.
		past := max(time.Since(time.UnixMilli(head.TimestampMs)), 0)
		for _, tag := range wanted.tags {
			requirements = append(requirements, table.AssertRefSnapshotID(tag, nil))
			age := past + l.tagAge(tag)
			updates = append(updates, table.NewSetSnapshotRefUpdate(tag, head.SnapshotID, table.TagRef, age.Milliseconds(), 0, 0))
		}
		if len(commit.Updates) == 0 {
			// A tag alone stages no fence of its own: the head must still be the one that was looked at.
			requirements = append(requirements, table.AssertRefSnapshotID(table.MainBranch, &head.SnapshotID))
		}
	}
	_, location, err := l.catalog.CommitTable(ctx, loaded.Identifier(), requirements, updates)
	if err == nil && wanted.done != nil {
		wanted.done(location)
	}
	return err
}

// stage writes the manifests of a change.
func (c *change) stage(ctx context.Context, transaction *table.Transaction) error {
	switch {
	case len(c.manifests) > 0:
		_, err := transaction.RewriteManifests(ctx, c.manifests...)
		return err
	case c.rewrite:
		rewrite := transaction.NewRewrite(c.summary)
		for _, file := range c.remove {
			rewrite.DeleteFile(file)
		}
		for _, file := range c.add {
			rewrite.AddDataFile(file)
		}
		return rewrite.Commit(ctx)
	case len(c.remove)+len(c.add) > 0:
		options := []table.WriteOption{table.WithoutAutoNameMapping()}
		if c.fresh {
			options = append(options, table.WithoutDuplicateCheck())
		}
		return transaction.ReplaceDataFilesWithDataFiles(ctx, c.remove, c.add, c.summary, options...)
	}
	return nil
}

// isConflict tells that another writer was first and nothing was committed. iceberg-go 0.7.0 reports a stale base as
// plain text; TestStaleBaseIsPlainText fails when it no longer does.
func isConflict(err error) bool {
	return errors.Is(err, table.ErrCommitFailed) ||
		strings.Contains(err.Error(), "requirement failed") ||
		strings.Contains(err.Error(), "database is locked") ||
		strings.Contains(err.Error(), "SQLSTATE 40001")
}

// hourFiles are the live files of an hour, or their parts that are of the hour.
func (l *Lake) hourFiles(ctx context.Context, loaded *table.Table, hour telemetry.Hour, options ...table.ScanOption) (files []iceberg.DataFile, err error) {
	definition, err := definitionOf(tableName(loaded))
	if err != nil {
		return nil, err
	}
	filter := iceberg.NewAnd(
		iceberg.EqualTo(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(hour.Date())),
		iceberg.EqualTo(iceberg.Reference(hourColumn), hour.OfDay()))
	live, err := liveFiles(ctx, loaded, append(options, table.WithRowFilter(filter))...)
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		parts, err := l.byHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.hour == hour {
				files = append(files, part.file)
			}
		}
	}
	return files, nil
}

func liveFiles(ctx context.Context, loaded *table.Table, options ...table.ScanOption) ([]iceberg.DataFile, error) {
	if loaded.CurrentSnapshot() == nil {
		return nil, nil
	}
	tasks, err := loaded.Scan(options...).PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", strings.Join(loaded.Identifier(), "."), err)
	}
	files := make([]iceberg.DataFile, len(tasks))
	for i, task := range tasks {
		if len(task.DeleteFiles) > 0 {
			return nil, fmt.Errorf("%s has delete files: another engine deleted rows; compact the table there first", strings.Join(loaded.Identifier(), "."))
		}
		files[i] = task.File
	}
	return files, nil
}

// digest is the part of a data file's name that tells its contents.
func digest(file string) string {
	name := strings.TrimSuffix(path.Base(file), ".parquet")
	return name[strings.LastIndexByte(name, '-')+1:]
}

// sameContents compares files by their digests, those that were compacted by what they were made of.
func (l *Lake) sameContents(live []iceberg.DataFile, added []dataFile) (bool, error) {
	count := map[string]int{}
	for _, file := range live {
		digests, err := l.digests(file)
		if err != nil {
			return false, err
		}
		for _, each := range digests {
			count[each]++
		}
	}
	for _, file := range added {
		count[digest(file.Path)]--
	}
	for _, n := range count {
		if n != 0 {
			return false, nil
		}
	}
	return true, nil
}

func (l *Lake) entries(definition tableDefinition, files []dataFile) ([]iceberg.DataFile, error) {
	decoded := make([]iceberg.DataFile, len(files))
	for i, file := range files {
		entry, err := l.entry(file, definition)
		if err != nil {
			return nil, err
		}
		decoded[i] = entry
	}
	return decoded, nil
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
)

// Change is what one commit does to one table.
type Change struct {
	Remove, Add []iceberg.DataFile
	Summary     iceberg.Properties
	Tags        []string
	// fresh: no file of add can be in the table yet, so the library need not look.
	Fresh bool
	// rewrite: add holds the rows of remove, in the same places; the snapshot is one that gold passes over.
	Rewrite bool
	// manifests: write these anew.
	Manifests []table.RewriteManifestsOpt
	// updates are of the table's metadata alone: tags, properties. They count only if requirements hold.
	Updates      []table.Update
	Requirements []table.Requirement
	// NotBefore is a time that the commit counts as made after, though our clock may be behind it.
	NotBefore time.Time
	// done is told where the metadata lies that the change made; may be nil.
	Done func(location string)
}

func (c *Change) empty() bool {
	return len(c.Remove) == 0 && len(c.Add) == 0 && len(c.Tags) == 0 && len(c.Manifests) == 0 && len(c.Updates) == 0
}

// Commit changes a table in one snapshot, data, summary and tags together. plan looks at the present table and says
// what to do, or nothing; when another writer was first it is asked again. It must recognise a change that is
// already there, since after an error nobody knows whether a commit took effect.
func (l *Lake) Commit(ctx context.Context, definition TableDefinition, plan func(*table.Table) (*Change, error)) error {
	if l.Moved != nil {
		return l.Moved
	}
	l.Commits[definition.Name].Lock()
	defer l.Commits[definition.Name].Unlock()
	for attempt := 0; ; attempt++ {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return err
		}
		wanted, err := plan(loaded)
		if err != nil && !l.overtaken(ctx, loaded, err) {
			return fmt.Errorf("plan the commit of %s: %w", definition.Name, err)
		}
		if err == nil {
			if wanted == nil || wanted.empty() {
				return nil
			}
			err = l.TryCommit(ctx, loaded, wanted)
		}
		if err == nil {
			return nil
		}
		if !IsConflict(err) && !l.overtaken(ctx, loaded, err) {
			return fmt.Errorf("commit %s: %w", definition.Name, err)
		}
		// The lock keeps this process's own commits apart, so that a conflict means another process: give it room.
		pause := time.Duration(rand.Int64N(int64(min(50<<min(attempt, 6), 2000)))+5) * time.Millisecond
		select {
		case <-ctx.Done():
			return fmt.Errorf("commit %s after %d conflicts: %w", definition.Name, attempt+1, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// overtaken tells that what a plan reads went while it was made: an erasure removes the metadata that it rewrites.
func (l *Lake) overtaken(ctx context.Context, loaded *table.Table, err error) bool {
	if !objects.IsMissing(err) {
		return false
	}
	now, err := l.Catalog.LoadTable(ctx, loaded.Identifier())
	return err == nil && now.MetadataLocation() != loaded.MetadataLocation()
}

func (l *Lake) TryCommit(ctx context.Context, loaded *table.Table, wanted *Change) error {
	transaction, err := l.Catalog.NewTransaction(loaded)
	if err == nil {
		err = wanted.stage(ctx, transaction)
	}
	if err != nil {
		return err
	}
	commit, err := transaction.TableCommit()
	if err != nil {
		return err
	}
	requirements, updates := slices.Concat(commit.Requirements, wanted.Requirements), slices.Concat(commit.Updates,
		wanted.Updates)
	if len(wanted.Tags) > 0 {
		staged, err := transaction.StagedTable()
		if err != nil {
			return err
		}
		head := staged.CurrentSnapshot()
		// Iceberg counts a tag's age from its snapshot's, which may be long past.
		past := max(time.Since(time.UnixMilli(head.TimestampMs)), 0)
		for _, tag := range wanted.Tags {
			requirements = append(requirements, table.AssertRefSnapshotID(tag, nil))
			age := past + l.TagAge(tag)
			updates = append(updates,
				table.NewSetSnapshotRefUpdate(tag, head.SnapshotID, table.TagRef, age.Milliseconds(), 0, 0))
		}
		if len(commit.Updates) == 0 {
			// A tag alone stages no fence of its own: the head must still be the one that was looked at.
			requirements = append(requirements, table.AssertRefSnapshotID(table.MainBranch, &head.SnapshotID))
		}
	}
	_, location, err := l.Catalog.CommitAfter(ctx, loaded.Identifier(), requirements, updates, wanted.NotBefore)
	if l.OnCommit != nil {
		l.OnCommit(strings.Join(loaded.Identifier(), "."), err)
	}
	if err == nil && wanted.Done != nil {
		wanted.Done(location)
	}
	return err
}

// stage writes the manifests of a change.
func (c *Change) stage(ctx context.Context, transaction *table.Transaction) error {
	switch {
	case len(c.Manifests) > 0:
		_, err := transaction.RewriteManifests(ctx, c.Manifests...)
		return err
	case c.Rewrite:
		rewrite := transaction.NewRewrite(c.Summary)
		for _, file := range c.Remove {
			rewrite.DeleteFile(file)
		}
		for _, file := range c.Add {
			rewrite.AddDataFile(file)
		}
		return rewrite.Commit(ctx)
	case len(c.Remove)+len(c.Add) > 0:
		options := []table.WriteOption{table.WithoutAutoNameMapping()}
		if c.Fresh {
			options = append(options, table.WithoutDuplicateCheck())
		}
		return transaction.ReplaceDataFilesWithDataFiles(ctx, c.Remove, c.Add, c.Summary, options...)
	}
	return nil
}

// IsConflict tells that another writer was first and nothing was committed.
func IsConflict(err error) bool { return database.IsConflict(err) }

// ErrDeleteFiles: another engine deleted rows of a table, and noted that in files beside those that have the rows.
var ErrDeleteFiles = errors.New("it has delete files: another engine deleted rows of it")

// LiveFiles are the data files of a version of a table. Errors: ErrDeleteFiles.
func LiveFiles(ctx context.Context, loaded *table.Table, options ...table.ScanOption) ([]iceberg.DataFile, error) {
	files, deleted, err := AllFiles(ctx, loaded, options...)
	if err == nil && deleted {
		err = fmt.Errorf("%s: %w; let that engine compact the table (OPTIMIZE, rewrite_data_files) first",
			strings.Join(loaded.Identifier(), "."), ErrDeleteFiles)
	}
	return files, err
}

// AllFiles are the data files of a version of a table, whether or not another engine deleted rows of them beside them.
func AllFiles(ctx context.Context, loaded *table.Table, options ...table.ScanOption) (files []iceberg.DataFile,
	deleted bool, err error) {
	if loaded.CurrentSnapshot() == nil {
		return nil, false, nil
	}
	tasks, err := loaded.Scan(options...).PlanFiles(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("list the files of %s: %w", strings.Join(loaded.Identifier(), "."), err)
	}
	files = make([]iceberg.DataFile, len(tasks))
	for i, task := range tasks {
		files[i], deleted = task.File, deleted || len(task.DeleteFiles) > 0
	}
	return files, deleted, nil
}

// TagAge says how long a tag is kept: hourly ones for two days, the day's last longer, so that a day can be
// compared with a day of last month.
func (l *Lake) TagAge(tag string) time.Duration {
	if hour, _, _ := strings.Cut(tag, "."); strings.HasSuffix(hour, "T23") {
		return l.Config.DayTagAge
	}
	return l.Config.TagAge
}

// ShortID keeps names of files readable; the attempt's time makes them unique.
func ShortID(id string) string { return id[:min(len(id), 8)] }

// MetadataChange sets properties, if the table's head is still the one that was looked at.
func MetadataChange(loaded *table.Table, properties iceberg.Properties) *Change {
	current := loaded.Properties()
	properties = maps.Clone(properties)
	maps.DeleteFunc(properties, func(key, value string) bool { return current[key] == value })
	if len(properties) == 0 {
		return nil
	}
	var head *int64
	if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
		head = &snapshot.SnapshotID
	}
	return &Change{
		Updates:      []table.Update{table.NewSetPropertiesUpdate(properties)},
		Requirements: []table.Requirement{table.AssertRefSnapshotID(table.MainBranch, head)},
	}
}

func HeadOf(loaded *table.Table) int64 {
	if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
		return snapshot.SnapshotID
	}
	return 0
}

// MetadataVersions is how many metadata files a table names besides its present one; what it names is not swept.
var MetadataVersions = iceberg.Properties{table.MetadataPreviousVersionsMaxKey: "5"}

// AttemptName begins the names of the ledger's files: no two are ever the same, so that what an attempt left behind
// can be removed while another one runs.
func AttemptName(id string) string { return fmt.Sprintf("%s-%d", ShortID(id), time.Now().UnixNano()) }

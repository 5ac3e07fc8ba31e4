package repair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/verify"
)

// metadata mends what says which files a table has. What was committed last, or what a manifest named, is lost with it:
// the hours concerned are found by verifying, and brought in again.
func (m *mending) metadata(ctx context.Context) error {
	of := func(kinds ...verify.Kind) ([]lake.TableDefinition, error) {
		return m.definitions(func(d verify.Difference) bool {
			return slices.Contains(kinds, d.Kind) &&
				d.Version == ""
		})
	}
	broken, err := of(verify.Metadata)
	if err != nil {
		return err
	}
	for _, definition := range broken {
		if err := m.turnBack(ctx, definition); err != nil {
			return err
		}
	}
	if len(broken) > 0 {
		m.result.Again = true
		return nil // what an earlier version names is to be looked at
	}
	if broken, err = of(verify.ManifestList, verify.Manifest); err != nil {
		return err
	}
	for _, definition := range broken {
		if err := m.withoutManifests(ctx, definition); err != nil {
			return fmt.Errorf("repair the manifests of %s: %w", definition.Name, err)
		}
		if err := m.prune(ctx, definition, nil); err != nil {
			return err
		}
		m.result.Again = true
	}
	return nil
}

// turnBack points the catalog at the newest earlier metadata of a table that can be read.
func (m *mending) turnBack(ctx context.Context, definition lake.TableDefinition) error {
	now, before, err := m.lake.Catalog.Locations(ctx, definition.Identifier())
	if err != nil {
		return err
	}
	candidates, err := m.earlier(ctx, definition, now, before)
	if err != nil {
		return err
	}
	for _, candidate := range candidates {
		if err := m.readMetadata(candidate); err != nil {
			continue
		}
		m.Tell("%s goes back to the metadata of before its last commit, %s", definition.Name, candidate)
		if definition.Name == lake.OpsErasures.Name {
			m.result.Left = append(m.result.Left,
				"ops.erasures lost its last commit: run versionlake forget again for "+
					"whoever was forgotten last")
		}
		return m.point(ctx, definition, now, candidate)
	}
	if !strings.HasPrefix(definition.Name, "gold.") {
		return fmt.Errorf("%s: no metadata of it can be read: restore %s, or the lake, from a backup",
			definition.Name, now)
	}
	m.Tell("%s has no metadata that can be read: the table is made anew, and its versions of before are lost",
		definition.Name)
	if err := m.lake.Catalog.DropTable(ctx, definition.Identifier()); err != nil {
		return fmt.Errorf("take %s out of the catalog: %w", definition.Name, err)
	}
	// Maintenance keeps here of which table the folder is.
	if err := m.lake.Objects.Remove(ctx,
		[]string{m.lake.Objects.Root + "/_maintenance/unnamed/" + definition.Name + ".json"}); err != nil {
		return err
	}
	return m.lake.CreateTable(ctx, definition)
}

// earlier are metadata files of a table, the newest first. What the catalog pointed at before is the one: others may be
// of commits that never took effect.
func (m *mending) earlier(ctx context.Context, definition lake.TableDefinition, now, before string) ([]string, error) {
	number := func(object string) int {
		digits, _, _ := strings.Cut(object[strings.LastIndexByte(object, '/')+1:], "-")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return -1
		}
		return n
	}
	var listed []string
	if err := m.lake.Objects.Walk(ctx, m.lake.TableFolder(definition)+"/metadata", func(object string, _ int64) error {
		if strings.HasSuffix(object, ".metadata.json") && object != before && number(object) < number(now) {
			listed = append(listed, object)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(listed, func(a, b string) int { return number(b) - number(a) })
	if before != "" {
		listed = slices.Insert(listed, 0, before)
	}
	return listed, nil
}

func (m *mending) readMetadata(object string) error {
	text, err := m.lake.Objects.ReadAll(object)
	if err != nil {
		return err
	}
	_, err = table.ParseMetadataBytes(text)
	return err
}

// point swaps the catalog's pointer to a table's metadata.
func (m *mending) point(ctx context.Context, definition lake.TableDefinition, from, to string) error {
	identifier := definition.Identifier()
	result, err := m.lake.Db.ExecContext(ctx,
		m.lake.Catalog.Rebind(`UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`),
		to, m.lake.Config.CatalogName, identifier[0], identifier[1], from)
	if err != nil {
		return fmt.Errorf("point the catalog at %s: %w", to, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%w: the metadata of %s moved", lake.ErrConflict, definition.Name))
	}
	return nil
}

// withoutManifests gives a table a head that names only manifests which can be read; where the list of them can't be
// read, the newest version of which it can becomes the head.
func (m *mending) withoutManifests(ctx context.Context, definition lake.TableDefinition) error {
	return m.lake.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		head := loaded.CurrentSnapshot()
		if head == nil {
			return nil, nil
		}
		fence := []table.Requirement{table.AssertRefSnapshotID(table.MainBranch, &head.SnapshotID)}
		for snapshot := head; snapshot != nil; snapshot = parentOf(loaded, snapshot) {
			manifests, err := snapshot.Manifests(m.lake.Objects.IO)
			if err != nil {
				continue
			}
			if snapshot.SnapshotID != head.SnapshotID {
				m.Tell("%s goes back to its version %d: the list of the files of later ones can't be read",
					definition.Name, snapshot.SnapshotID)
				return &lake.Change{Requirements: fence, Updates: []table.Update{
						table.NewSetSnapshotRefUpdate(table.MainBranch, snapshot.SnapshotID, table.BranchRef,
							0, 0, 0)}},
					nil
			}
			top, err := m.top(definition, loaded, manifests)
			if err != nil || top == nil {
				return nil, err
			}
			return &lake.Change{Requirements: fence, Updates: []table.Update{table.NewAddSnapshotUpdate(top),
				table.NewSetSnapshotRefUpdate(table.MainBranch, top.SnapshotID, table.BranchRef, 0, 0, 0)}}, nil
		}
		// No version is left: one without a file.
		top, err := m.top(definition, loaded, nil)
		if err != nil || top == nil {
			return nil, err
		}
		return &lake.Change{Requirements: fence, Updates: []table.Update{table.NewAddSnapshotUpdate(top),
			table.NewSetSnapshotRefUpdate(table.MainBranch, top.SnapshotID, table.BranchRef, 0, 0, 0)}}, nil
	})
}

// entriesOf are the live files of a manifest.
func (m *mending) entriesOf(manifest iceberg.ManifestFile) (entries []iceberg.ManifestEntry, err error) {
	for entry, err := range manifest.Entries(m.lake.Objects.IO, true) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func parentOf(loaded *table.Table, snapshot *table.Snapshot) *table.Snapshot {
	if snapshot.ParentSnapshotID == nil {
		return nil
	}
	return loaded.SnapshotByID(*snapshot.ParentSnapshotID)
}

// top is a snapshot of those of some manifests that can be read; nil where all can.
func (m *mending) top(definition lake.TableDefinition, loaded *table.Table,
	manifests []iceberg.ManifestFile) (*table.Snapshot, error) {
	var sound []iceberg.ManifestFile
	files, rows, bytes := int64(0), int64(0), int64(0)
	for _, manifest := range manifests {
		entries, err := m.entriesOf(manifest)
		if err != nil {
			m.Tell("%s goes on without the manifest %s, which can't be read", definition.Name, manifest.FilePath())
			continue
		}
		sound = append(sound, manifest)
		for _, entry := range entries {
			files, rows, bytes = files+1, rows+entry.DataFile().Count(), bytes+entry.DataFile().FileSizeBytes()
		}
	}
	if len(sound) == len(manifests) && len(manifests) > 0 {
		return nil, nil
	}
	head := loaded.CurrentSnapshot()
	id, sequence := rand.Int64(), loaded.Metadata().LastSequenceNumber()+1
	object := fmt.Sprintf("%s/metadata/snap-%d-0-%s.avro", m.lake.TableFolder(definition), id, uuid.NewString())
	writer := m.lake.Objects.Create(m.lake.TableFolder(definition) + "/metadata")
	if err := iceberg.WriteManifestList(2, writer, id, &head.SnapshotID, &sequence, 0, sound); err != nil {
		writer.Abort()
		return nil, fmt.Errorf("write %s: %w", object, err)
	}
	if err := writer.Publish(object); err != nil {
		return nil, err
	}
	return &table.Snapshot{
		SnapshotID: id, ParentSnapshotID: &head.SnapshotID, SequenceNumber: sequence,
		TimestampMs:  max(time.Now().UnixMilli(), loaded.Metadata().LastUpdatedMillis()+1, head.TimestampMs+1),
		ManifestList: object, SchemaID: head.SchemaID,
		Summary: &table.Summary{Operation: table.OpDelete, Properties: iceberg.Properties{
			"total-data-files": strconv.FormatInt(files, 10), "total-records": strconv.FormatInt(rows, 10),
			"total-files-size": strconv.FormatInt(bytes, 10), "total-delete-files": "0", "total-position-deletes": "0",
			"total-equality-deletes": "0",
		}},
	}, nil
}

// versions takes out the versions of gold, and their tags, of which something can't be read: they can't be made again,
// since the silver that they showed is gone.
func (m *mending) versions(ctx context.Context) error {
	files := map[string]bool{}
	found := false
	for _, d := range m.found {
		if d.Table == lake.GoldUsers.Name && d.Kind != "" {
			found = true
			if d.Kind == verify.DataFile {
				files[d.Object] = true
			}
		}
	}
	if !found {
		return nil
	}
	return m.prune(ctx, lake.GoldUsers, files)
}

// prune takes out the versions of a table, but for its head, that name an object which can't be read, and their tags.
func (m *mending) prune(ctx context.Context, definition lake.TableDefinition, files map[string]bool) error {
	err := m.lake.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		head := loaded.CurrentSnapshot()
		change := &lake.Change{}
		gone := map[int64]bool{}
		for _, snapshot := range loaded.Metadata().Snapshots() {
			if head != nil && snapshot.SnapshotID == head.SnapshotID && len(files) == 0 {
				continue
			}
			sound, err := m.sound(&snapshot, files)
			if err != nil {
				return nil, err
			}
			gone[snapshot.SnapshotID] = !sound
		}
		for name, ref := range loaded.Metadata().Refs() {
			if name != table.MainBranch && gone[ref.SnapshotID] {
				m.Tell("the tag %s is taken out: the version of %s that it names can't be read any more", name,
					definition.Name)
				change.Updates = append(change.Updates, table.NewRemoveSnapshotRefUpdate(name))
			}
		}
		var ids []int64
		for id, is := range gone {
			if is && (head == nil || id != head.SnapshotID) {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			change.Updates = append(change.Updates, table.NewRemoveSnapshotsUpdate(ids, false))
		}
		if head != nil {
			change.Requirements = []table.Requirement{table.AssertRefSnapshotID(table.MainBranch, &head.SnapshotID)}
		}
		return change, nil
	})
	if err != nil {
		return fmt.Errorf("take out versions of %s that can't be read: %w", definition.Name, err)
	}
	return nil
}

// sound tells whether all that a version names can be read, as far as it was found.
func (m *mending) sound(snapshot *table.Snapshot, files map[string]bool) (bool, error) {
	manifests, err := snapshot.Manifests(m.lake.Objects.IO)
	if err != nil {
		return false, m.unlessUnreadable(err)
	}
	for _, manifest := range manifests {
		entries, err := m.entriesOf(manifest)
		if err != nil {
			return false, m.unlessUnreadable(err)
		}
		for _, entry := range entries {
			if files[entry.DataFile().FilePath()] {
				return false, nil
			}
		}
	}
	return true, nil
}

// unlessUnreadable is nil for an object that is gone or damaged: nothing is taken out for an outage.
func (m *mending) unlessUnreadable(err error) error {
	if objects.Unreadable(err) {
		return nil
	}
	return err
}

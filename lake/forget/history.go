package forget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
)

// An erasure rewrites a table's history instead of adding to it: each snapshot keeps its id, its time, its tags and
// what its summary says, and names files without the user. So tags and the log that gold follows stay, and show
// what they would have shown had the user never been there. Iceberg has no such operation; but its metadata is a
// file, and a commit is the swap of the catalog's pointer to it.

// summaryErasure marks the snapshot that an erasure puts on top of the history that it rewrote: the same rows,
// under another id, so that a commit which was planned on what was there before fails, instead of bringing old
// files back.
const summaryErasure = "versionlake.erasure"

// manifestEntries is a manifest, read.
type manifestEntries struct {
	file    iceberg.ManifestFile
	Entries []iceberg.ManifestEntry
}

// tableHistory is all that the snapshots of a table name.
type tableHistory struct {
	table     *table.Table
	lists     map[int64][]iceberg.ManifestFile // by snapshot
	Manifests map[string]*manifestEntries      // by path
	Live      map[string]iceberg.DataFile      // of any snapshot
	head      map[string]bool                  // of the present one
}

func ReadHistory(ctx context.Context, l *lake.Lake, loaded *table.Table) (*tableHistory, error) {
	h := &tableHistory{table: loaded, lists: map[int64][]iceberg.ManifestFile{},
		Manifests: map[string]*manifestEntries{},
		Live:      map[string]iceberg.DataFile{}, head: map[string]bool{}}
	for _, snapshot := range loaded.Metadata().Snapshots() {
		manifests, err := snapshot.Manifests(l.Objects.IO)
		if err != nil {
			return nil, fmt.Errorf("read the manifests of snapshot %d: %w", snapshot.SnapshotID, err)
		}
		h.lists[snapshot.SnapshotID] = manifests
		for _, manifest := range manifests {
			if h.Manifests[manifest.FilePath()] == nil {
				if err := readManifest(ctx, l, h, manifest); err != nil {
					return nil, err
				}
			}
			if snapshot.SnapshotID != loaded.CurrentSnapshot().SnapshotID {
				continue
			}
			for _, entry := range h.Manifests[manifest.FilePath()].Entries {
				if entry.Status() != iceberg.EntryStatusDELETED {
					h.head[entry.DataFile().FilePath()] = true
				}
			}
		}
	}
	return h, nil
}

func readManifest(ctx context.Context, l *lake.Lake, h *tableHistory, manifest iceberg.ManifestFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if manifest.ManifestContent() != iceberg.ManifestContentData {
		return errors.New("it has delete files: another engine deleted rows; compact the table there first")
	}
	read := &manifestEntries{file: manifest}
	for entry, err := range manifest.Entries(l.Objects.IO, false) {
		if err != nil {
			return fmt.Errorf("read the manifest %s: %w", manifest.FilePath(), err)
		}
		read.Entries = append(read.Entries, entry)
		if entry.Status() != iceberg.EntryStatusDELETED {
			h.Live[entry.DataFile().FilePath()] = entry.DataFile()
		}
	}
	h.Manifests[manifest.FilePath()] = read
	return nil
}

// historyRewriter makes the metadata of a table whose files became others.
type historyRewriter struct {
	lake    *lake.Lake
	table   lake.TableDefinition
	history *tableHistory
	become  map[string]forgotten.NewFile // by the path of a file that changes
	named   map[string]bool              // what the new metadata names

	manifests map[string]iceberg.ManifestFile // new ones by the old one's path; nil: nothing is left
	counts    map[string]manifestCounts
}

// manifestCounts are sums over a manifest: what stays, and what its own snapshot added and removed.
type manifestCounts struct{ live, added, removed fileCounts }

type fileCounts struct{ files, rows, bytes int64 }

func (c *fileCounts) add(file iceberg.DataFile) {
	c.files, c.rows, c.bytes = c.files+1, c.rows+file.Count(), c.bytes+file.FileSizeBytes()
}

func (c *fileCounts) sum(other fileCounts) {
	c.files, c.rows, c.bytes = c.files+other.files, c.rows+other.rows, c.bytes+other.bytes
}

// run writes manifests, lists and the metadata, and returns where the latter lies. Nothing names it yet.
func (r *historyRewriter) run(erasure string) (location string, err error) {
	r.manifests, r.counts = map[string]iceberg.ManifestFile{}, map[string]manifestCounts{}
	for _, manifest := range r.history.Manifests {
		if err := r.manifest(manifest); err != nil {
			return "", fmt.Errorf("write the manifest %s anew: %w", manifest.file.FilePath(), err)
		}
	}
	text, err := json.Marshal(r.history.table.Metadata())
	if err != nil {
		return "", err
	}
	var metadata map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // ids are larger than a float can tell apart
	if err := decoder.Decode(&metadata); err != nil {
		return "", err
	}
	if err := r.edit(metadata, erasure); err != nil {
		return "", err
	}
	if text, err = json.Marshal(metadata); err != nil {
		return "", err
	}
	if _, err := table.ParseMetadataBytes(text); err != nil {
		return "", fmt.Errorf("the new metadata does not hold: %w", err)
	}
	version := 0
	if digits, _, ok := strings.Cut(path.Base(r.history.table.MetadataLocation()), "-"); ok {
		version, _ = strconv.Atoi(digits)
	}
	location = fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", r.lake.TableFolder(r.table), version+1,
		uuid.NewString())
	return location, r.write(location, func(w *objects.Writer) error { _, err := w.Write(text); return err })
}

func (r *historyRewriter) write(object string, fill func(*objects.Writer) error) error {
	writer := r.lake.Objects.Create(r.lake.TableFolder(r.table) + "/metadata")
	if err := fill(writer); err != nil {
		writer.Abort()
		return fmt.Errorf("write %s: %w", object, err)
	}
	r.named[object] = true
	return writer.Publish(object)
}

// manifest writes a manifest with the files that its own become. One that says that a file was removed which no
// snapshot has any more does not say so any longer: it holds that file's bounds.
func (r *historyRewriter) manifest(m *manifestEntries) error {
	changed := false
	var entries []iceberg.ManifestEntry
	var counts manifestCounts
	for _, entry := range m.Entries {
		file := entry.DataFile()
		becomes, other := r.become[file.FilePath()]
		switch _, live := r.history.Live[file.FilePath()]; {
		case !live, other && becomes.File == nil:
			changed = true
			continue
		case other:
			changed = true
			var err error
			if file, err = r.lake.Entry(*becomes.File, r.table); err != nil {
				return err
			}
		}
		snapshot, sequence := entry.SnapshotID(), entry.SequenceNum()
		entries = append(entries,
			iceberg.NewManifestEntry(entry.Status(), &snapshot, &sequence, entry.FileSequenceNum(), file))
		switch entry.Status() {
		case iceberg.EntryStatusDELETED:
			counts.removed.add(file)
			continue
		case iceberg.EntryStatusADDED:
			counts.added.add(file)
		}
		counts.live.add(file)
		r.named[file.FilePath()] = true
	}
	r.counts[m.file.FilePath()] = counts
	if !changed {
		r.manifests[m.file.FilePath()] = m.file
		r.named[m.file.FilePath()] = true
		return nil
	}
	if len(entries) == 0 {
		r.manifests[m.file.FilePath()] = nil
		return nil
	}
	written, err := r.writeManifest(m.file, entries)
	r.manifests[m.file.FilePath()] = written
	return err
}

func (r *historyRewriter) writeManifest(old iceberg.ManifestFile,
	entries []iceberg.ManifestEntry) (written iceberg.ManifestFile, err error) {
	metadata := r.history.table.Metadata()
	spec := metadata.PartitionSpecByID(int(old.PartitionSpecID()))
	if spec == nil {
		return nil, fmt.Errorf("there is no partition spec %d", old.PartitionSpecID())
	}
	object := fmt.Sprintf("%s/metadata/%s-m0.avro", r.lake.TableFolder(r.table), uuid.NewString())
	return written, r.write(object, func(w *objects.Writer) error {
		manifest, err := iceberg.NewManifestWriter(2, w, *spec, metadata.CurrentSchema(), old.SnapshotID())
		if err != nil {
			return err
		}
		for _, entry := range entries {
			switch entry.Status() {
			case iceberg.EntryStatusADDED:
				err = manifest.Add(entry)
			case iceberg.EntryStatusDELETED:
				err = manifest.Delete(entry)
			default:
				err = manifest.Existing(entry)
			}
			if err != nil {
				return err
			}
		}
		if err := manifest.Close(); err != nil {
			return err
		}
		counted, err := manifest.ToManifestFile(object, w.Size)
		if err != nil {
			return err
		}
		written = iceberg.NewManifestFile(2, object, w.Size, old.PartitionSpecID(), old.SnapshotID()).
			SequenceNum(old.SequenceNum(), old.MinSequenceNum()).Partitions(counted.Partitions()).
			AddedFiles(counted.AddedDataFiles()).ExistingFiles(counted.ExistingDataFiles()).DeletedFiles(
			counted.DeletedDataFiles()).
			AddedRows(counted.AddedRows()).ExistingRows(counted.ExistingRows()).DeletedRows(
			counted.DeletedRows()).Build()
		return nil
	})
}

// list is a snapshot's list of manifests, as it becomes.
func (r *historyRewriter) list(snapshot int64) (manifests []iceberg.ManifestFile, changed bool) {
	for _, old := range r.history.lists[snapshot] {
		became := r.manifests[old.FilePath()]
		changed = changed || became == nil || became.FilePath() != old.FilePath()
		if became != nil {
			manifests = append(manifests, became)
		}
	}
	return manifests, changed
}

func (r *historyRewriter) writeList(id int64, parent *int64, sequence int64,
	manifests []iceberg.ManifestFile) (object string, err error) {
	object = fmt.Sprintf("%s/metadata/snap-%d-0-%s.avro", r.lake.TableFolder(r.table), id, uuid.NewString())
	return object, r.write(object, func(w *objects.Writer) error {
		return iceberg.WriteManifestList(2, w, id, parent, &sequence, 0, manifests)
	})
}

// edit changes the metadata's JSON.
func (r *historyRewriter) edit(metadata map[string]any, erasure string) error {
	loaded := r.history.table.Metadata()
	snapshots, _ := metadata["snapshots"].([]any)
	byID := map[string]map[string]any{}
	for _, each := range snapshots {
		snapshot := each.(map[string]any)
		byID[fmt.Sprint(snapshot["snapshot-id"])] = snapshot
	}
	for _, snapshot := range loaded.Snapshots() {
		text := byID[fmt.Sprint(snapshot.SnapshotID)]
		manifests, changed := r.list(snapshot.SnapshotID)
		if !changed {
			r.named[snapshot.ManifestList] = true
			continue
		}
		object, err := r.writeList(snapshot.SnapshotID, snapshot.ParentSnapshotID, snapshot.SequenceNumber, manifests)
		if err != nil {
			return err
		}
		text["manifest-list"] = object
		if summary, ok := text["summary"].(map[string]any); ok {
			r.count(snapshot.SnapshotID, summary)
		}
	}
	head := loaded.CurrentSnapshot()
	id := rand.Int64()
	sequence := loaded.LastSequenceNumber() + 1
	now := max(time.Now().UnixMilli(), loaded.LastUpdatedMillis()+1, head.TimestampMs+1)
	manifests, _ := r.list(head.SnapshotID)
	object, err := r.writeList(id, &head.SnapshotID, sequence, manifests)
	if err != nil {
		return err
	}
	summary := map[string]any{"operation": string(table.OpReplace), summaryErasure: erasure}
	for _, key := range []string{"total-data-files", "total-records", "total-files-size", "total-delete-files",
		"total-position-deletes", "total-equality-deletes"} {
		summary[key] = "0"
	}
	r.count(head.SnapshotID, summary)
	top := map[string]any{
		"snapshot-id": id, "parent-snapshot-id": head.SnapshotID, "sequence-number": sequence, "timestamp-ms": now,
		"manifest-list": object, "summary": summary,
	}
	if head.SchemaID != nil {
		top["schema-id"] = *head.SchemaID
	}
	metadata["snapshots"] = append(snapshots, top)
	metadata["current-snapshot-id"], metadata["last-sequence-number"], metadata["last-updated-ms"] = id, sequence, now
	log, _ := metadata["snapshot-log"].([]any)
	metadata["snapshot-log"] = append(log, map[string]any{"snapshot-id": id, "timestamp-ms": now})
	refs, ok := metadata["refs"].(map[string]any)
	if !ok {
		return errors.New("the metadata names no main branch")
	}
	refs[table.MainBranch].(map[string]any)["snapshot-id"] = id
	// Older metadata, and sketches of values that ANALYZE left, may tell of the user.
	delete(metadata, "metadata-log")
	delete(metadata, "statistics")
	delete(metadata, "partition-statistics")
	return nil
}

// count puts the figures of a snapshot's summary right, those that it has.
func (r *historyRewriter) count(snapshot int64, summary map[string]any) {
	var sums manifestCounts
	for _, manifest := range r.history.lists[snapshot] {
		counts := r.counts[manifest.FilePath()]
		sums.live.sum(counts.live)
		if manifest.SnapshotID() == snapshot {
			sums.added.sum(counts.added)
			sums.removed.sum(counts.removed)
		}
	}
	for key, value := range map[string]int64{
		"total-data-files": sums.live.files, "total-records": sums.live.rows, "total-files-size": sums.live.bytes,
		"added-data-files": sums.added.files, "added-records": sums.added.rows, "added-files-size": sums.added.bytes,
		"deleted-data-files": sums.removed.files, "deleted-records": sums.removed.rows,
		"removed-files-size": sums.removed.bytes,
	} {
		if _, has := summary[key]; has {
			summary[key] = strconv.FormatInt(value, 10)
		}
	}
}

// swapMetadata points the catalog at other metadata, if it still points at what that was made from.
func swapMetadata(ctx context.Context, l *lake.Lake, loaded *table.Table, location string) error {
	identifier := loaded.Identifier()
	result, err := l.Db.ExecContext(ctx,
		l.Catalog.Rebind(`UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`),
		location, l.Config.CatalogName, identifier[0], identifier[1], loaded.MetadataLocation())
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: the metadata of %s moved", table.ErrCommitFailed, strings.Join(identifier, "."))
	}
	return err
}

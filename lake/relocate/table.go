package relocate

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
)

// rewriting is the work on one table.
type rewriting struct {
	*relocation
	folder    string // of the table's metadata, in the copy
	metadata  table.Metadata
	present   map[string]int64                // objects of the table in the copy, with their sizes
	manifests map[string]iceberg.ManifestFile // new ones, by the old one's path
	files     map[string]bool                 // data files that were looked for
}

// table writes the metadata of a table, or of a view, anew, and says what the catalog has to name.
func (r *relocation) table(ctx context.Context, entry database.Entry, object string) (database.Entry, error) {
	text, err := r.read(object)
	if err != nil {
		return entry, err
	}
	var document map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // ids are larger than a float can tell apart
	if err := decoder.Decode(&document); err != nil {
		return entry, fmt.Errorf("read %s: %w", object, err)
	}
	w := &rewriting{relocation: r, folder: object[:strings.LastIndexByte(object, '/')], present: map[string]int64{},
		manifests: map[string]iceberg.ManifestFile{}, files: map[string]bool{}}
	lists := map[string]string{}
	if _, isTable := document["table-uuid"]; isTable {
		if lists, err = w.lists(ctx, text); err != nil {
			return entry, err
		}
		// What they name is of the original's past.
		delete(document, "metadata-log")
		delete(document, "statistics")
		delete(document, "partition-statistics")
	}
	if text, err = json.Marshal(r.renamed(document, lists)); err != nil {
		return entry, err
	}
	number := 0
	if digits, _, ok := strings.Cut(path.Base(object), "-"); ok {
		number, _ = strconv.Atoi(digits)
	}
	entry.Metadata = fmt.Sprintf("%s/%05d-%s.metadata.json", w.folder, number+1, w.name(object))
	r.result.Tables = append(r.result.Tables, Table{Table: entry.Namespace + "." + entry.Name, Versions: len(lists),
		Manifests: len(w.manifests), Files: len(w.files)})
	return entry, w.write(entry.Metadata, func(to *objects.Writer) error { _, err := to.Write(text); return err })
}

// read reads metadata, which Trino packs.
func (r *relocation) read(object string) ([]byte, error) {
	text, err := r.objects.ReadAll(object)
	if err != nil || !bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
		return text, err
	}
	packed, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", object, err)
	}
	if text, err = io.ReadAll(packed); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", object, err)
	}
	return text, nil
}

// name is that of what an object becomes: the same for each run, so that a run overwrites what one before it left.
func (w *rewriting) name(object string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(w.to+" "+object)).String()
}

// renamed replaces, in a document, all texts that name the original's place.
func (r *relocation) renamed(value any, lists map[string]string) any {
	switch value := value.(type) {
	case map[string]any:
		for key, each := range value {
			value[key] = r.renamed(each, lists)
		}
	case []any:
		for i, each := range value {
			value[i] = r.renamed(each, lists)
		}
	case string:
		if list, is := lists[value]; is {
			return list
		}
		if value == r.from {
			return r.to
		}
		return r.here(value)
	}
	return value
}

// lists writes the lists of manifests of all versions anew, and tells what each becomes.
func (w *rewriting) lists(ctx context.Context, text []byte) (lists map[string]string, err error) {
	if w.metadata, err = table.ParseMetadataBytes(text); err != nil {
		return nil, fmt.Errorf("read its metadata: %w", err)
	}
	if err := w.objects.Walk(ctx, strings.TrimSuffix(w.folder, "/metadata"), func(object string, size int64) error {
		w.present[object] = size
		return nil
	}); err != nil {
		return nil, err
	}
	lists = map[string]string{}
	for _, snapshot := range w.metadata.Snapshots() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		old := snapshot.ManifestList
		snapshot.ManifestList = w.here(old)
		manifests, err := snapshot.Manifests(w.objects.IO)
		if objects.IsMissing(err) {
			w.missing = append(w.missing, snapshot.ManifestList)
			lists[old] = snapshot.ManifestList
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifests of version %d: %w", snapshot.SnapshotID, err)
		}
		if manifests, err = w.all(manifests); err != nil {
			return nil, err
		}
		lists[old] = fmt.Sprintf("%s/snap-%d-0-%s.avro", w.folder, snapshot.SnapshotID, w.name(old))
		if err := w.write(lists[old], func(to *objects.Writer) error {
			return iceberg.WriteManifestList(2, to, snapshot.SnapshotID, snapshot.ParentSnapshotID,
				&snapshot.SequenceNumber, 0, manifests)
		}); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// all are what some manifests become.
func (w *rewriting) all(manifests []iceberg.ManifestFile) (become []iceberg.ManifestFile, err error) {
	for _, manifest := range manifests {
		known, done := w.manifests[manifest.FilePath()]
		if !done {
			known, err = w.manifest(manifest)
			if objects.IsMissing(err) {
				w.missing, known, err = append(w.missing, w.here(manifest.FilePath())), manifest, nil
			}
			if err != nil {
				return nil, fmt.Errorf("write the manifest %s anew: %w", manifest.FilePath(), err)
			}
			w.manifests[manifest.FilePath()] = known
		}
		become = append(become, known)
	}
	return become, nil
}

// manifest writes a manifest with the copy's names of its files.
func (w *rewriting) manifest(old iceberg.ManifestFile) (written iceberg.ManifestFile, err error) {
	if old.ManifestContent() != iceberg.ManifestContentData {
		return nil, errors.New(
			"it has delete files: another engine deleted rows; compact the table in the original first")
	}
	spec := w.metadata.PartitionSpecByID(int(old.PartitionSpecID()))
	if spec == nil {
		return nil, fmt.Errorf("there is no partition spec %d", old.PartitionSpecID())
	}
	schema := w.metadata.CurrentSchema()
	source := iceberg.NewManifestFile(2, w.here(old.FilePath()), old.Length(), old.PartitionSpecID(), old.SnapshotID()).
		SequenceNum(old.SequenceNum(), old.MinSequenceNum()).Build()
	object := fmt.Sprintf("%s/%s-m0.avro", w.folder, w.name(old.FilePath()))
	var size int64
	err = w.write(object, func(to *objects.Writer) error {
		manifest, err := iceberg.NewManifestWriter(2, to, *spec, schema, old.SnapshotID())
		if err != nil {
			return err
		}
		for entry, err := range source.Entries(w.objects.IO, false) {
			if err != nil {
				return err
			}
			if err := w.entry(manifest, entry, *spec, schema); err != nil {
				return err
			}
		}
		err = manifest.Close()
		size = to.Size
		return err
	})
	if err != nil {
		return nil, err
	}
	return iceberg.NewManifestFile(2, object, size, old.PartitionSpecID(), old.SnapshotID()).
		SequenceNum(old.SequenceNum(), old.MinSequenceNum()).Partitions(old.Partitions()).
		AddedFiles(old.AddedDataFiles()).ExistingFiles(old.ExistingDataFiles()).DeletedFiles(old.DeletedDataFiles()).
		AddedRows(old.AddedRows()).ExistingRows(old.ExistingRows()).DeletedRows(old.DeletedRows()).Build(), nil
}

// entry adds a file to a manifest under its new name, and looks whether the copy has it.
func (w *rewriting) entry(manifest *iceberg.ManifestWriter, entry iceberg.ManifestEntry, spec iceberg.PartitionSpec,
	schema *iceberg.Schema) error {
	name := w.here(entry.DataFile().FilePath())
	file, err := named(entry.DataFile(), spec, schema, name)
	if err != nil {
		return err
	}
	snapshot, sequence := entry.SnapshotID(), entry.SequenceNum()
	now := iceberg.NewManifestEntry(entry.Status(), &snapshot, &sequence, entry.FileSequenceNum(), file)
	if entry.Status() == iceberg.EntryStatusDELETED {
		return manifest.Delete(now)
	}
	if size, has := w.present[name]; !w.files[name] && (!has || size != file.FileSizeBytes()) {
		w.missing = append(w.missing, name)
	}
	w.files[name] = true
	if entry.Status() == iceberg.EntryStatusADDED {
		return manifest.Add(now)
	}
	return manifest.Existing(now)
}

// named is a data file under another name. All else of it stays as it is, byte for byte: it is encoded as in a
// manifest, where the name is a text behind its length.
func named(file iceberg.DataFile, spec iceberg.PartitionSpec, schema *iceberg.Schema, name string) (iceberg.DataFile,
	error) {
	encoded, err := codec.EncodeDataFile(file, spec, schema, 2)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", file.FilePath(), err)
	}
	text := func(name string) []byte {
		return append(binary.AppendVarint(nil, int64(len(name))), name...)
	}
	before := text(file.FilePath())
	at := bytes.Index(encoded, before)
	if at < 0 {
		return nil, fmt.Errorf("the description of %s does not name it", file.FilePath())
	}
	decoded, err := codec.DecodeDataFile(slices.Concat(encoded[:at], text(name), encoded[at+len(before):]), spec,
		schema, 2)
	if err == nil && (decoded.FilePath() != name || decoded.Count() != file.Count()) {
		err = errors.New("it came out as another file")
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	return decoded, nil
}

// write writes an object, unless nothing is to be changed.
func (w *rewriting) write(object string, fill func(*objects.Writer) error) error {
	writer := w.objects.Create(w.folder)
	if err := fill(writer); err != nil {
		writer.Abort()
		return fmt.Errorf("write %s: %w", object, err)
	}
	if w.DryRun {
		writer.Abort()
		return nil
	}
	return writer.Publish(object)
}

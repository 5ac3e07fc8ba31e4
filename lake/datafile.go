package lake

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/columnar"
	"github.com/versionlake/versionlake/lake/objects"
)

// DataFile is a data file that was written but not committed: it travels between workers as text.
type DataFile struct {
	Table string `json:"table"`
	Path  string `json:"path"`
	Rows  int64  `json:"rows"`
	Size  int64  `json:"size"`
	Entry []byte `json:"entry"` // the manifest entry, in Iceberg's Avro encoding
}

// DataWriter writes one data file of a table.
type DataWriter[T any] struct {
	*columnar.Writer[T]
	lake       *Lake
	definition TableDefinition
	partition  Partition
	object     *objects.Writer
}

// NewDataWriter begins a data file. What extra options say is of this file alone.
func NewDataWriter[T any](l *Lake, definition TableDefinition, p Partition,
	extra ...parquet.WriterOption) (*DataWriter[T], error) {
	return newDataWriter[T](l, definition, p, nil, extra)
}

// NewRawWriter begins a data file of rows in Parquet's own form.
func NewRawWriter(l *Lake, definition TableDefinition, p Partition) (*DataWriter[any], error) {
	return newDataWriter[any](l, definition, p, parquet.SchemaOf(definition.Row), nil)
}

func newDataWriter[T any](l *Lake, definition TableDefinition, p Partition, raw *parquet.Schema,
	extra []parquet.WriterOption) (*DataWriter[T], error) {
	object := l.Objects.Create(l.DataFolder(definition, p))
	kind := columnar.Kind{Name: definition.Name, SkipBounds: definition.Bounded != nil,
		Unbounded: definition.unbounded(), Raw: raw}
	return &DataWriter[T]{Writer: columnar.NewWriter[T](object, kind, extra...), lake: l, definition: definition,
		partition: p, object: object}, nil
}

// TableFolder is where the data and the metadata of a table lie.
func (l *Lake) TableFolder(definition TableDefinition) string {
	identifier := definition.Identifier()
	return l.Objects.Root + "/" + identifier[0] + "/" + identifier[1]
}

// DataFolder is where the data files of a partition lie; the zero one is that of a table without partitions.
func (l *Lake) DataFolder(definition TableDefinition, p Partition) string {
	return strings.TrimSuffix(l.TableFolder(definition)+"/data/"+p.Folder, "/")
}

// Abort drops the file.
func (w *DataWriter[T]) Abort() { w.object.Abort() }

// Close publishes the file under a name that ends in the digest of its contents, so that a rerun of the same files
// can see that it changed nothing. A writer without rows leaves no file: nil.
func (w *DataWriter[T]) Close(name string) (*DataFile, error) {
	if w.Written == 0 {
		w.Abort()
		w.Recycle()
		return nil, nil
	}
	footer, err := w.End()
	if err != nil {
		w.Abort()
		return nil, fmt.Errorf("finish a file of %s: %w", w.definition.Name, err)
	}
	return w.lake.Publish(w.object, w.definition, w.partition, footer, name, w.Written)
}

// Publish gives a written file its name, and describes it.
func (l *Lake) Publish(object *objects.Writer, definition TableDefinition, p Partition, footer *metadata.FileMetaData,
	name string, rows int64) (*DataFile, error) {
	path := fmt.Sprintf("%s/%s-%s.parquet", l.DataFolder(definition, p), name, object.Digest())
	size := object.Size
	if err := object.Publish(path); err != nil {
		return nil, err
	}
	spec := definition.Spec(l.Config.Buckets)
	schema := definition.Schema()
	entry, err := table.DataFileFromMetadata(table.DataFileArgs{
		Schema: schema, Spec: spec, Format: iceberg.ParquetFile, Metadata: footer, FilePath: path, FileSize: size,
		Content: iceberg.EntryContentData, PartitionValues: p.Values, Properties: definition.properties,
		FormatVersion: 2,
	})
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", path, err)
	}
	encoded, err := codec.EncodeDataFile(entry, spec, schema, 2)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", path, err)
	}
	return &DataFile{Table: definition.Name, Path: path, Rows: rows, Size: size, Entry: encoded}, nil
}

// Entry decodes a written file for a commit.
func (l *Lake) Entry(file DataFile, definition TableDefinition) (iceberg.DataFile, error) {
	decoded, err := codec.DecodeDataFile(file.Entry, definition.Spec(l.Config.Buckets), definition.Schema(), 2)
	if err != nil {
		return nil, fmt.Errorf("decode the entry of %s: %w", file.Path, err)
	}
	return decoded, nil
}

// Encode turns a live file back into one that travels.
func (l *Lake) Encode(file iceberg.DataFile, definition TableDefinition) (DataFile, error) {
	encoded, err := codec.EncodeDataFile(file, definition.Spec(l.Config.Buckets), definition.Schema(), 2)
	if err != nil {
		return DataFile{}, fmt.Errorf("describe %s: %w", file.FilePath(), err)
	}
	return DataFile{Table: definition.Name, Path: file.FilePath(), Rows: file.Count(), Size: file.FileSizeBytes(),
		Entry: encoded}, nil
}

func (l *Lake) Entries(definition TableDefinition, files []DataFile) ([]iceberg.DataFile, error) {
	decoded := make([]iceberg.DataFile, len(files))
	for i, file := range files {
		entry, err := l.Entry(file, definition)
		if err != nil {
			return nil, err
		}
		decoded[i] = entry
	}
	return decoded, nil
}

func CountOf(files []iceberg.DataFile) (rows int64) {
	for _, file := range files {
		rows += file.Count()
	}
	return rows
}

package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/telemetry"
)

// compactOrder says in which order the rows of a partition's files come one after the other.
type compactOrder int

const (
	CompactNever     compactOrder = iota
	compactByName                 // by the names of files, which number chunks or sections
	CompactByCluster              // likewise; the clusters of bronze stay apart
	compactBySession              // by session_key, the first column, whose ranges the files of an hour do not share
	compactByHour                 // by hour_utc, the first column
)

const (
	// compactedMark is in the name of a file that was put together. What it was made of is in its footer.
	compactedMark = "compacted"
	// footerDigests is the key, in a compacted file's footer, of the digests of the files that it was made of, each
	// behind the hour of the day that it held: 5:7d1a… 5:09bc… 6:….
	footerDigests = "versionlake.digests"
)

// CompareFiles orders the files of a partition as their rows follow each other.
func (d TableDefinition) CompareFiles(a, b iceberg.DataFile) int {
	var hourA, hourB telemetry.Hour
	if d.byDay() {
		hourA, _, _ = d.HoursOf(a)
		hourB, _, _ = d.HoursOf(b)
	}
	var lowA, lowB int64
	if d.Compact == compactBySession || d.Compact == compactByHour {
		lowA, _ = Bounds(a, 1)
		lowB, _ = Bounds(b, 1)
	}
	return cmp.Or(cmp.Compare(hourA, hourB), cmp.Compare(lowA, lowB),
		strings.Compare(path.Base(a.FilePath()), path.Base(b.FilePath())))
}

// compactedName keeps what the name of the first file says of the order and of the cluster.
func compactedName(first string) string {
	parts := strings.Split(strings.TrimSuffix(path.Base(first), ".parquet"), "-")
	parts = parts[:len(parts)-1] // the digest
	mark := fmt.Sprintf("%s%d", compactedMark, time.Now().UnixNano())
	if len(parts) > 2 {
		parts[2] = mark // in the place of the time
	} else {
		parts = append(parts, mark)
	}
	return strings.Join(parts, "-")
}

// PutTogether writes rows into one file of the partition that they belong to, each hour of a day in row groups of
// its own.
func (l *Lake) PutTogether(ctx context.Context, definition TableDefinition, parts []HourRows) (*DataFile, error) {
	made, err := l.listDigests(parts)
	if err != nil {
		return nil, err
	}
	schema := parquet.SchemaOf(definition.Row)
	writer, err := NewDataWriter[any](l, definition, definition.At(parts[0].Hour), schema,
		parquet.KeyValueMetadata(footerDigests, made))
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		if i > 0 && part.Hour != parts[i-1].Hour {
			err = writer.endGroup()
		}
		if err == nil {
			err = CopyRows(ctx, l, part.File, schema, writer)
		}
		if err != nil {
			writer.Abort()
			return nil, err
		}
	}
	return writer.Close(compactedName(parts[0].File.FilePath()))
}

func CopyRows(ctx context.Context, l *Lake, file iceberg.DataFile, schema *parquet.Schema,
	writer *DataWriter[any]) error {
	const batch = 256
	rows := make([]parquet.Row, 0, batch)
	flush := func() error {
		err := writer.WriteRaw(rows)
		rows = rows[:0]
		return err
	}
	count := int64(0)
	err := l.ScanRaw(ctx, file, schema, func(row parquet.Row) error {
		count++
		if rows = append(rows, row.Clone()); len(rows) < batch { // its texts are the scan's
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && count != file.Count() {
		err = fmt.Errorf("%s has %d rows, and the table says %d", file.FilePath(), count, file.Count())
	}
	return err
}

// digests tell the contents of a file: its own, or those of the files that it was put together from.
func (l *Lake) digests(file iceberg.DataFile) (made []string, err error) {
	if part, ok := file.(*PartOfFile); ok {
		return part.digests, nil
	}
	if !IsCompacted(file.FilePath()) {
		return []string{Digest(file.FilePath())}, nil
	}
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	for _, digests := range digestsByHour(parsed) {
		made = append(made, digests...)
	}
	if len(made) == 0 {
		made = []string{Digest(file.FilePath())} // another engine's
	}
	return made, nil
}

func IsCompacted(file string) bool { return strings.Contains(path.Base(file), compactedMark) }

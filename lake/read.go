package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// OpenParquet opens a data file for reading by column.
func (l *Lake) OpenParquet(file iceberg.DataFile) (*parquet.File, func() error, error) {
	opened, err := l.Objects.Open(file.FilePath())
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parquet.OpenFile(opened, file.FileSizeBytes(), parquet.SkipBloomFilters(true),
		parquet.ReadBufferSize(l.Objects.ReadBuffer(file)))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", file.FilePath(), err), opened.Close())
	}
	return parsed, opened.Close, nil
}

// ScanRows streams the rows of a file in batches; a batch is valid until each returns.
func ScanRows[T any](ctx context.Context, l *Lake, file iceberg.DataFile, each func([]T) error) (err error) {
	if part, ok := file.(*PartOfFile); ok {
		return scanPart(ctx, l, part, each)
	}
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	if err := scanBatches(ctx, parquet.NewGenericReader[T](parsed), file.Count(), each); err != nil {
		return fmt.Errorf("read %s: %w", file.FilePath(), err)
	}
	return nil
}

func scanBatches[T any](ctx context.Context, reader *parquet.GenericReader[T], count int64,
	each func([]T) error) error {
	defer reader.Close()
	rows := make([]T, max(min(count, 1024), 1))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := reader.Read(rows)
		if n > 0 {
			if err := each(rows[:n]); err != nil {
				return err
			}
			clear(rows[:n])
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// filesAtOnce is how many small files are read at once: on S3 each takes a round trip or two.
const filesAtOnce = 16

// ReadRows reads small files whole.
func ReadRows[T any](ctx context.Context, l *Lake, files []iceberg.DataFile) ([]T, error) {
	read := make([][]T, len(files))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(filesAtOnce)
	for i, file := range files {
		work.Go(func() error {
			return ScanRows(ctx, l, file, func(rows []T) error {
				read[i] = append(read[i], rows...)
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(read...), nil
}

// Version is a snapshot of gold.users that a reader can name.
type Version struct {
	SnapshotID  int64     `json:"snapshot_id,string"` // as text: JSON readers round large numbers
	CommittedAt time.Time `json:"committed_at"`
	Tags        []string  `json:"tags"`
}

// Version finds the snapshot that text names: "" (now), a tag, a snapshot id, or an RFC 3339 time. ErrUnknownVersion.
func (l *Lake) Version(ctx context.Context, text string) (Version, error) {
	loaded, err := l.Load(ctx, GoldUsers)
	if err != nil {
		return Version{}, err
	}
	var snapshot *table.Snapshot
	if id, err := strconv.ParseInt(text, 10, 64); text == "" {
		snapshot = loaded.CurrentSnapshot()
		if snapshot == nil {
			return Version{}, fmt.Errorf("%w: gold.users has no snapshot yet: ingest an hour first", ErrUnknownVersion)
		}
	} else if err == nil {
		snapshot = loaded.SnapshotByID(id)
	} else if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		snapshot = loaded.SnapshotAsOf(at.UnixMilli(), true)
	} else {
		snapshot = loaded.SnapshotByName(text)
	}
	if snapshot == nil {
		return Version{}, fmt.Errorf("%w: %q; it may have been there and expired: `versionlake status "+
			"--versions` lists what can still be read", ErrUnknownVersion, text)
	}
	return VersionOf(loaded, *snapshot), nil
}

// Versions are the snapshots of gold.users that can still be read, newest first.
func (l *Lake) Versions(ctx context.Context) ([]Version, error) {
	loaded, err := l.Load(ctx, GoldUsers)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		versions = append(versions, VersionOf(loaded, snapshot))
	}
	return versions, nil
}

func VersionOf(loaded *table.Table, snapshot table.Snapshot) Version {
	version := Version{SnapshotID: snapshot.SnapshotID, CommittedAt: time.UnixMilli(snapshot.TimestampMs).UTC(),
		Tags: []string{}}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot.SnapshotID && ref.SnapshotRefType == table.TagRef {
			version.Tags = append(version.Tags, name)
		}
	}
	slices.Sort(version.Tags)
	return version
}

// ParserFor reads bodies in bronze, whatever their hour.
func ParserFor(parsing telemetry.Options) (*telemetry.Parser, error) {
	parser, err := telemetry.NewParser(parsing)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", objects.ErrConfig, err)
	}
	return parser, nil
}

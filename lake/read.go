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

	"github.com/versionlake/versionlake/telemetry"
)

// readBuffer is the size of the pieces in which a column is read: of a remote file larger, since a request costs more than its bytes.
func (o *objects) readBuffer(file iceberg.DataFile) int {
	most := int64(1 << 20)
	if o.localPath(file.FilePath()) != "" {
		most = 64 << 10
	}
	return int(max(min(file.FileSizeBytes(), most), 4<<10))
}

// openParquet opens a data file for reading by column.
func (l *Lake) openParquet(file iceberg.DataFile) (*parquet.File, func() error, error) {
	opened, err := l.objects.open(file.FilePath())
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parquet.OpenFile(opened, file.FileSizeBytes(), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(l.objects.readBuffer(file)))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", file.FilePath(), err), opened.Close())
	}
	return parsed, opened.Close, nil
}

// scanRows streams the rows of a file in batches; a batch is valid until each returns.
func scanRows[T any](ctx context.Context, l *Lake, file iceberg.DataFile, each func([]T) error) (err error) {
	if part, ok := file.(*partOfFile); ok {
		return scanPart(ctx, l, part, each)
	}
	parsed, closeFile, err := l.openParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	if err := scanBatches(ctx, parquet.NewGenericReader[T](parsed), file.Count(), each); err != nil {
		return fmt.Errorf("read %s: %w", file.FilePath(), err)
	}
	return nil
}

func scanBatches[T any](ctx context.Context, reader *parquet.GenericReader[T], count int64, each func([]T) error) error {
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

// readRows reads small files whole.
func readRows[T any](ctx context.Context, l *Lake, files []iceberg.DataFile) ([]T, error) {
	read := make([][]T, len(files))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(filesAtOnce)
	for i, file := range files {
		work.Go(func() error {
			return scanRows(ctx, l, file, func(rows []T) error {
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

// Hours reads the ledger's newest row of each hour in [from, to), ascending.
func (l *Lake) Hours(ctx context.Context, from, to telemetry.Hour) ([]HourRow, error) {
	rows, err := l.hourRows(ctx, from, to)
	if err != nil {
		return nil, err
	}
	// Oldest first: of the same hour, the last to be finished wins.
	newest := rows[:0]
	for _, row := range rows {
		if len(newest) > 0 && newest[len(newest)-1].Hour == row.Hour {
			newest[len(newest)-1] = row
			continue
		}
		newest = append(newest, row)
	}
	return newest, nil
}

// hourRows reads every run in [from, to), by hour and time of finishing.
func (l *Lake) hourRows(ctx context.Context, from, to telemetry.Hour) ([]HourRow, error) {
	loaded, err := l.load(ctx, opsHours)
	if err != nil {
		return nil, err
	}
	return l.hourRowsOf(ctx, loaded, from, to)
}

func (l *Lake) hourRowsOf(ctx context.Context, loaded *table.Table, from, to telemetry.Hour) ([]HourRow, error) {
	files, err := liveFiles(ctx, loaded, hoursBetween(from, to))
	if err != nil {
		return nil, err
	}
	stored, err := readRows[hourRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	var rows []HourRow
	for _, row := range stored {
		hour := telemetry.HourOf(time.UnixMicro(row.HourStart))
		if hour < from || hour >= to {
			continue
		}
		rows = append(rows, HourRow{
			Hour: hour, RunID: row.RunID, State: row.State, Source: row.Source, Files: row.Files, BadFiles: row.BadFiles,
			GoneFiles: row.GoneFiles, PassedOver: row.PassedOver,
			Bytes: row.Bytes, Lines: row.Lines, Events: row.Events, Rejects: row.Rejects, Blanks: row.Blanks, Erased: row.Erased, Silver: row.Silver,
			Sightings: row.Sightings, Bindings: row.Bindings, Rules: row.Rules, Changed: row.Changed,
			StartedAt: time.UnixMicro(row.StartedAt).UTC(), FinishedAt: time.UnixMicro(row.FinishedAt).UTC(),
		})
	}
	slices.SortStableFunc(rows, func(a, b HourRow) int {
		if a.Hour != b.Hour {
			return int(a.Hour - b.Hour)
		}
		return a.FinishedAt.Compare(b.FinishedAt)
	})
	return rows, nil
}

// Files reads ops.files of an hour, by key.
func (l *Lake) Files(ctx context.Context, hour telemetry.Hour) ([]FileRow, error) {
	loaded, err := l.load(ctx, opsFiles)
	if err != nil {
		return nil, err
	}
	live, err := l.hourFiles(ctx, loaded, hour)
	if err != nil {
		return nil, err
	}
	stored, err := readRows[fileRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	rows := make([]FileRow, len(stored))
	for i, row := range stored {
		rows[i] = row.public(hour)
	}
	return rows, nil
}

// Version is a snapshot of gold.users that a reader can name.
type Version struct {
	SnapshotID  int64     `json:"snapshot_id,string"` // as text: JSON readers round large numbers
	CommittedAt time.Time `json:"committed_at"`
	Tags        []string  `json:"tags"`
}

// Version finds the snapshot that text names: "" (now), a tag, a snapshot id, or an RFC 3339 time. ErrUnknownVersion.
func (l *Lake) Version(ctx context.Context, text string) (Version, error) {
	loaded, err := l.load(ctx, goldUsers)
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
		return Version{}, fmt.Errorf("%w: %q; it may have been there and expired: `versionlake status --versions` lists what can still be read", ErrUnknownVersion, text)
	}
	return versionOf(loaded, *snapshot), nil
}

// Versions are the snapshots of gold.users that can still be read, newest first.
func (l *Lake) Versions(ctx context.Context) ([]Version, error) {
	loaded, err := l.load(ctx, goldUsers)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		versions = append(versions, versionOf(loaded, snapshot))
	}
	return versions, nil
}

func versionOf(loaded *table.Table, snapshot table.Snapshot) Version {
	version := Version{SnapshotID: snapshot.SnapshotID, CommittedAt: time.UnixMilli(snapshot.TimestampMs).UTC(), Tags: []string{}}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot.SnapshotID && ref.SnapshotRefType == table.TagRef {
			version.Tags = append(version.Tags, name)
		}
	}
	slices.Sort(version.Tags)
	return version
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake/columnar"
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
		err = l.DamageOf(context.Background(), file, err)
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
	if err := columnar.ScanRows(ctx, parquet.NewGenericReader[T](parsed), file.Count(), each); err != nil {
		return fmt.Errorf("read %s: %w", file.FilePath(), l.DamageOf(ctx, file, err))
	}
	return nil
}

// EachRow hands out the rows of files, one after the other; each lives until it returns.
func EachRow[T any](ctx context.Context, l *Lake, files []iceberg.DataFile, each func(*T) error) error {
	for _, file := range files {
		if err := ScanRows(ctx, l, file, func(rows []T) error {
			for i := range rows {
				if err := each(&rows[i]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
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

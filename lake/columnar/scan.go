package columnar

import (
	"context"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
)

const scanBatch = 1024

// ScanGroup streams some columns of a row group, in Parquet's own form; a row lives until each returns. It reads column
// by column: parquet-go's reader of rows takes four times as long.
func ScanGroup(ctx context.Context, group parquet.RowGroup, leaves []int, each func(parquet.Row) error) (err error) {
	chunks := group.ColumnChunks()
	columns := make([]*columnScan, len(leaves))
	for i, leaf := range leaves {
		columns[i] = &columnScan{pages: chunks[leaf].Pages(), batch: make([]parquet.Value, scanBatch)}
		defer func() { err = errors.Join(err, columns[i].pages.Close()) }()
	}
	row := make(parquet.Row, len(leaves))
	for rest := group.NumRows(); rest > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := int(min(rest, scanBatch))
		for _, column := range columns {
			if err := column.read(n); err != nil {
				return err
			}
		}
		for i := range n {
			for c, column := range columns {
				row[c] = column.batch[i]
			}
			if err := each(row); err != nil {
				return err
			}
		}
		rest -= int64(n)
	}
	return nil
}

// columnScan reads a column in batches that take no notice of its pages.
type columnScan struct {
	pages  parquet.Pages
	values parquet.ValueReader
	batch  []parquet.Value
}

func (c *columnScan) read(n int) error {
	for have := 0; have < n; {
		if c.values == nil {
			// Pages are left to the garbage collector: the values of a batch may lie in several of them.
			page, err := c.pages.ReadPage()
			if err != nil {
				return err
			}
			c.values = page.Values()
		}
		got, err := c.values.ReadValues(c.batch[have:n])
		have += got
		if err == io.EOF {
			c.values = nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// ScanRows streams rows in batches; a batch is valid until each returns.
func ScanRows[T any](ctx context.Context, reader *parquet.GenericReader[T], count int64,
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

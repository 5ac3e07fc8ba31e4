package lake

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
)

// scanRaw streams the rows of a file that nests nothing, with the columns of schema, in Parquet's own form; a row lives
// until each returns. It reads column by column: parquet-go's reader of rows takes four times as long.
func (l *Lake) scanRaw(ctx context.Context, file iceberg.DataFile, schema *parquet.Schema, each func(parquet.Row) error) (err error) {
	parsed, closeFile, err := l.openParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	leaves := make([]int, 0, len(schema.Columns()))
	for _, path := range schema.Columns() {
		leaf, ok := parsed.Schema().Lookup(path...)
		if !ok {
			return fmt.Errorf("read %s: it has no column %v", file.FilePath(), path)
		}
		leaves = append(leaves, leaf.ColumnIndex)
	}
	for _, group := range parsed.RowGroups() {
		if err := scanGroup(ctx, group, leaves, each); err != nil {
			return fmt.Errorf("read %s: %w", file.FilePath(), err)
		}
	}
	return nil
}

const scanBatch = 1024

func scanGroup(ctx context.Context, group parquet.RowGroup, leaves []int, each func(parquet.Row) error) (err error) {
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

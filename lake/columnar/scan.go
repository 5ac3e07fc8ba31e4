package columnar

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// Batch is how many values are read at once.
const Batch = 1024

// ScanGroup streams some columns of a row group, in Parquet's own form; a row lives until each returns. It reads column
// by column: parquet-go's reader of rows takes four times as long.
func ScanGroup(ctx context.Context, group parquet.RowGroup, leaves []int, each func(parquet.Row) error) (err error) {
	row := make(parquet.Row, len(leaves))
	return ScanColumns(ctx, group, leaves, func(columns [][]parquet.Value) error {
		for i := range columns[0] {
			for c := range columns {
				row[c] = columns[c][i]
			}
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// ScanColumns streams some columns of a row group, batch by batch: of each column as many values. A batch lives until
// each returns; what its values point to lives on.
func ScanColumns(ctx context.Context, group parquet.RowGroup, leaves []int,
	each func(columns [][]parquet.Value) error) (err error) {
	c := NewCursor(group, leaves)
	defer func() { err = errors.Join(err, c.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		columns, err := c.Next()
		if err != nil || columns == nil {
			return err
		}
		if err := each(columns); err != nil {
			return err
		}
	}
}

// Cursor reads some columns of a row group, batch by batch.
type Cursor struct {
	columns []*columnScan
	batch   [][]parquet.Value
	rest    int64
}

// NewCursor begins a row group.
func NewCursor(group parquet.RowGroup, leaves []int) *Cursor {
	chunks := group.ColumnChunks()
	c := &Cursor{batch: make([][]parquet.Value, len(leaves)), rest: group.NumRows()}
	for _, leaf := range leaves {
		c.columns = append(c.columns,
			&columnScan{pages: chunks[leaf].Pages(), batch: make([]parquet.Value, Batch)})
	}
	return c
}

// Next reads a batch: of each column as many values, which live until the next call; nil at the end. What values
// point to lives on.
func (c *Cursor) Next() ([][]parquet.Value, error) {
	if c.rest == 0 {
		return nil, nil
	}
	n := int(min(c.rest, Batch))
	for i, column := range c.columns {
		if err := column.read(n); err != nil {
			return nil, err
		}
		c.batch[i] = column.batch[:n]
	}
	c.rest -= int64(n)
	return c.batch, nil
}

// Close ends the reading.
func (c *Cursor) Close() (err error) {
	for _, column := range c.columns {
		err = errors.Join(err, column.pages.Close())
	}
	return err
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

// Columns are the places of a schema's columns in a file.
type Columns struct {
	Leaves []int
	// Lifted are optional by now, and were required when the file was written: what they have is there.
	Lifted []int
}

// ColumnsIn finds the columns of a schema in a file.
func ColumnsIn(file *parquet.File, schema *parquet.Schema) (columns Columns, err error) {
	for i, path := range schema.Columns() {
		leaf, ok := file.Schema().Lookup(path...)
		if !ok {
			return columns, fmt.Errorf("it has no column %v", path)
		}
		columns.Leaves = append(columns.Leaves, leaf.ColumnIndex)
		if now, _ := schema.Lookup(path...); leaf.MaxDefinitionLevel == 0 && now.MaxDefinitionLevel == 1 &&
			now.MaxRepetitionLevel == 0 {
			columns.Lifted = append(columns.Lifted, i)
		}
	}
	return columns, nil
}

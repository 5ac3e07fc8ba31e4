package lake

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/columnar"
)

// ScanRaw streams the rows of a file that nests nothing, with the columns of schema, in Parquet's own form; a row lives
// until each returns. It reads column by column: parquet-go's reader of rows takes four times as long.
func (l *Lake) ScanRaw(ctx context.Context, file iceberg.DataFile, schema *parquet.Schema,
	each func(parquet.Row) error) error {
	err := l.EachGroup(file, func(group RowGroup) error { return group.Scan(ctx, schema, each) })
	return l.DamageOf(ctx, file, err)
}

// RowGroup is a row group of a file, or of a part of one.
type RowGroup struct {
	parquet.RowGroup
	file     *parquet.File
	hourLeaf int
	Whole    bool // all of its rows count
	part     *PartOfFile
}

// EachGroup opens a file and hands out its row groups, those that hold rows of the part if it is one.
func (l *Lake) EachGroup(file iceberg.DataFile, each func(RowGroup) error) (err error) {
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	all := RowGroup{file: parsed, Whole: true}
	if all.part, _ = file.(*PartOfFile); all.part != nil {
		leaf, ok := parsed.Schema().Lookup(hourColumn)
		if !ok {
			return fmt.Errorf("read %s: it has no column %s", file.FilePath(), hourColumn)
		}
		all.hourLeaf = leaf.ColumnIndex
	}
	for _, group := range parsed.RowGroups() {
		one := all
		one.RowGroup = group
		if one.part != nil {
			some := false
			if one.Whole, some = one.part.of(group, one.hourLeaf); !some {
				continue
			}
		}
		if err := each(one); err != nil {
			return fmt.Errorf("read %s: %w", file.FilePath(), err)
		}
	}
	return nil
}

// Scan streams the rows of the group that count, with the columns of schema.
func (g RowGroup) Scan(ctx context.Context, schema *parquet.Schema, each func(parquet.Row) error) error {
	columns, err := columnar.ColumnsIn(g.file, schema)
	if err != nil {
		return err
	}
	if len(columns.Lifted) > 0 {
		next := each
		each = func(row parquet.Row) error {
			for _, i := range columns.Lifted {
				row[i] = row[i].Level(0, 1, row[i].Column())
			}
			return next(row)
		}
	}
	if g.Whole {
		return columnar.ScanGroup(ctx, g, columns.Leaves, each)
	}
	n := len(columns.Leaves)
	return columnar.ScanGroup(ctx, g, append(columns.Leaves, g.hourLeaf), func(row parquet.Row) error {
		if !g.part.has(row[n].Int32()) {
			return nil
		}
		return each(row[:n:n])
	})
}

// ErrStop ends a scan that has seen enough.
var ErrStop = errors.New("seen enough")

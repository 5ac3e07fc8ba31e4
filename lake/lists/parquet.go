package lists

import (
	"database/sql"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
)

// node is how a column is stored; what has no type of its own is text.
func node(kind string) parquet.Node {
	switch kind {
	case "BOOLEAN":
		return parquet.Leaf(parquet.BooleanType)
	case "BIGINT", "INTEGER", "SMALLINT", "TINYINT":
		return parquet.Leaf(parquet.Int64Type)
	case "DOUBLE", "REAL":
		return parquet.Leaf(parquet.DoubleType)
	case "DATE":
		return parquet.Date()
	case "TIMESTAMP WITH TIME ZONE", "TIMESTAMP":
		return parquet.Timestamp(parquet.Microsecond)
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

// rowsAtOnce are written together.
const rowsAtOnce = 1024

// writeParquet writes the rows, columns in the order of their names, all of them nullable.
func writeParquet(to io.Writer, rows *sql.Rows) (int64, error) {
	var out *parquet.GenericWriter[any]
	var kinds []string
	var places []int
	var batch []parquet.Row
	flush := func() error {
		_, err := out.WriteRows(batch)
		batch = batch[:0]
		return err
	}
	n, err := each(rows, func(columns []*sql.ColumnType) error {
		group := parquet.Group{}
		for _, column := range columns {
			kinds = append(kinds, kindOf(column))
			group[column.Name()] = parquet.Optional(node(kindOf(column)))
		}
		schema := parquet.NewSchema("list", group)
		for _, column := range columns {
			leaf, _ := schema.Lookup(column.Name())
			places = append(places, leaf.ColumnIndex)
		}
		out = parquet.NewGenericWriter[any](to, schema, parquet.Compression(&parquet.Zstd))
		return nil
	}, func(cells []any) error {
		row := make(parquet.Row, len(cells))
		for i, cell := range cells {
			value, err := valueOf(kinds[i], cell)
			if err != nil {
				return err
			}
			defined := 1
			if cell == nil {
				defined = 0
			}
			row[places[i]] = value.Level(0, defined, places[i])
		}
		if batch = append(batch, row); len(batch) == rowsAtOnce {
			return flush()
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	if err := flush(); err != nil {
		return n, err
	}
	return n, out.Close()
}

func valueOf(kind string, cell any) (parquet.Value, error) {
	switch value := cell.(type) {
	case nil:
		return parquet.NullValue(), nil
	case string:
		return parquet.ValueOf(value), nil
	case int64, float64, bool:
		return parquet.ValueOf(value), nil
	case time.Time:
		if kind == "DATE" {
			return parquet.ValueOf(int32(value.Unix() / (24 * 60 * 60))), nil
		}
		return parquet.ValueOf(value.UnixMicro()), nil
	}
	written, err := text(kind, cell)
	return parquet.ValueOf(written), err
}

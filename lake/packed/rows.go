package packed

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/objects"
)

// Rows on their way through a spill.

// AppendRow packs a row that nests nothing: for each column a nought, or what it holds behind a one.
func AppendRow(buffer []byte, row parquet.Row) []byte {
	for _, value := range row {
		if value.IsNull() {
			buffer = append(buffer, 0)
			continue
		}
		buffer = append(buffer, 1+byte(value.DefinitionLevel()))
		switch value.Kind() {
		case parquet.ByteArray:
			buffer = objects.AppendText(buffer, value.ByteArray())
		case parquet.Double:
			buffer = binary.LittleEndian.AppendUint64(buffer, math.Float64bits(value.Double()))
		case parquet.Int32:
			buffer = binary.AppendVarint(buffer, int64(value.Int32()))
		default:
			buffer = binary.AppendVarint(buffer, value.Int64())
		}
	}
	return buffer
}

// DecodeRows reads rows of a schema; their texts alias the data.
func DecodeRows(data []byte, schema *parquet.Schema) (rows []parquet.Row, err error) {
	var kinds []parquet.Kind
	for _, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...)
		kinds = append(kinds, leaf.Node.Type().Kind())
	}
	d := objects.Decoder{Data: data}
	for len(d.Data) > 0 {
		row := make(parquet.Row, len(kinds))
		for i, kind := range kinds {
			if len(d.Data) == 0 {
				return nil, objects.ErrDamaged
			}
			level := int(d.Data[0]) - 1
			d.Data = d.Data[1:]
			if level < 0 {
				row[i] = parquet.NullValue().Level(0, 0, i)
				continue
			}
			switch kind {
			case parquet.ByteArray:
				row[i] = parquet.ByteArrayValue([]byte(d.Text())).Level(0, level, i)
			case parquet.Double:
				if len(d.Data) < 8 {
					return nil, objects.ErrDamaged
				}
				value := math.Float64frombits(binary.LittleEndian.Uint64(d.Data))
				row[i] = parquet.DoubleValue(value).Level(0, level, i)
				d.Data = d.Data[8:]
			case parquet.Int32:
				row[i] = parquet.Int32Value(int32(d.Varint())).Level(0, level, i)
			default:
				row[i] = parquet.Int64Value(d.Varint()).Level(0, level, i)
			}
		}
		if d.Failed {
			return nil, objects.ErrDamaged
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Text is what a value of text holds; it lives as long as that.
func Text(value parquet.Value) string { return objects.UnsafeString(value.ByteArray()) }

package forgotten

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
)

// Rewrite writes a file once more, with other rows: write is given those that are there, and says whether they stay
// the same. Hours of which that holds stay known by their digests.
func Rewrite[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, at lake.Partition,
	file iceberg.DataFile,
	write func(*lake.DataWriter[T], []T) (same bool, err error)) (*lake.DataFile, error) {
	hours, err := l.ByHour(ctx, definition, file)
	if err != nil {
		return nil, err
	}
	var footer []parquet.WriterOption
	if len(hours) > 1 {
		footer = append(footer, parquet.KeyValueMetadata(lake.FooterDigests, "")) // which is known at the end
	}
	writer, err := lake.NewDataWriter[T](l, definition, at, footer...)
	if err != nil {
		return nil, err
	}
	name, unchanged := "erased", []lake.HourRows{}
	for _, part := range hours {
		same := true
		err := lake.ScanRows(ctx, l, part.File, func(rows []T) error {
			stay, err := write(writer, rows)
			same = same && stay
			return err
		})
		if err == nil {
			err = writer.EndGroup()
		}
		if err != nil {
			writer.Abort()
			return nil, fmt.Errorf("write %s once more: %w", file.FilePath(), err)
		}
		if same {
			unchanged = append(unchanged, part)
		}
	}
	if len(hours) > 1 {
		name += "-" + lake.CompactedMark
		made, err := l.ListDigests(unchanged)
		if err != nil {
			writer.Abort()
			return nil, err
		}
		writer.SetFooter(lake.FooterDigests, made)
	}
	return writer.Close(name)
}

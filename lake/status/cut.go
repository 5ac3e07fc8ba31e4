package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
)

// CutUser is a user whose row lacks intervals, since it would hold too many (docs/ARCHITECTURE.md, Cut histories).
type CutUser struct {
	UserID       string `json:"user_id"`
	IntervalsCut int64  `json:"intervals_cut"`
}

var (
	cutSchema = parquet.SchemaOf(struct {
		UserID       string `parquet:"user_id,id(1)"`
		IntervalsCut int64  `parquet:"intervals_cut,optional,id(21)"`
	}{})
	cutColumn = lake.GoldUsers.FieldID("intervals_cut")
)

// cutUsers are those of a snapshot of gold.users, the ones that lack most first. Files without any are known by their
// statistics.
func cutUsers(ctx context.Context, l *lake.Lake, snapshot int64) (users []CutUser, err error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	files, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if nulls, known := file.NullValueCounts()[cutColumn]; known && nulls == file.Count() {
			continue
		}
		if _, has := file.ValueCounts()[cutColumn]; !has && len(file.ValueCounts()) > 0 {
			continue // from before there was the column
		}
		if err := l.ScanRaw(ctx, file, cutSchema, func(row parquet.Row) error {
			if !row[1].IsNull() {
				users = append(users, CutUser{string(row[0].ByteArray()), row[1].Int64()})
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("look for users who were cut: %w", err)
		}
	}
	slices.SortFunc(users, func(a, b CutUser) int {
		return cmp.Or(-cmp.Compare(a.IntervalsCut, b.IntervalsCut), cmp.Compare(a.UserID, b.UserID))
	})
	return users, nil
}

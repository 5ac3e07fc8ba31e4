package gold

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
)

// CutUser is a user whose row lacks intervals, since it would hold too many (docs/ARCHITECTURE.md, Cut histories).
type CutUser struct {
	UserID       string `json:"user_id"`
	IntervalsCut int64  `json:"intervals_cut"`
	CutBefore    int64  `json:"cut_before"` // history.EndOfTime where one of them has not ended
}

var (
	cutSchema = parquet.SchemaOf(struct {
		UserID       string `parquet:"user_id,id(1)"`
		IntervalsCut int64  `parquet:"intervals_cut,optional,id(21)"`
		CutBefore    int64  `parquet:"cut_before,optional,timestamp(microsecond),id(22)"`
	}{})
	cutColumn = lake.GoldUsers.FieldID("intervals_cut")
)

// CutUsers are those of a version, the ones that lack most first. Files without any are known by their statistics.
func CutUsers(ctx context.Context, l *lake.Lake, version Version) (users []CutUser, err error) {
	files, err := userFiles(ctx, l, version, iceberg.AlwaysTrue{})
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if nulls, known := file.NullValueCounts()[cutColumn]; known && nulls == file.Count() {
			continue
		}
		if err := l.ScanRaw(ctx, file, cutSchema, func(row parquet.Row) error {
			if !row[1].IsNull() {
				users = append(users, CutUser{copied(row[0]), row[1].Int64(), row[2].Int64()})
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

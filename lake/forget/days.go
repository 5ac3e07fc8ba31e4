package forget

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
)

// redactDays takes ids out of the texts that the daily aggregates have of clients, such as versions and names of
// devices, in all versions of the tables. What was counted stays until the next refresh counts the dates anew.
func redactDays(ctx context.Context, l *lake.Lake, erasure string) error {
	for _, definition := range lake.DailyTables {
		for attempt := 0; ; attempt++ {
			known, err := forgotten.Load(ctx, l)
			if err != nil {
				return err
			}
			s := newSearch(&forgotten.Eraser{Lake: l, Known: known.Of(chosen(erasure))}, definition, func(int64) {})
			held, err := s.anywhere(ctx)
			if err == nil && held {
				s.write = true
				_, err = rewriteHistory(ctx, l, erasure, s)
			}
			if err == nil {
				break
			}
			if lake.IsConflict(err) {
				err = waitForOthers(ctx, attempt)
			}
			if err != nil {
				return fmt.Errorf("take ids out of %s: %w", definition.Name, err)
			}
		}
	}
	return nil
}

// anywhere tells whether any data file of the table holds the forgotten, be it named or not. Mostly none does, and a
// table whose history stays as it is costs no commit.
func (s *search) anywhere(ctx context.Context) (bool, error) {
	l, all := s.eraser.Lake, map[string]iceberg.DataFile{}
	if err := l.Objects.Walk(ctx, l.TableFolder(s.table), func(object string, size int64) error {
		if strings.HasSuffix(object, ".parquet") {
			all[object] = LooseFile{Path: object, Size: size}
		}
		return nil
	}); err != nil {
		return false, err
	}
	look := newSearch(s.eraser, s.table, s.tell)
	err := look.files(ctx, all)
	return len(look.become) > 0, err
}

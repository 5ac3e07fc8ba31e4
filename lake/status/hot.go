package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// HotSession is a session of which the newest days have very many sightings and bindings: mostly an id that a whole
// product shares.
type HotSession struct {
	SessionID string `json:"session_id"`
	Rows      int64  `json:"rows"` // at least: those in row groups of their own
}

// HotRows is from how many rows on a session is told. A variable for tests.
var HotRows int64 = 100_000

// hotSessions are those of the last two days up to an hour. Only files with so many rows are opened, and of them the
// footers, unless there is one.
func hotSessions(ctx context.Context, l *lake.Lake, newest telemetry.Hour) (hot []HotSession, err error) {
	rows := map[string]int64{}
	for _, definition := range []lake.TableDefinition{lake.SilverSightings, lake.SilverBindings} {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return nil, err
		}
		files, err := lake.LiveFiles(ctx, loaded, table.WithRowFilter(
			iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(newest.Date()-1))))
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(file iceberg.DataFile) bool { return file.Count() < HotRows/2 })
		if err := sessions.CountLarge(ctx, l, files, rows); err != nil {
			return nil, fmt.Errorf("look for sessions with very many rows: %w", err)
		}
	}
	for session, n := range rows {
		if n >= HotRows {
			hot = append(hot, HotSession{session, n})
		}
	}
	slices.SortFunc(hot, func(a, b HotSession) int {
		return cmp.Or(-cmp.Compare(a.Rows, b.Rows), cmp.Compare(a.SessionID, b.SessionID))
	})
	return hot[:min(len(hot), HotNamed)], nil
}

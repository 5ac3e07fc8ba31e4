package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// User reads one user's row; false when the version knows no such user.
func (l *Lake) User(ctx context.Context, version Version, id string) (user history.User, found bool, err error) {
	files, _, err := l.userFiles(ctx, version, iceberg.EqualTo(iceberg.Reference("user_id"), id))
	if err != nil {
		return history.User{}, false, err
	}
	for _, file := range files {
		user, found, err := l.findUser(file, id)
		if err != nil || found {
			return user, found, err
		}
	}
	return history.User{}, false, nil
}

func (l *Lake) userFiles(ctx context.Context, version Version, filter iceberg.BooleanExpression) ([]iceberg.DataFile, *table.Table, error) {
	loaded, err := l.load(ctx, goldUsers)
	if err != nil {
		return nil, nil, err
	}
	files, err := liveFiles(ctx, loaded, table.WithSnapshotID(version.SnapshotID), table.WithRowFilter(filter))
	return files, loaded, err
}

// findUser skips the row groups and pages whose statistics exclude the id: a file is sorted by it.
func (l *Lake) findUser(file iceberg.DataFile, id string) (user history.User, found bool, err error) {
	parsed, closeFile, err := l.openParquet(file)
	if err != nil {
		return user, false, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	value := parquet.ByteArrayValue([]byte(id))
	for _, group := range parsed.RowGroups() {
		chunk := group.ColumnChunks()[0]
		index, err := chunk.ColumnIndex()
		if err != nil {
			return user, false, fmt.Errorf("read the index of %s: %w", file.FilePath(), err)
		}
		offsets, err := chunk.OffsetIndex()
		if err != nil {
			return user, false, fmt.Errorf("read the index of %s: %w", file.FilePath(), err)
		}
		page := parquet.Find(index, value, chunk.Type().Compare)
		if page >= index.NumPages() {
			continue
		}
		for ; page < index.NumPages(); page++ {
			// Bounds may be cut to a prefix, so that the next pages may begin with the same one.
			if low := index.MinValue(page).String(); low > id {
				break
			}
			end := group.NumRows()
			if page+1 < index.NumPages() {
				end = offsets.FirstRowIndex(page + 1)
			}
			user, found, err := findInPage(group, offsets.FirstRowIndex(page), end, id)
			if err != nil {
				return user, false, fmt.Errorf("read %s: %w", file.FilePath(), err)
			}
			if found {
				return user, true, nil
			}
		}
	}
	return user, false, nil
}

// findInPage reads the ids of some rows of a group, and then the one row that is wanted.
func findInPage(group parquet.RowGroup, from, to int64, id string) (user history.User, found bool, err error) {
	type idRow struct {
		UserID string `parquet:"user_id"`
	}
	ids := parquet.NewGenericRowGroupReader[idRow](group)
	defer ids.Close()
	if err := ids.SeekToRow(from); err != nil {
		return user, false, err
	}
	batch := make([]idRow, min(to-from, 1024))
	for at := from; at < to; {
		n, err := ids.Read(batch[:min(int64(len(batch)), to-at)])
		for i := range n {
			if batch[i].UserID != id {
				continue
			}
			rows := parquet.NewRowGroupReader(group, userSchema)
			defer rows.Close()
			if err := rows.SeekToRow(at + int64(i)); err != nil {
				return user, false, err
			}
			one := make([]parquet.Row, 1)
			if n, err := rows.ReadRows(one); n != 1 {
				return user, false, err
			}
			user, err := userOf(one[0], copied)
			return user, err == nil, err
		}
		at += int64(n)
		if err == io.EOF || n == 0 {
			break
		}
		if err != nil {
			return user, false, err
		}
	}
	return user, false, nil
}

// Users streams every row of a version, ordered by user id (bytes). It holds one batch of each file of gold.users.
func (l *Lake) Users(ctx context.Context, version Version) iter.Seq2[history.User, error] {
	return func(yield func(history.User, error) bool) {
		files, _, err := l.userFiles(ctx, version, iceberg.AlwaysTrue{})
		if err != nil {
			yield(history.User{}, err)
			return
		}
		var encoded []dataFile
		for _, file := range files {
			each, err := l.encode(file, goldUsers)
			if err != nil {
				yield(history.User{}, err)
				return
			}
			encoded = append(encoded, each)
		}
		rows, err := l.openOldUsers(ctx, encoded)
		if err != nil {
			yield(history.User{}, err)
			return
		}
		defer rows.close()
		for rows.valid() {
			user, err := rows.decode(copied)
			if err == nil {
				err = ctx.Err()
			}
			if !yield(user, err) || err != nil {
				return
			}
			if err := rows.advance(); err != nil {
				yield(history.User{}, err)
				return
			}
		}
	}
}

// Status sums up the lake.
type Status struct {
	Hours     int64          `json:"hours"` // in the ledger
	FirstHour telemetry.Hour `json:"first_hour"`
	LastHour  telemetry.Hour `json:"last_hour"`
	Empty     int64          `json:"empty_hours"`
	Degraded  int64          `json:"degraded_hours"`
	Lines     int64          `json:"lines"`
	Rejects   int64          `json:"rejects"`
	Users     int64          `json:"users"`
	Behind    bool           `json:"gold_behind"` // silver has moved on since gold's last commit
	// DailyBehind: silver or gold has moved on since the daily aggregates were refreshed.
	DailyBehind bool `json:"daily_behind"`
	// HalfCommitted are hours whose run is between its silver commits, or was given up there: gold stops before them.
	HalfCommitted []string `json:"half_committed"`
	// BadFiles, PassedOver: of all hours. LeftOut names those of the newest days and hours, and files that were read in part.
	BadFiles   int64         `json:"bad_files"`
	PassedOver int64         `json:"passed_over"`
	LeftOut    []FileRow     `json:"left_out"`
	Latest     Version       `json:"latest"`
	Findings   []Finding     `json:"findings"` // of reconcile, newest first
	Tables     []TableStatus `json:"tables"`
	Gone       GoneStatus    `json:"gone"`
	// NoHours is what a schedule found last: that the source has not one folder of an hour.
	NoHours string `json:"no_hours,omitempty"`
}

// GoneStatus is what left the source, and stays in the lake.
type GoneStatus struct {
	Hours int64     `json:"hours"`
	Files int64     `json:"files"`
	Rows  int64     `json:"rows"`            // in bronze
	Named []FileRow `json:"named,omitempty"` // the first of the files
}

// goneNamed is how many of them a Status names.
const goneNamed = 10

// TableStatus is the size of one table.
type TableStatus struct {
	Name      string `json:"name"`
	Rows      int64  `json:"rows"`
	Files     int64  `json:"files"`
	Bytes     int64  `json:"bytes"`
	Snapshots int    `json:"snapshots"`
}

// Status reads the lake's figures from table metadata and the ledger.
func (l *Lake) Status(ctx context.Context) (status Status, err error) {
	rows, err := l.Hours(ctx, telemetry.Hour(-1<<20), telemetry.Hour(1<<26))
	if err != nil {
		return Status{}, err
	}
	status.Hours = int64(len(rows))
	latest := time.Time{}
	for i, row := range rows {
		if row.FinishedAt.After(latest) {
			latest = row.FinishedAt
		}
		if row.GoneFiles > 0 {
			status.Gone.Hours, status.Gone.Files = status.Gone.Hours+1, status.Gone.Files+row.GoneFiles
		}
		if i == 0 {
			status.FirstHour = row.Hour
		}
		status.LastHour = row.Hour
		status.Lines += row.Lines
		status.Rejects += row.Rejects
		status.BadFiles += row.BadFiles
		status.PassedOver += row.PassedOver
		switch row.State {
		case HourEmpty:
			status.Empty++
		case HourDegraded:
			status.Degraded++
		}
	}
	if status.LeftOut, err = l.leftOutLately(ctx, rows); err != nil {
		return Status{}, err
	}
	for _, definition := range tableDefinitions {
		loaded, err := l.load(ctx, definition)
		if errors.Is(err, ErrNoLake) {
			continue // a lake that is older than the table, and was not opened for writing since
		}
		if err != nil {
			return Status{}, err
		}
		each := TableStatus{Name: definition.name, Snapshots: len(loaded.Metadata().Snapshots())}
		if snapshot := loaded.CurrentSnapshot(); snapshot != nil && snapshot.Summary != nil {
			for key, value := range map[string]*int64{"total-records": &each.Rows, "total-data-files": &each.Files, "total-files-size": &each.Bytes} {
				*value, _ = strconv.ParseInt(snapshot.Summary.Properties[key], 10, 64)
			}
		}
		status.Tables = append(status.Tables, each)
		if definition.name == goldUsers.name {
			status.Users = each.Rows
			if snapshot := loaded.CurrentSnapshot(); snapshot != nil {
				status.Latest = versionOf(loaded, *snapshot)
			}
		}
	}
	slices.SortFunc(status.Tables, func(a, b TableStatus) int { return cmp.Compare(a.Name, b.Name) })
	if status.Findings, err = l.Findings(ctx); err != nil {
		return Status{}, err
	}
	if len(status.Findings) > 0 && status.Findings[0].FoundAt.After(latest) {
		status.NoHours = status.Findings[0].Note
	}
	if err := l.nameGone(ctx, rows, &status.Gone); err != nil {
		return Status{}, err
	}
	change, err := l.silverChanges(ctx, Again{})
	if err != nil {
		return Status{}, err
	}
	if status.DailyBehind, err = l.dailyBehind(ctx); err != nil {
		return Status{}, err
	}
	status.HalfCommitted = append([]string{}, change.halfCommitted...)
	status.Behind = change.moved()
	return status, nil
}

package gold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// User reads one user's row; false when the version knows no such user.
func User(ctx context.Context, l *lake.Lake, version Version,
	id string) (user history.User, found bool, err error) {
	files, err := userFiles(ctx, l, version, iceberg.EqualTo(iceberg.Reference("user_id"), id))
	if err != nil {
		return history.User{}, false, err
	}
	return findUser(l, files, id)
}

// userFiles are the files of a version that may hold what a filter lets through.
func userFiles(ctx context.Context, l *lake.Lake, version Version,
	filter iceberg.BooleanExpression) ([]iceberg.DataFile, error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	return lake.LiveFiles(ctx, loaded, table.WithSnapshotID(version.SnapshotID), table.WithRowFilter(filter))
}

func findUser(l *lake.Lake, files []iceberg.DataFile, id string) (user history.User, found bool, err error) {
	for _, file := range files {
		user, found, err := findInFile(l, file, id)
		if err != nil || found {
			return user, found, err
		}
	}
	return history.User{}, false, nil
}

// findInFile skips the row groups and pages whose statistics exclude the id: a file is sorted by it.
func findInFile(l *lake.Lake, file iceberg.DataFile, id string) (user history.User, found bool, err error) {
	parsed, closeFile, err := l.OpenParquet(file)
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
func Users(ctx context.Context, l *lake.Lake, version Version) iter.Seq2[history.User, error] {
	return func(yield func(history.User, error) bool) {
		files, err := userFiles(ctx, l, version, iceberg.AlwaysTrue{})
		if err != nil {
			yield(history.User{}, err)
			return
		}
		var encoded []lake.DataFile
		for _, file := range files {
			each, err := l.Encode(file, lake.GoldUsers)
			if err != nil {
				yield(history.User{}, err)
				return
			}
			encoded = append(encoded, each)
		}
		rows, err := openOldUsers(ctx, l, encoded)
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

package gold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// oldUsers streams a bucket's present rows in the order of user ids.
type oldUsers struct {
	files []*oldFile
	leave func() error // is called before rows that were read go
}

type oldFile struct {
	rows  *parquet.GenericReader[any] // converts files that other engines rewrote
	close func() error
	path  string
	batch []parquet.Row
	at, n int
	done  bool
}

const oldBatch = 256

var userSchema = parquet.SchemaOf(lake.UserRow{})

func openOldUsers(ctx context.Context, l *lake.Lake, files []lake.DataFile) (*oldUsers, error) {
	old := &oldUsers{}
	for _, each := range files {
		entry, err := l.Entry(each, lake.GoldUsers)
		if err != nil {
			return nil, errors.Join(err, old.close())
		}
		parsed, closeFile, err := l.OpenParquet(entry)
		if err != nil {
			return nil, errors.Join(err, old.close())
		}
		reader := parquet.NewGenericReader[any](parsed, userSchema)
		f := &oldFile{rows: reader, path: each.Path, batch: make([]parquet.Row, oldBatch),
			close: func() error { return errors.Join(reader.Close(), closeFile()) }}
		old.files = append(old.files, f)
		sorted, err := sortedByUser(ctx, l, entry)
		if err == nil && !sorted {
			err = f.load(entry.Count())
		} else if err == nil {
			err = f.advance()
		}
		if err != nil {
			return nil, errors.Join(err, old.close())
		}
	}
	old.sort()
	return old, nil
}

var userIDSchema = parquet.SchemaOf(struct {
	UserID string `parquet:"user_id,id(1)"`
}{})

// sortedByUser tells whether a file is in the order of user ids: ours are, one that another engine rewrote need not be.
func sortedByUser(ctx context.Context, l *lake.Lake, file iceberg.DataFile) (bool, error) {
	last, sorted := "", true
	err := l.ScanRaw(ctx, file, userIDSchema, func(row parquet.Row) error {
		user := objects.UnsafeString(row[0].ByteArray())
		if user < last {
			sorted = false
			return lake.ErrStop
		}
		last = user
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		err = nil
	}
	return sorted, err
}

// load reads a file that is out of order whole, and sorts it: its bucket is in order again once it is merged.
func (f *oldFile) load(count int64) error {
	all := make([]parquet.Row, 0, count)
	for {
		n, err := f.rows.ReadRows(f.batch)
		for _, row := range f.batch[:n] {
			all = append(all, row.Clone())
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", f.path, err)
		}
		if n == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b parquet.Row) int {
		return bytes.Compare(a[leafUserID].ByteArray(), b[leafUserID].ByteArray())
	})
	f.batch, f.n, f.done = all, len(all), len(all) == 0
	return nil
}

func (f *oldFile) advance() error {
	if f.at++; f.at < f.n {
		return nil
	}
	n, err := f.rows.ReadRows(f.batch)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	f.at, f.n, f.done = 0, n, n == 0
	return nil
}

// user is the first column: user_id.
func (f *oldFile) user() string { return objects.UnsafeString(f.batch[f.at][leafUserID].ByteArray()) }

func (o *oldUsers) sort() {
	o.files = slices.DeleteFunc(o.files, func(f *oldFile) bool {
		if f.done {
			f.close()
		}
		return f.done
	})
	slices.SortFunc(o.files, func(a, b *oldFile) int { return strings.Compare(a.user(), b.user()) })
}

func (o *oldUsers) valid() bool { return len(o.files) > 0 }

func (o *oldUsers) user() string { return o.files[0].user() }

func (o *oldUsers) row() parquet.Row { return o.files[0].batch[o.files[0].at] }

func (o *oldUsers) decode(text func(parquet.Value) string) (history.User, error) {
	user, err := userOf(o.row(), text)
	if err != nil {
		return history.User{}, fmt.Errorf("read %s: %w", o.files[0].path, err)
	}
	return user, nil
}

func (o *oldUsers) advance() error {
	f := o.files[0]
	if f.at+1 == f.n && o.leave != nil {
		if err := o.leave(); err != nil {
			return err
		}
	}
	if err := f.advance(); err != nil {
		return err
	}
	if o.files[0].done || len(o.files) > 1 {
		o.sort()
	}
	return nil
}

func (o *oldUsers) close() error {
	var err error
	for _, f := range o.files {
		err = errors.Join(err, f.close())
	}
	o.files = nil
	return err
}

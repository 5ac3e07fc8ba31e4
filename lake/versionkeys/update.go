package versionkeys

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// RowOf is the row of a version, with the keys that follow from it.
func RowOf(name lake.VersionName) lake.VersionRow {
	key := history.KeyOf(name.Service, name.Version)
	return lake.VersionRow{Service: name.Service, Version: name.Version, Class: key.Class, RankKey: key.Rank,
		SortKey: key.Sort}
}

// update brings gold.versions up to date.
type update struct {
	lake    *lake.Lake
	staged  []string
	exact   bool
	missing map[uint64]bool // staged versions by their hash: whether they are still to be written
	wrong   map[string]bool // files, by path, with rows that must go or change
	rows    map[uint64]bool // of the table, by their hash
}

// change is what the table lacks; nil where it lacks nothing.
func (u *update) change(ctx context.Context, loaded *table.Table) (*lake.Change, error) {
	if err := Each(u.lake.Objects, u.staged, func(name lake.VersionName) error {
		u.missing[name.Hash()] = true
		return nil
	}); err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	u.wrong, u.rows = map[string]bool{}, map[uint64]bool{}
	for _, file := range live {
		if err := lake.ScanRows(ctx, u.lake, file, func(rows []lake.VersionRow) error {
			for i := range rows {
				u.look(file.FilePath(), &rows[i])
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	count := int64(0)
	for _, missing := range u.missing {
		if missing {
			count++
		}
	}
	if count == 0 && len(u.wrong) == 0 {
		return nil, nil
	}
	replaced := u.replaced(live, count)
	added, err := u.write(ctx, replaced)
	if err != nil {
		return nil, err
	}
	return &lake.Change{Remove: replaced, Add: added, Fresh: len(replaced) == 0}, nil
}

// look compares a row of a file with what it should be.
func (u *update) look(path string, row *lake.VersionRow) {
	name := lake.VersionName{Service: row.Service, Version: row.Version}
	hash := name.Hash()
	if len(u.rows) < knownRows {
		u.rows[hash] = true
	}
	missing, staged := u.missing[hash]
	if *row != RowOf(name) || u.exact && !missing {
		u.wrong[path] = true // an exact set holds each once
	}
	if staged {
		u.missing[hash] = false
	}
}

// replaced are the files whose rows are written again, together with some new ones: those with wrong rows, and those
// that are not much larger than what is written anyway, so that there are few files however many rounds add to
// them.
func (u *update) replaced(live []iceberg.DataFile, rows int64) (files []iceberg.DataFile) {
	slices.SortFunc(live, func(a, b iceberg.DataFile) int {
		return cmp.Or(cmp.Compare(a.Count(), b.Count()), strings.Compare(a.FilePath(), b.FilePath()))
	})
	for _, file := range live {
		if u.wrong[file.FilePath()] || u.exact || file.Count() <= 2*rows {
			files = append(files, file)
			rows += file.Count()
		}
	}
	return files
}

// write makes one file of the rows of others that stay, and of the staged versions that are missing.
func (u *update) write(ctx context.Context, replaced []iceberg.DataFile) ([]iceberg.DataFile, error) {
	writer, err := lake.NewDataWriter[lake.VersionRow](u.lake, lake.GoldVersions, lake.Partition{})
	if err != nil {
		return nil, err
	}
	add := func(name lake.VersionName) error {
		row := RowOf(name)
		if len(u.rows) < knownRows {
			u.rows[name.Hash()] = true
		}
		return writer.Append([]lake.VersionRow{row}, len(row.Service)+2*len(row.Version)+2*len(row.RankKey)+64)
	}
	err = u.each(ctx, replaced, add)
	if err != nil {
		writer.Abort()
		return nil, err
	}
	file, err := writer.Close(fmt.Sprintf("versions-%d", time.Now().UnixNano()))
	if err != nil || file == nil {
		return nil, err
	}
	return u.lake.Entries(lake.GoldVersions, []lake.DataFile{*file})
}

// each hands out the rows of a new file.
func (u *update) each(ctx context.Context, replaced []iceberg.DataFile,
	add func(lake.VersionName) error) error {
	if u.exact { // all is written from what is staged
		clear(u.rows)
		for hash := range u.missing {
			u.missing[hash] = true
		}
		replaced = nil
	}
	if err := lake.EachRow(ctx, u.lake, replaced, func(row *lake.VersionRow) error {
		return add(lake.VersionName{Service: row.Service, Version: row.Version})
	}); err != nil {
		return err
	}
	return Each(u.lake.Objects, u.staged, func(name lake.VersionName) error {
		if hash := name.Hash(); u.missing[hash] {
			u.missing[hash] = false
			return add(name)
		}
		return ctx.Err()
	})
}

// Package releases keeps what people know of releases in the lake.
package releases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/ops"
)

// Row is a release.
type Row = ops.ReleaseRow

// Imported says what an import did to ops.releases.
type Imported struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
	Same    int `json:"same"`
}

// Import puts releases into the lake, in one commit, and none where nothing is new. One that is there is replaced;
// others stay, unless the rows are all that there shall be.
func Import(ctx context.Context, l *lake.Lake, rows []Row, all bool) (done Imported, err error) {
	err = l.Commit(ctx, lake.OpsReleases, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		before, err := lake.ReadRows[Row](ctx, l, live)
		if err != nil {
			return nil, err
		}
		var now []Row
		now, done = merge(before, rows, all)
		if done.Added+done.Changed+done.Removed == 0 {
			return nil, nil
		}
		added, err := write(l, now)
		return &lake.Change{Remove: live, Add: added, Fresh: true}, err
	})
	if err != nil {
		return done, fmt.Errorf("import releases: %w", err)
	}
	return done, nil
}

func merge(before, rows []Row, all bool) (now []Row, done Imported) {
	for i := range before {
		if n := slices.IndexFunc(rows, func(r Row) bool { return byName(r, before[i]) == 0 }); n >= 0 {
			if same(rows[n], before[i]) {
				done.Same++
			} else {
				done.Changed++
			}
		} else if all {
			done.Removed++
		} else {
			now = append(now, before[i])
		}
	}
	done.Added = len(rows) - done.Same - done.Changed
	now = append(now, rows...)
	slices.SortFunc(now, byName)
	return now, done
}

func byName(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Version, b.Version))
}

// same compares two rows; no steps are no steps, whether or not a list was made for them.
func same(a, b Row) bool {
	steps := slices.Equal(a.Rollout, b.Rollout)
	a.Rollout, b.Rollout = nil, nil
	return steps && reflect.DeepEqual(a, b)
}

func write(l *lake.Lake, rows []Row) ([]iceberg.DataFile, error) {
	file, err := ledger.WriteRows(l, lake.OpsReleases, lake.Partition{}, rows,
		fmt.Sprintf("releases-%d", time.Now().UnixNano()))
	if err != nil || file == nil {
		return nil, err
	}
	return l.Entries(lake.OpsReleases, []lake.DataFile{*file})
}

// List reads the releases that people told of, in the order of services and of their time.
func List(ctx context.Context, l *lake.Lake) ([]Row, error) {
	loaded, err := l.Load(ctx, lake.OpsReleases)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, nil // a lake that is older than the table, and was not opened for writing since
	}
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	rows, err := lake.ReadRows[Row](ctx, l, live)
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ReleasedAt, b.ReleasedAt), byName(a, b))
	})
	return rows, err
}

package ledger

import (
	"context"
	"sync"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
)

// Remembered reads the ledger time and again, each of its files once: files never change. It is safe for concurrent
// use; the zero value remembers nothing yet.
type Remembered struct {
	mutex    sync.Mutex
	snapshot int64
	rows     map[string][]lake.HourRow // by file
	newest   []Hour
}

// Hours are the newest rows of all hours, ascending. They are shared: a caller must not change them.
func (m *Remembered) Hours(ctx context.Context, l *lake.Lake) ([]Hour, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	loaded, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, err
	}
	head := loaded.CurrentSnapshot()
	if head == nil {
		return nil, nil
	}
	if head.SnapshotID == m.snapshot {
		return m.newest, nil
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	known, all := map[string][]lake.HourRow{}, []lake.HourRow{}
	for _, file := range live {
		rows, ok := m.rows[file.FilePath()]
		if !ok {
			if rows, err = lake.ReadRows[lake.HourRow](ctx, l, []iceberg.DataFile{file}); err != nil {
				return nil, err
			}
		}
		known[file.FilePath()] = rows
		all = append(all, rows...)
	}
	m.rows, m.snapshot, m.newest = known, head.SnapshotID, newestOf(inOrder(all))
	return m.newest, nil
}

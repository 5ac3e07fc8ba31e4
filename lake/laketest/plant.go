package laketest

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// PlantDaily rewrites the one file of a daily table, as no refresh of ours does.
func PlantDaily[T any](t *testing.T, l *lake.Lake, definition lake.TableDefinition, alter func([]T) []T) {
	t.Helper()
	err := l.Commit(t.Context(), definition, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(t.Context(), loaded)
		if err != nil {
			return nil, err
		}
		rows, err := lake.ReadRows[T](t.Context(), l, live)
		if err != nil {
			return nil, err
		}
		written, err := ledger.WriteRows(l, definition,
			lake.Partition{Folder: "planted", Values: live[0].Partition()}, alter(rows), "planted")
		if err != nil {
			return nil, err
		}
		entry, err := l.Entry(*written, definition)
		return &lake.Change{Remove: live, Add: []iceberg.DataFile{entry}, Summary: iceberg.Properties{}}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Plant rewrites the files of a table that lie in one hour (or all of gold's, for hour ""), as no run of ours does.
func Plant[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition, hour string, alter func([]T) []T) {
	t.Helper()
	ctx := t.Context()
	err := l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		return planted(t, l, definition, loaded, hour, alter)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// liesIn tells whether a data file may hold rows of an hour. All of gold's do.
func liesIn(t testing.TB, definition lake.TableDefinition, file iceberg.DataFile, hour string) bool {
	switch definition.Name {
	case lake.GoldUsers.Name:
		return true
	case lake.OpsHours.Name:
		return int32(file.Partition()[lake.PartitionFieldID].(iceberg.Date)) == HourAt(t, hour).Date()
	}
	first, last, err := definition.HoursOf(file)
	return err == nil && first <= HourAt(t, hour) && HourAt(t, hour) <= last
}

func planted[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition, loaded *table.Table, hour string,
	alter func([]T) []T) (*lake.Change, error) {
	live, err := lake.LiveFiles(t.Context(), loaded)
	if err != nil {
		return nil, err
	}
	wanted := &lake.Change{Summary: iceberg.Properties{}}
	if head := loaded.CurrentSnapshot(); definition.Name == lake.GoldUsers.Name {
		for _, key := range []string{lake.SummarySightings, lake.SummaryBindings, lake.PropertyFormat} {
			wanted.Summary[key] = head.Summary.Properties[key]
		}
	}
	done := false
	for _, file := range live {
		place := lake.Partition{Folder: "planted", Values: file.Partition()}
		if !liesIn(t, definition, file, hour) {
			continue
		}
		rows, err := lake.ReadRows[T](t.Context(), l, []iceberg.DataFile{file})
		if err != nil {
			return nil, err
		}
		before := Marshal(t, rows)
		rows = alter(rows)
		if Marshal(t, rows) == before {
			continue
		}
		done = true
		wanted.Remove = append(wanted.Remove, file)
		written, err := ledger.WriteRows(l, definition, place, rows, fmt.Sprintf("planted-%d", time.Now().UnixNano()))
		if err != nil {
			return nil, err
		}
		if written != nil {
			entry, err := l.Entry(*written, definition)
			if err != nil {
				return nil, err
			}
			wanted.Add = append(wanted.Add, entry)
		}
	}
	if !done {
		t.Fatal("nothing was planted")
	}
	return wanted, nil
}

// MoveTag points a tag at the nth snapshot of gold.
func (in *Ingester) MoveTag(tag string, n int) {
	in.TB.Helper()
	loaded, err := in.Lake.Load(in.TB.Context(), lake.GoldUsers)
	in.Must(err)
	to := loaded.Metadata().Snapshots()[n].SnapshotID
	_, _, err = in.Lake.Catalog.CommitTable(in.TB.Context(), loaded.Identifier(), nil,
		[]table.Update{table.NewSetSnapshotRefUpdate(tag, to, table.TagRef, in.Lake.TagAge(tag).Milliseconds(), 0, 0)})
	in.Must(err)
}

// Compact rewrites the files of a silver table one by one, as maintenance does: other files, the same rows.
func Compact[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition) {
	t.Helper()
	ctx := t.Context()
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		t.Fatal(err)
	}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		t.Fatal(err)
	}
	transaction := loaded.NewTransaction()
	rewrite := transaction.NewRewrite(nil)
	for n, file := range files {
		var rows []T
		if err := lake.ScanRows(ctx, l, file,
			func(batch []T) error { rows = append(rows, batch...); return nil }); err != nil {
			t.Fatal(err)
		}
		written, err := ledger.WriteRows(l, definition, lake.Partition{Folder: "compacted", Values: file.Partition()},
			rows, fmt.Sprintf("compacted-%d-%d", loaded.CurrentSnapshot().SnapshotID, n))
		if err != nil {
			t.Fatal(err)
		}
		entry, err := l.Entry(*written, definition)
		if err != nil {
			t.Fatal(err)
		}
		rewrite.DeleteFile(file).AddDataFile(entry)
	}
	if err := rewrite.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := transaction.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if after.CurrentSnapshot().Summary.Operation != table.OpReplace {
		t.Fatalf("compaction made a snapshot %v", after.CurrentSnapshot().Summary)
	}
}

package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// files takes data files that can't be read out of tables which no hour's run replaces them in.
func (m *mending) files(ctx context.Context) error {
	broken := map[string]map[string]bool{} // by table, then by path
	for _, d := range m.found {
		if d.Kind != verify.DataFile || d.Version != "" {
			continue
		}
		if broken[d.Table] == nil {
			broken[d.Table] = map[string]bool{}
		}
		broken[d.Table][d.Object] = true
	}
	for _, definition := range lake.TableDefinitions {
		paths := broken[definition.Name]
		if paths == nil {
			continue
		}
		var err error
		switch definition.Name {
		case lake.GoldVersionDaily.Name, lake.GoldEventDaily.Name:
			if err = m.refuseFrozen(ctx); err == nil {
				err = m.dropFiles(ctx, definition, paths, lake.PropertyRules)
			}
		case lake.GoldEvents.Name:
			err = m.dropFiles(ctx, definition, paths, lake.PropertyRules)
		case lake.OpsHours.Name, lake.OpsFiles.Name, lake.OpsFindings.Name, lake.GoldVersions.Name,
			lake.OpsPublished.Name, lake.OpsStorage.Name:
			err = m.dropFiles(ctx, definition, paths, "")
		}
		if err != nil {
			return fmt.Errorf("repair %s: %w", definition.Name, err)
		}
	}
	return nil
}

// refuseFrozen refuses to count dates anew of which the events were dropped.
func (m *mending) refuseFrozen(ctx context.Context) error {
	loaded, err := m.lake.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return err
	}
	if before := loaded.Properties()[ledger.PropertyFrozen]; before != "" {
		return fmt.Errorf("dates before %s are frozen, since their events were dropped, and can't be counted anew: "+
			"restore the file from a backup", before)
	}
	return nil
}

// dropFiles takes files out of a table; forget names the property by which the table is known to be up to date.
func (m *mending) dropFiles(ctx context.Context, definition lake.TableDefinition, paths map[string]bool,
	forget string) error {
	return m.lake.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		change := &lake.Change{Summary: iceberg.Properties{}}
		for _, file := range live {
			if paths[file.FilePath()] {
				m.Tell("%s goes on without %s", definition.Name, file.FilePath())
				change.Remove = append(change.Remove, file)
			}
		}
		if _, has := loaded.Properties()[forget]; has && forget != "" {
			change.Updates = []table.Update{table.NewRemovePropertiesUpdate([]string{forget})}
		}
		return change, nil
	})
}

// restore gives ops.files a row for each file of an hour that has rows in bronze, and none there: else the next run of
// the hour would take out, as never read, what has left the source. How many blank lines such a file had, and which
// version of it was read, nobody knows any more.
func (m *mending) restore(ctx context.Context, hour telemetry.Hour) error {
	inBronze, err := m.countBronze(ctx, hour)
	if objects.Unreadable(err) {
		return nil // the run says what is lost
	}
	if err != nil {
		return err
	}
	return m.lake.Commit(ctx, lake.OpsFiles, func(*table.Table) (*lake.Change, error) {
		known, err := ledger.Files(ctx, m.lake, hour)
		if err != nil {
			return nil, err
		}
		missing := slices.DeleteFunc(slices.Clone(inBronze), func(row lake.FileRow) bool {
			return slices.ContainsFunc(known,
				func(file ledger.File) bool { return file.Key == row.FileName && file.Present() })
		})
		if len(missing) == 0 {
			return nil, nil
		}
		m.Tell("ops.files: %d files of hour %s are counted anew from bronze", len(missing), hour)
		written, err := ledger.WriteParts(ctx, m.lake, lake.OpsFiles, map[telemetry.Hour][]lake.FileRow{hour: missing},
			lake.OpsFiles.At, lake.AttemptName("repaired"))
		if err != nil {
			return nil, err
		}
		entries, err := m.lake.Entries(lake.OpsFiles, written[hour])
		return &lake.Change{Add: entries, Fresh: true, Summary: iceberg.Properties{}}, err
	})
}

// countBronze counts the rows that each file of an hour has in bronze.
func (m *mending) countBronze(ctx context.Context, hour telemetry.Hour) (rows []lake.FileRow, err error) {
	found := map[string]*ledger.File{}
	of := func(name string) *ledger.File {
		if found[name] == nil {
			name = strings.Clone(name) // it dies with its batch
			found[name] = &ledger.File{Hour: hour, Key: name, State: ledger.FileGone, RunID: "repaired"}
		}
		return found[name]
	}
	if err := eachBronze(ctx, m.lake, lake.BronzeEvents, hour,
		func(row *lake.EventPlace) { of(row.FileName).Events++ }); err != nil {
		return nil, err
	}
	if err := eachBronze(ctx, m.lake, lake.BronzeRejects, hour,
		func(row *lake.RejectPlace) { of(row.FileName).Rejects++ }); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		file := found[name]
		file.Lines = file.Events + file.Rejects
		rows = append(rows, file.Stored())
	}
	return rows, nil
}

func eachBronze[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, hour telemetry.Hour,
	each func(*T)) error {
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return err
	}
	live, err := l.HourFiles(ctx, loaded, hour)
	if err != nil {
		return err
	}
	return lake.EachRow(ctx, l, live, func(row *T) error { each(row); return nil })
}

package gold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// versionsHeld is how many bytes of versions a round holds before it stages them.
const versionsHeld = 16 << 20

// versionCollector stages versions, each once or a few times. It is safe for concurrent use.
type versionCollector struct {
	objects *objects.Store
	folder  string
	mutex   sync.Mutex
	seen    map[lake.VersionName]struct{}
	bytes   int
	paths   []string
}

func NewVersionCollector(o *objects.Store, folder string) *versionCollector {
	return &versionCollector{objects: o, folder: folder, seen: map[lake.VersionName]struct{}{}}
}

// Add takes a version, whose texts need not outlive the call.
func (c *versionCollector) Add(service, version string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, known := c.seen[lake.VersionName{Service: service, Version: version}]; known {
		return nil
	}
	c.seen[lake.VersionName{Service: strings.Clone(service), Version: strings.Clone(version)}] = struct{}{}
	if c.bytes += len(service) + len(version) + 128; c.bytes < versionsHeld {
		return nil
	}
	return c.flush()
}

// addSightings takes the versions of the sightings of a session that came, or are looked at again.
func (c *versionCollector) addSightings(rows []*sessions.SessionRow) error {
	for _, row := range rows {
		if row.Kind != 's' || row.State == sessions.RowRemoved || row.State == sessions.RowKept {
			continue
		}
		if err := c.Add(row.Service, row.Value); err != nil {
			return err
		}
	}
	return nil
}

// Staged is called once nobody adds any more.
func (c *versionCollector) Staged() (paths []string, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.paths, c.flush()
}

func (c *versionCollector) flush() error {
	if len(c.seen) == 0 {
		return nil
	}
	object, err := c.objects.Create(c.folder)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/versions-%04d", c.folder, len(c.paths))
	var record []byte
	for name := range c.seen {
		record = objects.AppendText(objects.AppendText(record[:0], name.Service), name.Version)
		if _, err := object.Write(record); err != nil {
			object.Abort()
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := object.Publish(path); err != nil {
		return err
	}
	c.paths = append(c.paths, path)
	clear(c.seen)
	c.bytes = 0
	return nil
}

// EachVersion reads what was staged; a version may come more than once.
func EachVersion(o *objects.Store, paths []string, each func(lake.VersionName) error) error {
	for _, path := range paths {
		file, err := o.Open(path)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(file)
		if closing := file.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		d := objects.Decoder{Data: data}
		for len(d.Data) > 0 {
			name := lake.VersionName{Service: d.Text(), Version: d.Text()}
			if d.Failed {
				return fmt.Errorf("read %s: %w", path, objects.ErrDamaged)
			}
			if err := each(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func VersionRowOf(name lake.VersionName) lake.VersionRow {
	key := history.KeyOf(name.Service, name.Version)
	return lake.VersionRow{Service: name.Service, Version: name.Version, Class: key.Class, RankKey: key.Rank,
		SortKey: key.Sort}
}

// versionsKnown is how many versions are remembered, at some 16 bytes each.
const versionsKnown = 1 << 19

// has tells whether all staged versions are among those that were found at a location.
func has(k *lake.KnownVersions, o *objects.Store, location string, staged []string) (bool, error) {
	k.Mutex.Lock()
	defer k.Mutex.Unlock()
	if location == "" || k.Location != location {
		return false, nil
	}
	err := EachVersion(o, staged, func(name lake.VersionName) error {
		if !k.Rows[name.Hash()] {
			return lake.ErrStop
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		return false, nil
	}
	return err == nil, err
}

// EnsureVersions sees to it that gold.versions has the staged versions, with their right keys; exact: and no
// others. It commits nothing where it has. found is where the table's metadata lay then.
func EnsureVersions(ctx context.Context, l *lake.Lake, staged []string, exact bool) (found string, err error) {
	if len(staged) == 0 && !exact {
		return "", nil
	}
	location, err := metadataOf(ctx, l, lake.GoldVersions)
	if err != nil {
		return "", err
	}
	if has, err := has(&l.KnownVersions, l.Objects, location, staged); err != nil || has && !exact {
		return location, err
	}
	err = l.Commit(ctx, lake.GoldVersions, func(loaded *table.Table) (*lake.Change, error) {
		u := &versionsUpdate{lake: l, staged: staged, exact: exact, missing: map[uint64]bool{}}
		wanted, err := u.change(ctx, loaded)
		is := func(location string) {
			found = location
			l.KnownVersions.Set(location, u.rows)
		}
		if found = ""; err == nil && wanted == nil {
			is(loaded.MetadataLocation())
		} else if err == nil {
			wanted.Done = is
		}
		return wanted, err
	})
	return found, err
}

// KeepVersions does so once more, after gold.users has shown the versions: an erasure may have taken one away since
// they were found. Gold that was made anew has no others.
func KeepVersions(ctx context.Context, l *lake.Lake, staged *StagedUsers, found string) error {
	if len(staged.Versions) == 0 && !staged.Rebuild {
		return nil
	}
	location, err := metadataOf(ctx, l, lake.GoldVersions)
	if err != nil || !staged.Rebuild && location == found {
		return err
	}
	_, err = EnsureVersions(ctx, l, staged.Versions, staged.Rebuild)
	return err
}

// metadataOf asks the catalog where a table's metadata lies, without reading it.
func metadataOf(ctx context.Context, l *lake.Lake, definition lake.TableDefinition) (location string, err error) {
	identifier := definition.Identifier()
	err = l.Db.QueryRowContext(ctx, l.Rebind(`SELECT metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`), l.Config.CatalogName, identifier[0],
		identifier[1]).Scan(&location)
	if err != nil {
		return "", fmt.Errorf("look for %s in the catalog: %w", definition.Name, err)
	}
	return location, nil
}

// versionsUpdate brings gold.versions up to date.
type versionsUpdate struct {
	lake    *lake.Lake
	staged  []string
	exact   bool
	missing map[uint64]bool // staged versions by their hash: whether they are still to be written
	wrong   map[string]bool // files, by path, with rows that must go or change
	rows    map[uint64]bool // of the table, by their hash
}

func (u *versionsUpdate) change(ctx context.Context, loaded *table.Table) (*lake.Change, error) {
	if err := EachVersion(u.lake.Objects, u.staged, func(name lake.VersionName) error {
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
				name := lake.VersionName{Service: rows[i].Service, Version: rows[i].Version}
				hash := name.Hash()
				if len(u.rows) < versionsKnown {
					u.rows[hash] = true
				}
				missing, staged := u.missing[hash]
				if rows[i] != VersionRowOf(name) || u.exact && !missing {
					u.wrong[file.FilePath()] = true // an exact set holds each once
				}
				if staged {
					u.missing[hash] = false
				}
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

// replaced are the files whose rows are written anew, together with some new ones: those with wrong rows, and those
// that are not much larger than what is written anyway, so that there are few files however many rounds add to
// them.
func (u *versionsUpdate) replaced(live []iceberg.DataFile, rows int64) (files []iceberg.DataFile) {
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
func (u *versionsUpdate) write(ctx context.Context, replaced []iceberg.DataFile) ([]iceberg.DataFile, error) {
	writer, err := lake.NewDataWriter[lake.VersionRow](u.lake, lake.GoldVersions, lake.Partition{})
	if err != nil {
		return nil, err
	}
	add := func(name lake.VersionName) error {
		row := VersionRowOf(name)
		if len(u.rows) < versionsKnown {
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
func (u *versionsUpdate) each(ctx context.Context, replaced []iceberg.DataFile,
	add func(lake.VersionName) error) error {
	if u.exact { // all is written from what is staged
		clear(u.rows)
		for hash := range u.missing {
			u.missing[hash] = true
		}
		replaced = nil
	}
	for _, file := range replaced {
		if err := lake.ScanRows(ctx, u.lake, file, func(rows []lake.VersionRow) error {
			for i := range rows {
				if err := add(lake.VersionName{Service: rows[i].Service, Version: rows[i].Version}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return EachVersion(u.lake.Objects, u.staged, func(name lake.VersionName) error {
		if hash := name.Hash(); u.missing[hash] {
			u.missing[hash] = false
			return add(name)
		}
		return ctx.Err()
	})
}

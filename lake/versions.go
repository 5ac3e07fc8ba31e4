package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
)

// gold.versions holds the keys by which SQL orders versions. It is a dictionary: a round of gold adds what it has not met yet,
// before gold.users shows it; rows go only where gold is made anew, and with a forgotten user. So it grows with the number of
// different versions, and most rounds don't touch it.

// versionName names a version of a service.
type versionName struct{ service, version string }

// versionSeed is another one in each process: whoever makes up versions can't make two that look alike.
var versionSeed = maphash.MakeSeed()

func (n versionName) hash() uint64 { return maphash.Comparable(versionSeed, n) }

// versionsHeld is how many bytes of versions a round holds before it stages them.
const versionsHeld = 16 << 20

// versionCollector stages versions, each once or a few times. It is safe for concurrent use.
type versionCollector struct {
	objects *objects
	folder  string
	mutex   sync.Mutex
	seen    map[versionName]struct{}
	bytes   int
	paths   []string
}

func newVersionCollector(o *objects, folder string) *versionCollector {
	return &versionCollector{objects: o, folder: folder, seen: map[versionName]struct{}{}}
}

// add takes a version, whose texts need not outlive the call.
func (c *versionCollector) add(service, version string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, known := c.seen[versionName{service, version}]; known {
		return nil
	}
	c.seen[versionName{strings.Clone(service), strings.Clone(version)}] = struct{}{}
	if c.bytes += len(service) + len(version) + 128; c.bytes < versionsHeld {
		return nil
	}
	return c.flush()
}

// addSightings takes the versions of the sightings of a session that came, or are looked at again.
func (c *versionCollector) addSightings(rows []*sessionRow) error {
	for _, row := range rows {
		if row.kind != 's' || row.state == rowRemoved || row.state == rowKept {
			continue
		}
		if err := c.add(row.service, row.value); err != nil {
			return err
		}
	}
	return nil
}

// staged is called once nobody adds any more.
func (c *versionCollector) staged() (paths []string, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.paths, c.flush()
}

func (c *versionCollector) flush() error {
	if len(c.seen) == 0 {
		return nil
	}
	object, err := c.objects.create(c.folder)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/versions-%04d", c.folder, len(c.paths))
	var record []byte
	for name := range c.seen {
		record = appendText(appendText(record[:0], name.service), name.version)
		if _, err := object.Write(record); err != nil {
			object.abort()
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := object.publish(path); err != nil {
		return err
	}
	c.paths = append(c.paths, path)
	clear(c.seen)
	c.bytes = 0
	return nil
}

// eachVersion reads what was staged; a version may come more than once.
func (o *objects) eachVersion(paths []string, each func(versionName) error) error {
	for _, path := range paths {
		file, err := o.open(path)
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
		d := decoder{data: data}
		for len(d.data) > 0 {
			name := versionName{d.text(), d.text()}
			if d.failed {
				return fmt.Errorf("read %s: %w", path, errDamaged)
			}
			if err := each(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func versionRowOf(name versionName) versionRow {
	key := history.KeyOf(name.service, name.version)
	return versionRow{Service: name.service, Version: name.version, Class: key.Class, RankKey: key.Rank, SortKey: key.Sort}
}

// knownVersions remembers what was found in gold.versions, so that a round that brings nothing new reads none of it.
type knownVersions struct {
	mutex    sync.Mutex
	location string // of the table's metadata; "": nothing is known
	rows     map[uint64]bool
}

// versionsKnown is how many versions are remembered, at some 16 bytes each.
const versionsKnown = 1 << 19

func (k *knownVersions) set(location string, rows map[uint64]bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.location, k.rows = location, rows
}

// has tells whether all staged versions are among those that were found at a location.
func (k *knownVersions) has(o *objects, location string, staged []string) (bool, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if location == "" || k.location != location {
		return false, nil
	}
	err := o.eachVersion(staged, func(name versionName) error {
		if !k.rows[name.hash()] {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return false, nil
	}
	return err == nil, err
}

// ensureVersions sees to it that gold.versions has the staged versions, with their right keys; exact: and no others. It commits
// nothing where it has. found is where the table's metadata lay then.
func (l *Lake) ensureVersions(ctx context.Context, staged []string, exact bool) (found string, err error) {
	if len(staged) == 0 && !exact {
		return "", nil
	}
	location, err := l.metadataOf(ctx, goldVersions)
	if err != nil {
		return "", err
	}
	if has, err := l.versions.has(l.objects, location, staged); err != nil || has && !exact {
		return location, err
	}
	err = l.commit(ctx, goldVersions, func(loaded *table.Table) (*change, error) {
		u := &versionsUpdate{lake: l, staged: staged, exact: exact, missing: map[uint64]bool{}}
		wanted, err := u.change(ctx, loaded)
		is := func(location string) {
			found = location
			l.versions.set(location, u.rows)
		}
		if found = ""; err == nil && wanted == nil {
			is(loaded.MetadataLocation())
		} else if err == nil {
			wanted.done = is
		}
		return wanted, err
	})
	return found, err
}

// keepVersions does so once more, after gold.users has shown the versions: an erasure may have taken one away since they were found.
// Gold that was made anew has no others.
func (l *Lake) keepVersions(ctx context.Context, staged *stagedUsers, found string) error {
	if len(staged.Versions) == 0 && !staged.Rebuild {
		return nil
	}
	location, err := l.metadataOf(ctx, goldVersions)
	if err != nil || !staged.Rebuild && location == found {
		return err
	}
	_, err = l.ensureVersions(ctx, staged.Versions, staged.Rebuild)
	return err
}

// metadataOf asks the catalog where a table's metadata lies, without reading it.
func (l *Lake) metadataOf(ctx context.Context, definition tableDefinition) (location string, err error) {
	identifier := definition.identifier()
	err = l.db.QueryRowContext(ctx, l.sql(`SELECT metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`), l.config.CatalogName, identifier[0], identifier[1]).Scan(&location)
	if err != nil {
		return "", fmt.Errorf("look for %s in the catalog: %w", definition.name, err)
	}
	return location, nil
}

// versionsUpdate brings gold.versions up to date.
type versionsUpdate struct {
	lake    *Lake
	staged  []string
	exact   bool
	missing map[uint64]bool // staged versions by their hash: whether they are still to be written
	wrong   map[string]bool // files, by path, with rows that must go or change
	rows    map[uint64]bool // of the table, by their hash
}

func (u *versionsUpdate) change(ctx context.Context, loaded *table.Table) (*change, error) {
	if err := u.lake.objects.eachVersion(u.staged, func(name versionName) error {
		u.missing[name.hash()] = true
		return nil
	}); err != nil {
		return nil, err
	}
	live, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	u.wrong, u.rows = map[string]bool{}, map[uint64]bool{}
	for _, file := range live {
		if err := scanRows(ctx, u.lake, file, func(rows []versionRow) error {
			for i := range rows {
				name := versionName{rows[i].Service, rows[i].Version}
				hash := name.hash()
				if len(u.rows) < versionsKnown {
					u.rows[hash] = true
				}
				missing, staged := u.missing[hash]
				if rows[i] != versionRowOf(name) || u.exact && !missing {
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
	return &change{remove: replaced, add: added, fresh: len(replaced) == 0}, nil
}

// replaced are the files whose rows are written anew, together with some new ones: those with wrong rows, and those that are not
// much larger than what is written anyway, so that there are few files however many rounds add to them.
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
	writer, err := newDataWriter[versionRow](u.lake, goldVersions, partition{})
	if err != nil {
		return nil, err
	}
	add := func(name versionName) error {
		row := versionRowOf(name)
		if len(u.rows) < versionsKnown {
			u.rows[name.hash()] = true
		}
		return writer.write([]versionRow{row}, len(row.Service)+2*len(row.Version)+2*len(row.RankKey)+64)
	}
	err = u.each(ctx, replaced, add)
	if err != nil {
		writer.abort()
		return nil, err
	}
	file, err := writer.close(fmt.Sprintf("versions-%d", time.Now().UnixNano()))
	if err != nil || file == nil {
		return nil, err
	}
	return u.lake.entries(goldVersions, []dataFile{*file})
}

// each hands out the rows of a new file.
func (u *versionsUpdate) each(ctx context.Context, replaced []iceberg.DataFile, add func(versionName) error) error {
	if u.exact { // all is written from what is staged
		clear(u.rows)
		for hash := range u.missing {
			u.missing[hash] = true
		}
		replaced = nil
	}
	for _, file := range replaced {
		if err := scanRows(ctx, u.lake, file, func(rows []versionRow) error {
			for i := range rows {
				if err := add(versionName{rows[i].Service, rows[i].Version}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return u.lake.objects.eachVersion(u.staged, func(name versionName) error {
		if hash := name.hash(); u.missing[hash] {
			u.missing[hash] = false
			return add(name)
		}
		return ctx.Err()
	})
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// Before anything is compared, each object that the tables name is looked at: whether it is there, and whether its
// bytes are those that were written. What can't be read is told, and the rest is compared without it. Older
// versions count of gold.users alone, those with a tag: nobody asks for others.

// objectCheck goes through what a table names.
type objectCheck struct {
	v          *verifier
	definition lake.TableDefinition
	table      *table.Table
	manifests  map[string]error // that were read, and how that went
	files      map[string]namedFile
}

// namedFile is a data file, and the first version that names it.
type namedFile struct {
	iceberg.DataFile
	version string
}

func (v *verifier) verifyObjects(ctx context.Context) error {
	for n, definition := range lake.TableDefinitions {
		v.progress("looking at each object", n, len(lake.TableDefinitions), "tables")
		loaded, err := v.lake.Load(ctx, definition)
		if err == nil {
			// what was loaded may be from before
			err = v.lake.Catalog.Check(ctx, definition.Identifier(), v.lake.Objects.ReadAll)
		}
		switch {
		case errors.Is(err, lake.ErrNoLake):
			continue // an older lake's; what needs the table says so
		case err == nil:
		case errors.Is(err, lake.ErrNewer), errors.Is(err, objects.ErrConfig), ctx.Err() != nil:
			return err
		default:
			location, _, naming := v.lake.Catalog.Locations(ctx, definition.Identifier())
			if naming != nil {
				return errors.Join(err, naming)
			}
			v.unreadable(inTable(definition), Metadata, location, err)
			v.stopped = true
			continue
		}
		c := &objectCheck{v: v, definition: definition, table: loaded, manifests: map[string]error{},
			files: map[string]namedFile{}}
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	if v.stopped {
		v.note("what the tables hold was not compared, since it is not known which files they have: run " +
			"versionlake repair, and " +
			"then verify again")
	}
	return v.failed
}

// inTable is the place of a difference in a table as a whole: its rule is the one that the table stands for.
func inTable(definition lake.TableDefinition) Difference {
	switch layer, _, _ := strings.Cut(definition.Name, "."); layer {
	case "bronze":
		return Difference{Rule: 2, Table: definition.Name}
	case "ops":
		return Difference{Rule: 3, Table: definition.Name}
	}
	return Difference{Rule: 1, Table: definition.Name}
}

func (c *objectCheck) run(ctx context.Context) error {
	versions := map[int64]string{}
	if head := c.table.CurrentSnapshot(); head != nil {
		versions[head.SnapshotID] = ""
	}
	if c.definition.Name == lake.GoldUsers.Name {
		refs := maps.Collect(c.table.Metadata().Refs())
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			if _, known := versions[refs[name].SnapshotID]; !known {
				versions[refs[name].SnapshotID] = name
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		if snapshot := c.table.SnapshotByID(id); snapshot != nil {
			if err := c.readVersion(ctx, snapshot, versions[id]); err != nil {
				return err
			}
		}
	}
	return c.readFiles(ctx)
}

// readVersion finds the files of a snapshot. Where those of the head can't be found, nothing is compared.
func (c *objectCheck) readVersion(ctx context.Context, snapshot *table.Snapshot, version string) error {
	where := inTable(c.definition)
	where.Version = version
	manifests, err := snapshot.Manifests(c.v.lake.Objects.IO)
	if err != nil {
		c.v.stopped = c.v.stopped || version == ""
		c.v.unreadable(where, ManifestList, snapshot.ManifestList, err)
		return ctx.Err()
	}
	for _, manifest := range manifests {
		if manifest.ManifestContent() == iceberg.ManifestContentDeletes {
			if err := c.readDeletes(ctx, snapshot, version, manifest.FilePath()); err != nil {
				return err
			}
			continue
		}
		err, known := c.manifests[manifest.FilePath()]
		if !known {
			err = c.readManifest(manifest, version)
			c.manifests[manifest.FilePath()] = err
		}
		if err != nil {
			c.v.stopped = c.v.stopped || version == ""
			c.v.unreadable(where, Manifest, manifest.FilePath(), err)
		}
	}
	return ctx.Err()
}

// readDeletes tells of rows that another engine deleted beside their files. What it deleted of files that are no longer
// there is of no consequence.
func (c *objectCheck) readDeletes(ctx context.Context, snapshot *table.Snapshot, version, manifest string) error {
	_, deleted, err := lake.AllFiles(ctx, c.table, table.WithSnapshotID(snapshot.SnapshotID))
	if err != nil || !deleted {
		return objects.IgnoreMissing(err)
	}
	where := inTable(c.definition)
	where.Version = version
	c.v.stopped = c.v.stopped || version == ""
	c.v.unreadable(where, DeleteFiles, manifest, &objects.Damage{Object: manifest,
		What: "says that another engine deleted rows of " + c.definition.Name})
	return nil
}

func (c *objectCheck) readManifest(manifest iceberg.ManifestFile, version string) error {
	for entry, err := range manifest.Entries(c.v.lake.Objects.IO, true) {
		if err != nil {
			return err
		}
		path := entry.DataFile().FilePath()
		if known, twice := c.files[path]; !twice || known.version != "" {
			c.files[path] = namedFile{entry.DataFile(), version}
		}
	}
	return nil
}

// readFiles compares the data files with the digests in their names.
func (c *objectCheck) readFiles(ctx context.Context) error {
	faults := map[string]error{}
	var mutex sync.Mutex
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for path, file := range c.files {
		if !c.chosen(file) {
			continue
		}
		work.Go(func() error {
			if err := workCtx.Err(); err != nil {
				return err
			}
			err := c.v.lake.CheckFile(file, true)
			if err != nil && !objects.Unreadable(err) {
				return err
			}
			if err != nil {
				mutex.Lock()
				defer mutex.Unlock()
				faults[path] = err
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(faults)) {
		file, where := c.files[path], inTable(c.definition)
		where.Version, where.Rows = file.version, file.Count()
		if c.byHour() {
			first, last, err := c.definition.HoursOf(file)
			if err != nil {
				return err
			}
			if c.definition.Name == lake.OpsHours.Name {
				last = first + 23 // its files say their day alone
			}
			where.Hour = first.String()
			if last != first {
				where.LastHour = last.String()
			}
			for hour := first; hour <= last; hour++ {
				c.v.unsure[hour] = true
			}
		}
		c.v.unreadable(where, DataFile, path, faults[path])
	}
	return nil
}

// byHour tells that the table's rows belong to hours.
func (c *objectCheck) byHour() bool {
	return c.definition.Name == lake.OpsHours.Name || slices.ContainsFunc(verifiedTables,
		func(d lake.TableDefinition) bool { return d.Name == c.definition.Name })
}

func (c *objectCheck) chosen(file iceberg.DataFile) bool {
	if !c.byHour() {
		return true
	}
	first, last, err := c.definition.HoursOf(file)
	if c.definition.Name == lake.OpsHours.Name {
		last = first + 23
	}
	return err != nil || last >= c.v.options.From && first < c.v.options.To
}

// unreadable tells of an object that can't be read, once.
func (v *verifier) unreadable(where Difference, kind Kind, object string, err error) {
	if _, told := v.broken[object]; told {
		return
	}
	where.Kind, where.Object = kind, object
	v.broken[object] = where
	v.checked.Unreadable++
	what := err.Error()
	var damage *objects.Damage
	switch {
	case errors.As(err, &damage):
		what = damage.Error()
	case objects.IsMissing(err):
		what = object + " is missing"
	}
	v.differ(where, "%s %s", kind, what)
}

// readable are the files that can be read.
func (v *verifier) readable(files []iceberg.DataFile) []iceberg.DataFile {
	if len(v.broken) == 0 {
		return files
	}
	return slices.DeleteFunc(slices.Clone(files), func(file iceberg.DataFile) bool {
		_, broken := v.broken[file.FilePath()]
		return broken
	})
}

// lacks tells, and notes, that something can't be compared since files of these tables can't be read.
func (v *verifier) lacks(what string, tables ...lake.TableDefinition) bool {
	for _, broken := range v.broken {
		if broken.Version == "" &&
			slices.ContainsFunc(tables, func(d lake.TableDefinition) bool { return d.Name == broken.Table }) {
			v.note("%s not compared, since files of %s can't be read", what, broken.Table)
			return true
		}
	}
	return false
}

// filesAt are the files of an earlier version of a table of silver. A file of it that can't be read any more, and that
// was written again since with the same contents, is read where it is now.
func (v *verifier) filesAt(ctx context.Context, loaded *table.Table, snapshot int64) ([]iceberg.DataFile, error) {
	files, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot))
	if err != nil || snapshot == lake.HeadOf(loaded) {
		return files, err
	}
	now, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	present, byDigest := map[string]bool{}, map[string]iceberg.DataFile{}
	for _, file := range now {
		present[file.FilePath()], byDigest[lake.Digest(file.FilePath())] = true, file
	}
	for i, file := range files {
		again, written := byDigest[lake.Digest(file.FilePath())]
		if present[file.FilePath()] || !written {
			continue
		}
		if err := v.lake.CheckFile(file, true); objects.Unreadable(err) {
			files[i] = again
		} else if err != nil {
			return nil, fmt.Errorf("look at %s: %w", file.FilePath(), err)
		}
	}
	return files, nil
}

// unsureHours tells of the hours that were not compared.
func (v *verifier) unsureHours(hours []telemetry.Hour) []telemetry.Hour {
	sure := slices.DeleteFunc(slices.Clone(hours), func(hour telemetry.Hour) bool { return v.unsure[hour] })
	if unsure := len(hours) - len(sure); unsure > 0 {
		v.note("hours not compared, since files that may hold rows of them can't be read: %d", unsure)
	}
	return sure
}

// unlisted tells that the files of a version of gold.users are not known, since what lists them can't be read.
func (v *verifier) unlisted(id int64) bool {
	for _, broken := range v.broken {
		if broken.Table == lake.GoldUsers.Name && broken.Kind != DataFile {
			if _, err := lake.LiveFiles(context.Background(), v.gold, table.WithSnapshotID(id)); err != nil {
				return true
			}
		}
	}
	return false
}

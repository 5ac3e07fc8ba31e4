package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/upgrade"
)

// shownCatalog names the catalog without what should not be seen.
func (d *doctor) shownCatalog() string {
	parsed, err := url.Parse(d.LakeConfig().Catalog)
	if err != nil {
		return "the catalog"
	}
	return parsed.Redacted()
}

// checkCatalog opens the lake, and loads each of its tables.
func (d *doctor) checkCatalog(ctx context.Context) {
	l, err := d.ReadLake(ctx)
	switch {
	case errors.Is(err, lake.ErrNoLake):
		d.say("catalog", note, "no lake yet in "+d.shownCatalog(), "the first versionlake ingest makes it")
		return
	case err != nil:
		d.sayWhy("catalog", d.shownCatalog()+" can't be opened", "see --catalog, PGPASSFILE and PGPASSWORD", err)
		return
	}
	d.lake = l
	plan, err := upgrade.New(ctx, l)
	for _, definition := range lake.TableDefinitions {
		if _, loading := l.Load(ctx, definition); err == nil && !errors.Is(loading, lake.ErrNoLake) {
			err = loading // what upgrade would make is in its plan
		}
	}
	if errors.Is(err, lake.ErrNewer) {
		d.say("catalog", wrong, text(err), "take that version of versionlake")
		return
	}
	if err != nil {
		d.say("catalog", wrong, text(err), "versionlake verify says what else can't be read, and versionlake repair "+
			"mends it")
		return
	}
	if err := d.TakeKept(ctx, l); err != nil {
		d.say("catalog", wrong, text(err), "")
		return
	}
	if len(plan.Steps) > 0 {
		d.say("catalog", warning, d.shownCatalog()+" is of an earlier version of versionlake, and only read",
			"stop all workers, and run versionlake upgrade")
		d.askCatalogClock(ctx)
		return
	}
	d.say("catalog", ok, fmt.Sprintf("%s has all %d tables, of rules that this program knows", d.shownCatalog(),
		len(lake.TableDefinitions)), "")
	d.askCatalogClock(ctx)
}

// askCatalogClock compares with Postgres' clock. SQLite has none of its own.
func (d *doctor) askCatalogClock(ctx context.Context) {
	if strings.HasPrefix(d.LakeConfig().Catalog, "sqlite:") {
		return
	}
	before := time.Now()
	var now time.Time
	if err := d.lake.Db.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now); err == nil {
		d.addClock("the catalog's Postgres", now, before)
	}
}

// probeBytes fill more than one block of a disk.
const probeBytes = 64 << 10

// checkWarehouse writes a small object, reads it and removes it.
func (d *doctor) checkWarehouse(ctx context.Context) {
	config := d.LakeConfig()
	if local := localFolder(config.Warehouse); d.lake == nil && local != "" {
		d.say("warehouse", note, "none yet in "+config.Warehouse, "the first versionlake ingest makes it")
		return
	}
	store, err := objects.Open(ctx, config.Warehouse, "", database.Properties(config.Warehouse))
	if err != nil {
		d.sayWhy("warehouse", config.Warehouse+" can't be opened", "see --warehouse, and AWS_* for S3", err)
		return
	}
	object := fmt.Sprintf("%s/%s/checks/probe-%d", store.Root, lake.StagingName, time.Now().UnixNano())
	before := time.Now()
	if err := store.WriteJSON(object, strings.Repeat("-", probeBytes)); err != nil {
		d.sayWhy("warehouse", config.Warehouse+" takes no objects",
			"grant the right to write, which workers need, and who only asks does not; see docs/DEPLOY.md", err)
		return
	}
	if file, err := store.Open(object); err == nil {
		if info, err := file.Stat(); err == nil {
			d.addClock("the warehouse", info.ModTime(), before)
		}
		file.Close()
	}
	_, err = store.ReadAll(object)
	if err = errors.Join(err, store.Remove(ctx, []string{object})); err != nil {
		d.sayWhy("warehouse", config.Warehouse+" takes objects, and does not give them back or remove them",
			"grant these rights, too: see docs/DEPLOY.md", err)
		return
	}
	d.say("warehouse", ok, config.Warehouse+" takes objects, gives them back and removes them", "")
}

// localFolder is that of a file:// URL; "" for anything else.
func localFolder(warehouse string) string {
	if parsed, err := url.Parse(warehouse); err == nil && parsed.Scheme == "file" {
		return filepath.FromSlash(parsed.Path)
	}
	return ""
}

// checkRights tries to write where commands write, and looks for what others may read.
func (d *doctor) checkRights(ctx context.Context) {
	var found, do []string
	state := ok
	fault := func(of, what, cure string) {
		if found, do = append(found, what), append(do, cure); state != wrong {
			state = of
		}
	}
	if err := canWrite(existing(d.Dir)); err != nil {
		fault(wrong, "nothing can be written in --dir: "+text(err), "grant that right, or name another --dir")
	}
	if info, err := os.Stat(d.Dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		fault(warning, d.Dir+" is open to other people of this machine", "chmod -R go= "+d.Dir)
	}
	if path := os.Getenv("PGPASSFILE"); path != "" {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			fault(wrong, "PGPASSFILE can't be read: "+text(err), "correct the variable")
		case info.Mode().Perm()&0o077 != 0:
			fault(warning, path+" holds passwords, and others may read it", "chmod 600 "+path)
		}
	}
	if d.lake != nil {
		if err := mayCommit(ctx, d.lake.Db); err != nil {
			fault(warning, "nothing can be committed to the catalog: "+text(err),
				"who only asks needs no more; a worker does, see docs/DEPLOY.md")
		}
	}
	if state == ok {
		found = []string{"--dir and catalog can be written"}
		if d.lake == nil {
			found = []string{"--dir can be written"}
		}
	}
	d.say("rights", state, strings.Join(found, "; "), strings.Join(do, "; "))
}

// mayCommit asks the database for the right that a commit takes, and changes no row.
func mayCommit(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		"UPDATE iceberg_tables SET metadata_location = metadata_location WHERE 1 = 0")
	return errors.Join(err, tx.Rollback())
}

// existing is the folder itself, or the nearest above that is there.
func existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

func canWrite(folder string) error {
	file, err := os.CreateTemp(folder, ".versionlake-doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// Shares of a disk from which on it is too full; versionlake checks has the same.
const (
	nearlyFull = 0.9
	full       = 0.97
)

// checkDisk looks at the disks of --dir, of a local warehouse and of what is spilled.
func (d *doctor) checkDisk(context.Context) {
	folders := []string{existing(d.Dir), existing(os.TempDir())}
	if local := localFolder(d.LakeConfig().Warehouse); local != "" {
		folders = append(folders, existing(local))
	}
	slices.Sort(folders)
	state, do := ok, ""
	var found []string
	for _, folder := range slices.Compact(folders) {
		used, err := d.used(folder)
		if err != nil {
			continue // this system does not tell
		}
		found = append(found, fmt.Sprintf("that of %s is %.0f %% full", folder, 100*used))
		if used >= full {
			state = wrong
		} else if used >= nearlyFull && state == ok {
			state = warning
		}
	}
	if len(found) == 0 {
		d.say("disk", note, "this system does not tell how full it is", "")
		return
	}
	if state != ok {
		do = "make room, or name another --dir, --warehouse or TMPDIR"
	}
	d.say("disk", state, strings.Join(found, "; "), do)
}

// Package recover makes a catalog again from the metadata that lies in the warehouse.
package recover

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/objects"
)

// Options say how a catalog is made again.
type Options struct {
	Key *identity.RecoveryKey // opens the key of erasures; nil: there is none
	// Unbar gives up the memory of erasures, where its key can't be opened.
	Unbar bool
	// Newest takes the warehouse's metadata where it is newer than what the catalog names: the catalog is a backup.
	Newest bool
	// Adopt makes the catalog the lake's, though the warehouse holds tables of another one, and changes nothing else.
	Adopt  bool
	DryRun bool
}

// Table is what becomes of a table.
type Table struct {
	Table     string `json:"table"`
	State     string `json:"state"`
	Metadata  string `json:"metadata"`
	Snapshots int    `json:"snapshots"`
	Tags      int    `json:"tags"`
	// Doubt says why the metadata may be newer than what was committed; "" if it can't be.
	Doubt string `json:"doubt,omitempty"`

	chosen *table.Table
	before string
}

// States of a table.
const (
	StateKept  = "kept"  // the catalog names it as it is
	StateFound = "found" // it comes into the catalog
	StateNewer = "newer" // the catalog names older metadata, and goes on doing so without Newest
	StateMoved = "moved" // the catalog named older metadata
)

// Result is what was done, or would be.
type Result struct {
	Tables []Table `json:"tables"`
	// Barred: the memory of erasures holds, and its key is the catalog's again.
	Barred bool `json:"barred"`
	// Unbarred: it was given up; whoever was forgotten comes back with the next hour that is read.
	Unbarred bool `json:"unbarred"`
}

// recovery is one run.
type recovery struct {
	Options
	config  lake.Config
	sides   identity.Sides
	objects *objects.Store
	// warehouse and catalog are the sides of the identity; nil where there is none.
	warehouse, catalog *identity.Identity
	result             Result
	key                []byte // of erasures, as it was unsealed
}

// Run makes the catalog again, or completes what another run began. All of it takes effect at once.
func Run(ctx context.Context, config lake.Config, options Options) (result Result, err error) {
	sides, closeCatalog, err := identity.Open(ctx, identity.Where{Catalog: config.Catalog, CatalogName: config.CatalogName,
		Warehouse: config.Warehouse, Scratch: config.Scratch}, !options.DryRun)
	if err != nil {
		return result, err
	}
	r := &recovery{Options: options, config: config, sides: sides, objects: sides.Objects}
	defer func() { err = errors.Join(err, closeCatalog()) }()
	if options.Adopt {
		return result, r.adopt(ctx)
	}
	if err := r.look(ctx); err != nil {
		return result, err
	}
	if err := r.tables(ctx); err != nil {
		return r.result, err
	}
	if err := r.erasures(ctx); err != nil || options.DryRun {
		return r.result, err
	}
	return r.result, r.write(ctx)
}

func (r *recovery) adopt(ctx context.Context) error {
	if r.sides.Catalog == nil {
		return fmt.Errorf("%w: there is no catalog %s to adopt", objects.ErrConfig, r.sides.Here().Catalog)
	}
	if r.DryRun {
		return nil
	}
	return r.sides.Adopt(ctx)
}

// look finds out whose the two sides are.
func (r *recovery) look(ctx context.Context) (err error) {
	if r.warehouse, err = identity.OfWarehouse(r.objects); err != nil {
		return err
	}
	if r.warehouse != nil && identity.SamePlace(r.warehouse.Place, r.objects.Root) {
		r.objects.Root = r.warehouse.Place // a link: objects are named as the tables do
	}
	if r.sides.Catalog == nil {
		return nil
	}
	if r.catalog, err = r.sides.OfCatalog(ctx); err != nil || r.catalog == nil || r.warehouse == nil {
		return err
	}
	if r.catalog.Lake == r.warehouse.Lake || r.catalog.Was == r.warehouse.Lake {
		return nil
	}
	entries, err := r.sides.Catalog.Entries(ctx)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%w: the catalog %s is of the lake in %s, and %s holds another one: recover it into a catalog of "+
			"its own", identity.ErrOther, r.sides.Here().Catalog, r.catalog.Place, r.objects.Root)
	}
	r.catalog = nil // of a lake that was never made
	return err
}

// tables finds the metadata of each table.
func (r *recovery) tables(ctx context.Context) error {
	for _, definition := range lake.TableDefinitions {
		found, err := r.find(ctx, definition)
		if err != nil {
			return fmt.Errorf("find the metadata of %s: %w", definition.Name, err)
		}
		if found != nil {
			r.result.Tables = append(r.result.Tables, *found)
		}
	}
	if r.table(lake.OpsHours) == nil {
		return fmt.Errorf("%w: %s holds no metadata of %s", lake.ErrNoLake, r.objects.Root, lake.OpsHours.Name)
	}
	r.doubt()
	return nil
}

func (r *recovery) table(definition lake.TableDefinition) *Table {
	at := slices.IndexFunc(r.result.Tables, func(t Table) bool { return t.Table == definition.Name })
	if at < 0 {
		return nil
	}
	return &r.result.Tables[at]
}

// erasures sees to it that the memory of erasures can be read.
func (r *recovery) erasures(ctx context.Context) error {
	found := r.table(lake.OpsErasures)
	if found == nil || found.chosen.CurrentSnapshot() == nil {
		return nil
	}
	files, err := lake.LiveFiles(ctx, found.chosen)
	if err != nil || len(files) == 0 {
		return err
	}
	if r.sides.Catalog != nil {
		text, err := r.sides.Catalog.Property(ctx, identity.Namespace, forgotten.KeyProperty)
		if err != nil || text != "" {
			r.result.Barred = true
			return err
		}
	}
	r.key, err = identity.Unseal(r.objects, r.Key)
	switch {
	case err == nil:
		r.result.Barred = true
	case errors.Is(err, identity.ErrNoKey) && r.Unbar:
		r.result.Unbarred, err = true, nil
	case errors.Is(err, identity.ErrNoKey):
		err = fmt.Errorf("users were forgotten in this lake, and without the key of their hashes, which was in the lost "+
			"catalog, nobody can tell who: whoever the source still has would come back: %w; or give up their memory with "+
			"--unbar-forgotten, and run versionlake forget again for each of them before an hour is ingested", err)
	}
	return err
}

// write changes the catalog, and then the warehouse's side, both again where a run before ended in between.
func (r *recovery) write(ctx context.Context) error {
	is := r.sides.Here()
	is.Place = strings.TrimSuffix(r.table(lake.OpsHours).chosen.Location(), "/ops/hours")
	if r.warehouse != nil {
		is.Place, is.Was = r.warehouse.Place, r.warehouse.Lake
	}
	is.Lake = uuid.NewString()
	if r.catalog != nil { // it was the lake's all along, or a run before this one made it so
		is.Lake, is.Place, is.Was = r.catalog.Lake, r.catalog.Place, r.catalog.Was
	}
	properties := map[string]string{identity.Property: is.Text()}
	if r.key != nil {
		properties[forgotten.KeyProperty] = hex.EncodeToString(r.key)
		properties[identity.PropertyRecovery] = r.Key.Public()
	}
	var entries []database.Entry
	for _, t := range r.result.Tables {
		if t.State == StateFound || t.State == StateMoved {
			name := t.chosen.Identifier()
			entries = append(entries, database.Entry{Namespace: name[0], Name: name[1], Metadata: t.Metadata,
				Before: t.before})
		}
	}
	if err := r.sides.Catalog.Change(ctx, entries, identity.Namespace, properties); err != nil {
		return err
	}
	if err := r.sides.Follow(is); err != nil {
		return err
	}
	return r.unbar(ctx)
}

// unbar takes out the memory of erasures that nobody can read any more.
func (r *recovery) unbar(ctx context.Context) (err error) {
	if !r.result.Unbarred {
		return nil
	}
	l, err := lake.Open(ctx, r.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := identity.Unsealed(ctx, r.objects); err != nil {
		return err
	}
	return l.Commit(ctx, lake.OpsErasures, func(loaded *table.Table) (*lake.Change, error) {
		var live []iceberg.DataFile
		live, err := lake.LiveFiles(ctx, loaded)
		return &lake.Change{Remove: live}, err
	})
}

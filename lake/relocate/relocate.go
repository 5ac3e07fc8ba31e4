// Package relocate brings a lake that was copied or moved to its new place: tables name their files by absolute paths.
package relocate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/objects"
)

// Options say how a lake is brought to its new place.
type Options struct {
	// Move takes the catalog, or the place of the catalog, away from the original, which is still there.
	Move   bool
	DryRun bool
}

// Table is what was written anew of a table, or would be.
type Table struct {
	Table     string `json:"table"`
	Versions  int    `json:"versions"`
	Manifests int    `json:"manifests"`
	Files     int    `json:"files"`
}

// Result is what was done, or would be.
type Result struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Tables []Table `json:"tables"`
}

// relocation is one run.
type relocation struct {
	Options
	sides    identity.Sides
	objects  *objects.Store
	from, to string
	missing  []string // files that tables name and the copy lacks
	result   Result
}

// Run writes anew what names files, and lets the catalog and the identity follow at once. Another run begins anew, and
// overwrites what one before it left. Nothing outside of the warehouse is written, and its data files stay as they are.
func Run(ctx context.Context, where identity.Where, options Options) (result Result, err error) {
	sides, closeCatalog, err := identity.Open(ctx, where, false)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, closeCatalog()) }()
	if sides.Catalog == nil {
		return result, fmt.Errorf("%w: there is no catalog %s: copy it, too, or make it again with versionlake recover",
			objects.ErrConfig, sides.Here().Catalog)
	}
	place, err := identity.Check(ctx, sides, false)
	if err == nil {
		return result, fmt.Errorf("%w: the lake lies where it was made, in %s: there is nothing to relocate",
			objects.ErrConfig, place)
	}
	catalog, reading := sides.OfCatalog(ctx)
	if reading != nil {
		return result, reading
	}
	r := &relocation{Options: options, sides: sides, objects: sides.Objects, from: place, to: sides.Objects.Root}
	if errors.Is(err, identity.ErrUnfinished) && catalog != nil && identity.SamePlace(catalog.Place, r.to) {
		return r.result, r.follow(*catalog)
	}
	if !errors.Is(err, identity.ErrMoved) {
		return result, err
	}
	if err := r.refuseTwo(ctx, catalog); err != nil {
		return result, err
	}
	r.result.From, r.result.To = r.from, r.to
	var entries []database.Entry
	if identity.SamePlace(r.from, r.to) {
		r.to = r.from // the catalog alone has moved
	} else if entries, err = r.tables(ctx); err != nil {
		return r.result, err
	}
	if options.DryRun {
		return r.result, nil
	}
	return r.result, r.change(ctx, catalog, entries)
}

// refuseTwo finds an original that would be without its catalog, or with two of them.
func (r *relocation) refuseTwo(ctx context.Context, catalog *identity.Identity) error {
	if catalog == nil || r.Move {
		return nil
	}
	sameCatalog := identity.SamePlace(catalog.Catalog, r.sides.Here().Catalog)
	samePlace := identity.SamePlace(r.from, r.to)
	switch {
	case samePlace && identity.Exists(catalog.Catalog):
		return fmt.Errorf("%w: the lake's catalog %s is still there, and this one is a copy of it: with --move, this one is "+
			"the lake's and that one no more", objects.ErrConfig, catalog.Catalog)
	case samePlace || !sameCatalog:
		return nil
	}
	original, err := r.original(ctx)
	if err != nil || original == nil || original.Lake != catalog.Lake {
		return err
	}
	return fmt.Errorf("%w: the original in %s has this catalog, too: name a copy of the catalog with --catalog, so that both "+
		"can stand alone, or take it away from the original with --move", objects.ErrConfig, r.from)
}

// original reads the identity of the original's warehouse; nil where that can't be read, as when it was moved.
func (r *relocation) original(ctx context.Context) (*identity.Identity, error) {
	store, err := objects.Open(ctx, r.from, r.objects.Scratch, database.Properties(r.from))
	if err != nil {
		return nil, err
	}
	found, err := identity.OfWarehouse(store)
	if err != nil {
		return nil, fmt.Errorf("look for the original in %s (with --move it is not looked for): %w", r.from, err)
	}
	return found, nil
}

// change lets the catalog and the warehouse's identity follow.
func (r *relocation) change(ctx context.Context, catalog *identity.Identity, entries []database.Entry) error {
	// What is staged, and what maintenance noted, is of the original's work.
	for _, folder := range []string{"_staging", "_maintenance"} {
		if r.from == r.to {
			break
		}
		if err := r.objects.RemoveAll(ctx, r.to+"/"+folder); err != nil {
			return err
		}
	}
	is := r.sides.Here()
	is.Lake, is.Place = uuid.NewString(), r.to
	if catalog != nil {
		is.Was = catalog.Lake
	}
	if err := r.sides.Catalog.Change(ctx, entries, identity.Namespace,
		map[string]string{identity.Property: is.Text()}); err != nil {
		return err
	}
	return r.follow(is)
}

func (r *relocation) follow(is identity.Identity) error {
	r.objects.Root = is.Place
	return r.sides.Follow(is)
}

// tables writes anew what names files, table by table, and refuses a copy that is not whole.
func (r *relocation) tables(ctx context.Context) (changed []database.Entry, err error) {
	entries, err := r.sides.Catalog.Entries(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		object := r.here(entry.Metadata)
		if !strings.HasPrefix(object, r.to+"/") {
			continue // it is of another place altogether
		}
		rewritten, err := r.table(ctx, entry, object)
		if err != nil {
			return nil, fmt.Errorf("relocate %s.%s: %w", entry.Namespace, entry.Name, err)
		}
		changed = append(changed, rewritten)
	}
	if n := len(r.missing); n > 0 {
		return nil, fmt.Errorf("%w: the copy is not whole: %d of the files that its tables name are missing, or have another "+
			"size, such as %s: copy the lake again while nothing writes to it", objects.ErrConfig, n, r.missing[0])
	}
	return changed, nil
}

// here is where an object of the original lies in the copy.
func (r *relocation) here(object string) string {
	if name, inside := strings.CutPrefix(object, r.from+"/"); inside {
		return r.to + "/" + name
	}
	return object
}

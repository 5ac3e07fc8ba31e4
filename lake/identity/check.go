package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake/objects"
)

// found is what there is to compare.
type found struct {
	Sides
	warehouse, catalog *Identity
	tables             string // where the catalog's tables lie; "": it has none
}

// Check compares the two sides; where neither has an identity, write gives them one. It returns the warehouse's
// place as the tables name it. Errors: ErrOther, before anything is read; ErrMoved, with the place, on which
// reading may go on.
func Check(ctx context.Context, s Sides, write bool) (place string, err error) {
	f := found{Sides: s}
	if err := f.look(ctx); err != nil {
		return "", err
	}
	if f.warehouse == nil && f.catalog == nil {
		if err := f.unclaimed(ctx, write); err != nil {
			// Another process may have made the lake, with this catalog, since it was looked for.
			if now, looking := f.OfCatalog(ctx); looking != nil || now == nil {
				return f.tables, err
			}
			if err := f.look(ctx); err != nil {
				return "", err
			}
		}
	}
	switch {
	case f.warehouse == nil && f.catalog == nil:
		return f.placed(ctx, write)
	case f.warehouse == nil:
		return f.withoutWarehouse(ctx, write)
	case f.catalog == nil:
		return "", f.lost()
	case f.catalog.Was == f.warehouse.Lake && f.catalog.Lake != f.warehouse.Lake:
		return f.catalog.Place, fmt.Errorf("%w: it was being made again, or moved, which did not end: run versionlake "+
			"recover again, or versionlake relocate", ErrUnfinished)
	case f.catalog.Lake != f.warehouse.Lake:
		return "", fmt.Errorf("%w: the catalog %s is of the lake in %s, and %s holds another lake, made with the "+
			"catalog %s: name the two that belong together with --catalog and --warehouse", ErrOther, f.Here().Catalog,
			f.catalog.Place, f.Objects.Root, f.warehouse.Catalog)
	}
	return f.moved()
}

// look reads both sides. The warehouse's comes first: who makes a lake writes the catalog's before it.
func (f *found) look(ctx context.Context) (err error) {
	if f.warehouse, err = OfWarehouse(f.Objects); err != nil {
		return err
	}
	if f.catalog, err = f.OfCatalog(ctx); err != nil {
		return err
	}
	f.tables = ""
	location, _, err := f.Catalog.Locations(ctx, table.Identifier{Namespace, firstTable})
	if err != nil {
		return err
	}
	f.tables, _, _ = strings.Cut(location, "/"+Namespace+"/"+firstTable+"/metadata/")
	return nil
}

// unclaimed looks whether two sides without an identity can be of one lake: it is new, or of before lakes had one.
func (f *found) unclaimed(ctx context.Context, write bool) error {
	if f.tables != "" && !SamePlace(f.tables, f.Objects.Root) {
		return nil // placed tells
	}
	if f.tables != "" && !write {
		return nil
	}
	tables, err := lineages(ctx, f.Objects)
	if err != nil || len(tables) == 0 {
		return err
	}
	if f.tables == "" {
		return f.lost()
	}
	if len(tables) > 1 {
		return fmt.Errorf(
			"%w: %s holds tables that another catalog made, beside those of %s, and neither has marked the "+
				"warehouse as its own: find out which catalog is the lake's, and say so with that one: "+
				"versionlake recover --adopt", ErrOther, f.Objects.Root, f.Here().Catalog)
	}
	return nil
}

// placed gives a lake without an identity its own, where the tables lie in this warehouse.
func (f *found) placed(ctx context.Context, write bool) (string, error) {
	if f.tables == "" {
		f.tables = f.Objects.Root
	}
	if !SamePlace(f.tables, f.Objects.Root) {
		return f.tables, f.elsewhere(f.tables)
	}
	if !write {
		return f.tables, nil
	}
	lake, err := f.claim(ctx, Identity{Place: f.tables, Catalog: f.Here().Catalog})
	return lake.Place, err
}

// withoutWarehouse is of a catalog that has an identity over a warehouse that has none.
func (f *found) withoutWarehouse(ctx context.Context, write bool) (string, error) {
	switch same := SamePlace(f.catalog.Place, f.Objects.Root); {
	case !same && f.tables != "":
		return "", fmt.Errorf(
			"%w: the catalog %s is of the lake in %s, and the warehouse is %s, which holds no lake: name "+
				"the lake's with --warehouse %s, or leave the warehouse that is not its own its own catalog", ErrOther,
			f.Here().Catalog, f.catalog.Place, f.Objects.Root, f.catalog.Place)
	case !write:
		return f.catalog.Place, nil
	case !same: // a lake that was begun, and never made
		tables, err := lineages(ctx, f.Objects)
		if err != nil {
			return "", err
		}
		if len(tables) > 0 {
			return "", f.lost()
		}
		lake := f.Here()
		lake.Lake = f.catalog.Lake
		if err := f.Catalog.SetProperty(ctx, Namespace, Property, lake.Text()); err != nil {
			return "", err
		}
	}
	lake, err := f.claim(ctx, f.Here()) // the catalog's, as it is kept
	return lake.Place, err
}

// lost is of a warehouse with a lake, and a catalog without it.
func (f *found) lost() error {
	return NoCatalog(f.Objects.Root, f.Here().Catalog, f.warehouse)
}

// NoCatalog says that a warehouse holds a lake which a catalog does not know.
func NoCatalog(root, catalog string, warehouse *Identity) error {
	made := ""
	if warehouse != nil && warehouse.Catalog != catalog {
		made = " that was made with the catalog " + warehouse.Catalog
	}
	return fmt.Errorf("%w: %s holds a lake%s, and the catalog %s has none of its tables: name the lake's own "+
		"with --catalog or "+
		"VERSIONLAKE_CATALOG; if it was lost, make it again with versionlake recover", ErrOther, root, made, catalog)
}

// WithoutCatalog is ErrOther where there is no catalog though the warehouse holds a lake, and none otherwise.
func WithoutCatalog(ctx context.Context, o *objects.Store, catalog string, none error) error {
	warehouse, err := OfWarehouse(o)
	if err != nil {
		return err
	}
	tables, err := lineages(ctx, o)
	if err != nil {
		return err
	}
	if warehouse != nil || len(tables) > 0 {
		return NoCatalog(o.Root, CatalogName(catalog), warehouse)
	}
	return none
}

// moved is of two sides of one lake.
func (f *found) moved() (string, error) {
	place := f.catalog.Place
	here := f.Here()
	switch {
	case !SamePlace(place, here.Place) && SamePlace(f.warehouse.Place, here.Place):
		return "", fmt.Errorf(
			"%w: the catalog %s is of the copy of this lake in %s, and the warehouse is %s: name the two "+
				"that belong together with --catalog and --warehouse", ErrOther, here.Catalog, place, here.Place)
	case !SamePlace(place, here.Place):
		return place, f.elsewhere(place)
	case localPath(here.Catalog) != "" && !SamePlace(f.warehouse.Catalog, here.Catalog):
		return place, f.otherFile()
	}
	return place, nil
}

func (f *found) elsewhere(place string) error {
	return fmt.Errorf("%w: its tables name files in %s, and this is %s: if this is a copy, or was moved, versionlake "+
		"relocate makes it stand alone; until then nothing is written", ErrMoved, place, f.Objects.Root)
}

func (f *found) otherFile() error {
	return fmt.Errorf("%w: its catalog is %s, and this is %s: use the lake's own, or, if that one is gone for good, "+
		"versionlake relocate makes this one the lake's", ErrMoved, f.warehouse.Catalog, f.Here().Catalog)
}

var tableUUID = regexp.MustCompile(`"table-uuid"\s*:\s*"([^"]+)"`)

// lineages are the tables, by their UUIDs, whose metadata lies in the folder of the ledger's first table: one, unless
// two catalogs used the warehouse.
func lineages(ctx context.Context, o *objects.Store) (map[string]bool, error) {
	of, err := Lineages(ctx, o, Namespace+"."+firstTable)
	tables := map[string]bool{}
	for _, id := range of {
		tables[id] = true
	}
	return tables, err
}

// Lineages tells of which table, by its UUID, each metadata file in the folder of a table is.
func Lineages(ctx context.Context, o *objects.Store, name string) (map[string]string, error) {
	var listed []string
	folder := o.Root + "/" + strings.ReplaceAll(name, ".", "/") + "/metadata"
	if err := o.Walk(ctx, folder, func(object string, _ int64) error {
		if strings.HasSuffix(object, ".metadata.json") {
			listed = append(listed, object)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	const atOnce = 16
	ids := make([]string, len(listed))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for i, object := range listed {
		work.Go(func() (err error) {
			if ids[i], err = tableOf(o, object); objects.Unreadable(err) {
				return nil
			}
			return errors.Join(err, ctx.Err())
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	tables := map[string]string{}
	for i, object := range listed {
		if ids[i] != "" {
			tables[object] = ids[i]
		}
	}
	return tables, nil
}

// tableOf reads whose metadata an object is. Most writers put the UUID first.
func tableOf(o *objects.Store, object string) (id string, err error) {
	file, err := o.Open(object)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text := make([]byte, 4<<10)
	n, err := io.ReadFull(file, text)
	if found := tableUUID.FindSubmatch(text[:n]); found != nil {
		return string(found[1]), nil
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read %s: %w", object, err)
	}
	var metadata struct {
		UUID string `json:"table-uuid"`
	}
	if json.NewDecoder(io.MultiReader(bytes.NewReader(text[:n]), file)).Decode(&metadata) != nil {
		return "", nil // what is no metadata is of no table
	}
	return metadata.UUID, nil
}

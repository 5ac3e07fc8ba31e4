package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
)

// Where names the two sides.
type Where struct {
	Catalog     string // a URL
	CatalogName string // "versionlake" when empty
	Warehouse   string
	Scratch     string
}

// Open opens both sides, whatever they say of each other, for what mends that. A local catalog that is not there is
// made, if create says so; else there is none.
func Open(ctx context.Context, where Where, create bool) (s Sides, closeCatalog func() error, err error) {
	properties := database.Properties(where.Warehouse)
	store, err := objects.Open(ctx, where.Warehouse, where.Scratch, properties)
	if err != nil {
		return s, nil, err
	}
	s = Of(nil, where.Catalog, store)
	db, dialect, err := database.Open(where.Catalog, create)
	if errors.Is(err, database.ErrNone) {
		return s, func() error { return nil }, nil
	}
	if err != nil {
		return s, nil, err
	}
	s.Catalog, err = database.NewCatalog(cmp.Or(where.CatalogName, "versionlake"), db, dialect, properties, create)
	if errors.Is(err, database.ErrNone) {
		return s, func() error { return nil }, db.Close()
	}
	if err != nil {
		return s, nil, errors.Join(fmt.Errorf("prepare the catalog's database: %w", err), db.Close())
	}
	return s, func() error { return errors.Join(s.Catalog.Close(), db.Close()) }, nil
}

// Exists tells whether a local catalog is there; of one in a server it is not known, and so not said.
func Exists(catalog string) bool {
	path := localPath(catalog)
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

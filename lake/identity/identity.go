// Package identity ties a catalog and a warehouse to each other. Both hold the lake's identity from the first write on,
// so that a catalog which was lost, or is another lake's, and a copy of a folder are seen before anything is read or
// written wrongly.
package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/google/uuid"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
)

// Identity tells a lake from others, and says where it lies.
type Identity struct {
	Lake    string `json:"lake"`    // a UUID
	Place   string `json:"place"`   // the warehouse, as the tables name their files
	Catalog string `json:"catalog"` // without user and settings; a copy of a local one is told by it
	// Was is the lake that the catalog's side was made from, until the warehouse's side followed.
	Was string `json:"was,omitempty"`
}

// Errors on which a caller decides. They are settings that can't work: no retry helps.
var (
	// ErrOther: the catalog and the warehouse are not of one lake.
	ErrOther = fmt.Errorf("%w: the catalog is not that of the warehouse", objects.ErrConfig)
	// ErrUnfinished is ErrOther of a lake whose catalog follows a change that its warehouse does not know yet.
	ErrUnfinished = fmt.Errorf("%w yet", ErrOther)
	// ErrMoved: they are of one lake, and one of them lies elsewhere than where the lake was made.
	ErrMoved = fmt.Errorf("%w: the lake lies elsewhere than where it was made", objects.ErrConfig)
)

// Folder holds, in a warehouse, what is of the whole lake.
const Folder = "_lake"

// Object is the warehouse's side of the identity.
func Object(root string) string { return root + "/" + Folder + "/identity.json" }

// The catalog's side is a property of the namespace of the ledger, whose first table tells whether there is a lake.
const (
	Namespace  = "ops"
	firstTable = "hours"
	Property   = "versionlake.lake"
)

// Sides are the two that a lake is made of.
type Sides struct {
	Catalog  *database.Catalog
	Location string // of the catalog: a URL
	Objects  *objects.Store
}

// Of puts the two sides together.
func Of(c *database.Catalog, location string, o *objects.Store) Sides {
	return Sides{Catalog: c, Location: location, Objects: o}
}

// Here is how the two sides are named now.
func (s Sides) Here() Identity {
	return Identity{Place: s.Objects.Root, Catalog: CatalogName(s.Location)}
}

// CatalogName is a catalog's URL without its user and settings.
func CatalogName(location string) string {
	parsed, err := url.Parse(location)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
}

// SamePlace tells whether two names are of one place: links and mounts give a folder several.
func SamePlace(a, b string) bool {
	if a == b {
		return true
	}
	one, other := localPath(a), localPath(b)
	if one == "" || other == "" {
		return false
	}
	first, err := os.Stat(one)
	if err != nil {
		return false
	}
	second, err := os.Stat(other)
	return err == nil && os.SameFile(first, second)
}

func localPath(location string) string {
	if parsed, err := url.Parse(location); err == nil && (parsed.Scheme == "file" || parsed.Scheme == "sqlite") {
		return parsed.Path
	}
	return ""
}

// OfWarehouse reads the warehouse's side; nil where it has none.
func OfWarehouse(o *objects.Store) (*Identity, error) {
	var found Identity
	err := o.ReadJSON(Object(o.Root), &found)
	if objects.IsMissing(err) {
		return nil, nil
	}
	if err == nil && found.Lake == "" {
		err = errors.New("it names no lake")
	}
	if err != nil {
		return nil, fmt.Errorf("read the identity of the lake: %w", err)
	}
	return &found, nil
}

// OfCatalog reads the catalog's side; nil where it has none.
func (s Sides) OfCatalog(ctx context.Context) (*Identity, error) {
	text, err := s.Catalog.Property(ctx, Namespace, Property)
	if err != nil || text == "" {
		return nil, err
	}
	var found Identity
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return nil, fmt.Errorf("the property %s of namespace %s in the catalog is no identity: %w", Property, Namespace,
			err)
	}
	return &found, nil
}

// Text is an identity as both sides hold it.
func (i Identity) Text() string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // three texts
	}
	return string(text)
}

// claim makes a lake of the two sides, or completes one that was claimed before.
func (s Sides) claim(ctx context.Context, lake Identity) (Identity, error) {
	if lake.Lake == "" {
		lake.Lake = uuid.NewString()
	}
	// The catalog first: a lake whose warehouse alone knows of it is one whose catalog was lost.
	if err := s.Catalog.AddProperty(ctx, Namespace, Property, lake.Text()); err != nil {
		return lake, err
	}
	kept, err := s.OfCatalog(ctx)
	if err != nil {
		return lake, err
	}
	err = s.Objects.PutNew(ctx, Object(s.Objects.Root), []byte(kept.Text()))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return lake, fmt.Errorf("give the lake its identity: %w", err)
	}
	warehouse, err := OfWarehouse(s.Objects)
	if err != nil {
		return lake, err
	}
	if warehouse == nil || warehouse.Lake != kept.Lake {
		return lake, fmt.Errorf("%w: another catalog made a lake in %s at this moment", ErrOther, s.Objects.Root)
	}
	return *kept, nil
}

// Adopt makes a catalog that has tables the lake's own, where nobody has an identity yet.
func (s Sides) Adopt(ctx context.Context) error {
	f := found{Sides: s}
	if err := f.look(ctx); err != nil {
		return err
	}
	switch {
	case f.warehouse != nil || f.catalog != nil:
		return fmt.Errorf("%w: there is nothing to adopt: the lake has its catalog", objects.ErrConfig)
	case f.tables == "" || !SamePlace(f.tables, s.Objects.Root):
		return fmt.Errorf("%w: the catalog %s has no tables in %s", objects.ErrConfig, s.Here().Catalog, s.Objects.Root)
	}
	_, err := s.claim(ctx, Identity{Place: f.tables, Catalog: s.Here().Catalog})
	return err
}

// Follow gives the warehouse the identity that the catalog has.
func (s Sides) Follow(lake Identity) error {
	lake.Was = ""
	return s.Objects.WriteJSON(Object(s.Objects.Root), lake)
}

// Package lake is the Iceberg side: the catalog, the tables and their rows, data files, and commits. What becomes
// of hours, users and days lies in the packages below it.
package lake

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/schema"
	"github.com/versionlake/versionlake/telemetry"
)

// Config says where a lake lies.
type Config struct {
	// Catalog is sqlite:///absolute/catalog.db or postgres://user@host/db; secrets may come from PG* variables.
	Catalog string
	// CatalogName is the name that Trino's JDBC catalog must be given too; "versionlake" when empty.
	CatalogName string
	// Warehouse is file:///absolute/folder or s3://bucket/prefix. S3 is set up by AWS_* variables.
	Warehouse string
	// Buckets is the number of partitions of gold.users, used when the table is made; 8 when zero.
	Buckets int
	// TagAge is how long maintenance keeps the tag of an hour, DayTagAge that of the last hour of a day;
	// DefaultTagAge and DefaultDayTagAge when zero. They count for tags that are made from now on.
	TagAge, DayTagAge time.Duration
	// Scratch is a local folder for spills; the system's when empty.
	Scratch string
}

// How long tags are kept.
const (
	DefaultTagAge    = 48 * time.Hour
	DefaultDayTagAge = 35 * 24 * time.Hour
)

// Errors on which a caller decides.
var (
	// ErrConflict: another writer won; nothing was committed, plan again.
	ErrConflict = errors.New("another writer committed first")
	// ErrStale: what was staged may hold a user who was forgotten meanwhile; nothing of it counts, list the hour again.
	ErrStale = errors.New("a user was forgotten meanwhile")
	// ErrNotForgetting: nobody is being forgotten under this name.
	ErrNotForgetting = errors.New("nobody is being forgotten under this name; run versionlake forget USER")
	// ErrNoLake: the catalog holds no versionlake tables yet.
	ErrNoLake = errors.New("no lake here yet")
	// ErrUnknownVersion: an --as-of names no tag, snapshot or time that the lake still knows.
	ErrUnknownVersion = errors.New("no such tag, snapshot or time")
	// ErrDropped: an hour's rows were dropped on purpose; it is not ingested again.
	ErrDropped = errors.New("dropped")
	// ErrNewer: a later version of versionlake has written to the lake, and this one would misread it.
	ErrNewer = schema.ErrNewer
	ErrOlder = schema.ErrOlder
)

// Run names one run of an hour.
type Run struct {
	Hour telemetry.Hour `json:"hour"`
	ID   string         `json:"id"` // unique per run: the Temporal run id
}

// Lake is an open lake. It is safe for concurrent use.
type Lake struct {
	Config  Config
	Db      *sql.DB
	Catalog *database.Catalog
	Objects *objects.Store
	Commits map[string]*sync.Mutex // one per table: commits of this process wait for each other instead of racing

	KnownVersions *KnownVersions
	// Moved says that a lake that is read lies elsewhere than where it was made; nil: it does not.
	Moved error
	// OnCommit is told how each commit of a table went; nil: nobody is.
	OnCommit func(table string, err error)

	staging string // see Bundled
}

// Open opens the lake to write to it, creating namespaces and tables that do not exist yet, and giving those of an
// earlier version the columns that came since. Errors: ErrNewer; schema.ErrOlder where that is not enough.
func Open(ctx context.Context, config Config) (*Lake, error) {
	l, err := open(ctx, config, true)
	if err != nil {
		return nil, err
	}
	for _, prepare := range []func(context.Context) error{l.refuseOther, l.RefuseUnknown, l.RefuseOlder, l.Claim,
		l.CreateTables, l.UpdateSchemas} {
		if err := prepare(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// OpenExisting opens the lake for reading, and makes nothing; ErrNoLake where nothing was ingested yet.
func OpenExisting(ctx context.Context, config Config) (*Lake, error) {
	l, err := open(ctx, config, false)
	if errors.Is(err, database.ErrNone) {
		return nil, fmt.Errorf("%w: %w", ErrNoLake, err)
	} else if err != nil {
		return nil, err
	}
	var exists bool
	if err = l.identify(ctx, false); err == nil {
		exists, err = l.Catalog.CheckTableExists(ctx, OpsHours.Identifier())
	}
	if err == nil && !exists {
		err = fmt.Errorf("%w: no tables in the catalog %q", ErrNoLake, l.Config.CatalogName)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Claim sees to it that this is the lake's own place, before it is written to. Errors: those of identity.Check.
func (l *Lake) Claim(ctx context.Context) error { return l.identify(ctx, true) }

// refuseOther does the same, and writes nothing yet: the lake may be refused for something else.
func (l *Lake) refuseOther(ctx context.Context) error {
	if err := l.identify(ctx, false); err != nil {
		return err
	}
	return l.Moved
}

// identify sees to it that the catalog and the warehouse are of one lake, and names the warehouse as the tables do.
// Errors: identity.ErrOther, identity.ErrMoved; a lake that is only read may have moved.
func (l *Lake) identify(ctx context.Context, write bool) error {
	place, err := identity.Check(ctx, identity.Of(l.Catalog, l.Config.Catalog, l.Objects), write)
	if errors.Is(err, identity.ErrMoved) && !write {
		l.Moved, err = err, nil
	} else if err == nil {
		l.Objects.Root, l.Config.Warehouse = place, place
	}
	return err
}

func open(ctx context.Context, config Config, create bool) (*Lake, error) {
	config.CatalogName, config.Buckets = cmp.Or(config.CatalogName, "versionlake"), cmp.Or(config.Buckets, 8)
	config.TagAge, config.DayTagAge = cmp.Or(config.TagAge, DefaultTagAge), cmp.Or(config.DayTagAge, DefaultDayTagAge)
	properties := database.Properties(config.Warehouse)
	files, err := objects.Open(ctx, config.Warehouse, config.Scratch, properties)
	if err != nil {
		return nil, err
	}
	db, catalog, err := database.OpenCatalog(config.Catalog, config.CatalogName, properties, create)
	if errors.Is(err, database.ErrNone) {
		err = identity.WithoutCatalog(ctx, files, config.Catalog, err)
	}
	if err != nil {
		return nil, err
	}
	l := &Lake{Config: config, Db: db, Catalog: catalog, Objects: files, Commits: map[string]*sync.Mutex{},
		KnownVersions: &KnownVersions{}}
	for _, definition := range TableDefinitions {
		l.Commits[definition.Name] = new(sync.Mutex)
	}
	return l, nil
}

// NewSpill makes a spill below the scratch folder.
func (l *Lake) NewSpill(sections int) (*objects.Spill, error) {
	return objects.NewSpill(l.Config.Scratch, sections)
}

// Close releases the catalog's connections.
func (l *Lake) Close() error {
	return errors.Join(l.Catalog.Close(), l.Db.Close())
}

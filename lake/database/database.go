// Package database opens the catalog's database, SQLite or Postgres.
package database

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/versionlake/versionlake/lake/objects"
)

const connectTimeout = 10 * time.Second

// silence is how a connection finds within half a minute that the other side is gone.
var silence = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// ErrNone: there is no such database.
var ErrNone = errors.New("there is no such catalog")

// Open opens the catalog's database: sqlite:///absolute/catalog.db or postgres://…. A local one that is not there is
// made, for its owner alone, if create says so. ErrNone: there is none.
func Open(location string, create bool) (*sql.DB, sqlcatalog.SupportedDialect, error) {
	parsed, err := url.Parse(location)
	// A / or # in a password ends the host too early, and leaves the @ behind.
	if err != nil || parsed.Scheme != "sqlite" && parsed.User == nil && strings.Contains(parsed.String(), "@") {
		// The text may hold a password: it is not repeated.
		return nil, "", fmt.Errorf("%w: the catalog is not a URL such as sqlite:///absolute/catalog.db or "+
			"postgres://user@host/database; in a password, write / as %%2F, @ as %%40, # as %%23, or set "+
			"PGPASSWORD instead", objects.ErrConfig)
	}
	switch parsed.Scheme {
	case "sqlite":
		if parsed.Path == "" || parsed.Host != "" {
			return nil, "", fmt.Errorf("%w: the catalog %q needs an absolute path: sqlite:///absolute/catalog.db",
				objects.ErrConfig, parsed.Opaque+parsed.Host+parsed.Path)
		}
		if err := present(parsed.Path, create); err != nil {
			return nil, "", err
		}
		// Immediate transactions: one that reads and then writes must not find the lock taken in between.
		db, err := openFile(parsed.Path, "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate")
		if err == nil && !create && isReadOnly(db.Ping()) {
			db, err = openReadOnly(parsed.Path, db)
		}
		return db, sqlcatalog.SQLite, err
	case "postgres", "postgresql":
		settings, err := pgx.ParseConfig(location)
		if err != nil {
			// which leaves the password out
			return nil, "", fmt.Errorf("%w: the catalog on %s: %w", objects.ErrConfig, parsed.Host, err)
		}
		// A server that is gone without a word must not hold a step for hours.
		if settings.ConnectTimeout == 0 {
			settings.ConnectTimeout = connectTimeout
		}
		settings.DialFunc = (&net.Dialer{KeepAliveConfig: silence}).DialContext
		db := stdlib.OpenDB(*settings)
		db.SetMaxOpenConns(16)
		return db, sqlcatalog.Postgres, nil
	}
	return nil, "", fmt.Errorf("%w: the catalog is neither sqlite:///absolute/catalog.db nor "+
		"postgres://user@host/database", objects.ErrConfig) // which may be a secret: not repeated
}

func openFile(path, settings string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: settings}).String())
	if err != nil {
		return nil, fmt.Errorf("open the catalog %s: %w", path, err)
	}
	return db, nil
}

// isReadOnly tells that a local catalog, or its folder, can't be written.
func isReadOnly(err error) bool {
	var failed *sqlite.Error
	const readOnly, cantOpen = 8, 14
	return errors.As(err, &failed) && (failed.Code()&0xff == readOnly || failed.Code()&0xff == cantOpen)
}

// openReadOnly opens a catalog that can't be written as a file that nobody changes: SQLite would make files beside it to
// read it otherwise. What others have committed and not yet put into the file would be missed, so that is refused.
func openReadOnly(path string, before *sql.DB) (*sql.DB, error) {
	err := before.Close()
	if log, absent := os.Stat(path + "-wal"); absent == nil && log.Size() > 0 {
		err = errors.Join(err, fmt.Errorf("%w: the catalog %s is in use, and can't be read without writing beside it: "+
			"read it as its owner, or once nobody has it open", objects.ErrConfig, path))
	}
	if err != nil {
		return nil, err
	}
	return openFile(path, "mode=ro&immutable=1")
}

// Unreached tells that Postgres does not answer, or refuses who asks.
func Unreached(err error) bool {
	var failed *pgconn.ConnectError
	return errors.As(err, &failed)
}

// present makes the file of a local database where there is none. SQLite gives the files beside it the same rights.
func present(path string, create bool) error {
	if !create {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", ErrNone, path)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the catalog's folder: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create the catalog: %w", err)
	}
	return file.Close()
}

package database_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/testserver"
)

// TestManyOpenANewCatalogAtOnce: Postgres refuses CREATE TABLE IF NOT EXISTS to all but one of those who make the same
// table at the same moment, as several workers of a new lake do.
func TestManyOpenANewCatalogAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real server")
	}
	for range 5 {
		location := testserver.Postgres(t)
		readsNothing(t, location)
		var all errgroup.Group
		for range 8 {
			all.Go(func() error {
				db, dialect, err := database.Open(location, true)
				if err != nil {
					return err
				}
				defer db.Close()
				_, err = database.NewCatalog("lake", db, dialect, database.Properties(t.TempDir()), true)
				return err
			})
		}
		require.NoError(t, all.Wait())
	}
}

// readsNothing: whoever reads where there is no catalog is told so, and makes none.
func readsNothing(t *testing.T, location string) {
	t.Helper()
	db, dialect, err := database.Open(location, false)
	require.NoError(t, err)
	defer db.Close()
	_, err = database.NewCatalog("lake", db, dialect, database.Properties(t.TempDir()), false)
	require.ErrorIs(t, err, database.ErrNone)
	var tables int
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables))
	require.Zero(t, tables)
}

// TestReadOnlyCatalog: who may read a local catalog and not write beside it reads it, unless others have it open.
func TestReadOnlyCatalog(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root may write everywhere: this shows that reading changes nothing, and no more")
	}
	folder := t.TempDir()
	location := "sqlite://" + filepath.Join(folder, "catalog.db")
	db, made, err := database.OpenCatalog(location, "lake", database.Properties("file:///nowhere"), true)
	require.NoError(t, err)
	require.NoError(t, errors.Join(made.Close(), db.Close()))
	require.NoError(t, os.Chmod(filepath.Join(folder, "catalog.db"), 0o400))
	require.NoError(t, os.Chmod(folder, 0o500))
	defer func() { _ = os.Chmod(folder, 0o700) }()
	db, read, err := database.OpenCatalog(location, "lake", database.Properties("file:///nowhere"), false)
	require.NoError(t, err)
	_, err = read.Property(t.Context(), "ops", "anything")
	require.NoError(t, err)
	require.NoError(t, errors.Join(read.Close(), db.Close()))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

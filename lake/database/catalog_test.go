package database_test

import (
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

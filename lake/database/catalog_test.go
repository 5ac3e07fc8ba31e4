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
		var all errgroup.Group
		for range 8 {
			all.Go(func() error {
				db, dialect, err := database.Open(location, true)
				if err != nil {
					return err
				}
				defer db.Close()
				_, err = database.NewCatalog("lake", db, dialect, database.Properties(t.TempDir()))
				return err
			})
		}
		require.NoError(t, all.Wait())
	}
}

package identity_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/testserver"
)

// at is a lake whose catalog and warehouse lie in two folders.
func at(catalog, warehouse string) lake.Config {
	return lake.Config{Catalog: "sqlite://" + catalog + "/catalog.db", Warehouse: "file://" + warehouse + "/warehouse",
		Buckets: 2}
}

// made is a lake with an hour in it, closed.
func made(t *testing.T, config lake.Config) {
	t.Helper()
	l, err := lake.Open(t.Context(), config)
	require.NoError(t, err)
	defer l.Close()
	in := laketest.NewIngester(t, l, t.TempDir())
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
}

// refused holds that a lake is opened neither to write nor to read, and with what word.
func refused(t *testing.T, config lake.Config, says ...string) {
	t.Helper()
	for _, open := range []string{"to write", "to read"} {
		var l *lake.Lake
		var err error
		if open == "to write" {
			l, err = lake.Open(t.Context(), config)
		} else {
			l, err = lake.OpenExisting(t.Context(), config)
		}
		require.ErrorIs(t, err, identity.ErrOther, open)
		require.NotErrorIs(t, err, lake.ErrNoLake, open)
		require.Nil(t, l)
		for _, text := range says {
			require.ErrorContains(t, err, text, open)
		}
	}
}

func opens(t *testing.T, config lake.Config) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l
}

// TestOneCatalogOneWarehouse: a warehouse answers to the catalog that made it, and to no other.
func TestOneCatalogOneWarehouse(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	made(t, at(home, home))
	opens(t, at(home, home))

	t.Run("a second catalog", func(t *testing.T) {
		refused(t, at(other, home), "versionlake recover", "file://"+home, "sqlite://"+home)
		refused(t, at(other, home)) // what the first try left does not count
	})
	t.Run("a second warehouse", func(t *testing.T) {
		refused(t, at(home, other), "--warehouse file://"+home)
		require.NoDirExists(t, filepath.Join(other, "warehouse"))
	})
	t.Run("two lakes", func(t *testing.T) {
		third := t.TempDir()
		made(t, at(third, third))
		refused(t, at(third, home), "holds another lake")
	})
	t.Run("the catalog is lost", func(t *testing.T) {
		lost := t.TempDir()
		made(t, at(lost, lost))
		for _, file := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
			if err := os.Remove(filepath.Join(lost, file)); !os.IsNotExist(err) {
				require.NoError(t, err)
			}
		}
		_, err := lake.OpenExisting(t.Context(), at(lost, lost))
		require.ErrorIs(t, err, identity.ErrOther)
		require.ErrorContains(t, err, "versionlake recover")
		require.NoFileExists(t, filepath.Join(lost, "catalog.db"), "a reader makes no catalog")
		refused(t, at(lost, lost), "versionlake recover")
	})
	t.Run("the warehouse's side is lost", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(home, "warehouse", identity.Folder, "identity.json")))
		opens(t, at(home, home))
		require.FileExists(t, filepath.Join(home, "warehouse", identity.Folder, "identity.json"))
	})
}

// forgetIdentity takes a lake back to before lakes had an identity.
func forgetIdentity(t *testing.T, config lake.Config, warehouse string) {
	t.Helper()
	l, err := lake.OpenExisting(t.Context(), config)
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Db.ExecContext(t.Context(), "DELETE FROM iceberg_namespace_properties WHERE property_key = '"+
		identity.Property+"'")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(warehouse, "warehouse", identity.Folder)))
}

// TestAdoption: a lake of before gets its identity at the next write, from its own catalog alone.
func TestAdoption(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	made(t, at(home, home))
	forgetIdentity(t, at(home, home), home)
	refused(t, at(other, home), "versionlake recover")

	reader, err := lake.OpenExisting(t.Context(), at(home, home))
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.NoDirExists(t, filepath.Join(home, "warehouse", identity.Folder), "a reader gives none")

	var work errgroup.Group
	for range 4 {
		work.Go(func() error {
			l, err := lake.Open(t.Context(), at(home, home))
			if err != nil {
				return err
			}
			return l.Close()
		})
	}
	require.NoError(t, work.Wait())
	require.FileExists(t, filepath.Join(home, "warehouse", identity.Folder, "identity.json"))
	refused(t, at(other, home))

	t.Run("two catalogs of before", func(t *testing.T) {
		// A second lake in the warehouse, as it could be made without a word.
		home, other := t.TempDir(), t.TempDir()
		made(t, at(home, home))
		forgetIdentity(t, at(home, home), home)
		hidden := filepath.Join(home, "hidden")
		require.NoError(t, os.Rename(filepath.Join(home, "warehouse"), hidden))
		made(t, at(other, home))
		forgetIdentity(t, at(other, home), home)
		require.NoError(t, os.CopyFS(filepath.Join(home, "warehouse"), os.DirFS(hidden)))
		for _, catalog := range []string{home, other} {
			_, err := lake.Open(t.Context(), at(catalog, home))
			require.ErrorIs(t, err, identity.ErrOther)
			require.ErrorContains(t, err, "--adopt")
		}
	})
	t.Run("a copy of before", func(t *testing.T) {
		home, copied := t.TempDir(), t.TempDir()
		made(t, at(home, home))
		forgetIdentity(t, at(home, home), home)
		require.NoError(t, os.CopyFS(copied, os.DirFS(home)))
		_, err := lake.Open(t.Context(), at(copied, copied))
		require.ErrorIs(t, err, identity.ErrMoved)
	})
}

// TestMadeAtOnce: of several catalogs that make a lake in one warehouse at the same moment, one is the lake's.
func TestMadeAtOnce(t *testing.T) {
	warehouses := map[string]func(t *testing.T) string{
		"local": func(t *testing.T) string { return "file://" + t.TempDir() + "/warehouse" },
		"s3": func(t *testing.T) string {
			if testing.Short() {
				t.Skip("starts a server")
			}
			server := testserver.S3(t)
			server.Setenv(t)
			return "s3://" + server.NewBucket(t) + "/lake"
		},
	}
	for name, warehouse := range warehouses {
		t.Run(name, func(t *testing.T) {
			location := warehouse(t)
			errs := make([]error, 4)
			configs := make([]lake.Config, len(errs))
			var work errgroup.Group
			for i := range errs {
				configs[i] = lake.Config{Catalog: "sqlite://" + t.TempDir() + "/catalog.db", Warehouse: location}
				work.Go(func() error {
					var l *lake.Lake
					if l, errs[i] = lake.Open(t.Context(), configs[i]); errs[i] == nil {
						return l.Close()
					}
					return nil
				})
			}
			require.NoError(t, work.Wait())
			won := 0
			for i, err := range errs {
				if err == nil {
					won++
					opens(t, configs[i])
					continue
				}
				require.ErrorIs(t, err, identity.ErrOther)
				refused(t, configs[i])
			}
			require.Equal(t, 1, won)
		})
	}
}

// TestOneFolderOfSeveralNames: a link is the same place, and what is written through it is named as the tables do.
func TestOneFolderOfSeveralNames(t *testing.T) {
	home := t.TempDir()
	made(t, at(home, home))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(home, link))
	l := opens(t, at(link, link))
	require.Equal(t, "file://"+home+"/warehouse", l.Objects.Root)
	require.Equal(t, l.Objects.Root, l.Config.Warehouse)
}

// TestCopiesAreNotWritten: a copy of a folder names the original's files.
func TestCopiesAreNotWritten(t *testing.T) {
	home, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	made(t, at(home, home))
	require.NoError(t, os.CopyFS(copied, os.DirFS(home)))
	_, err := lake.Open(t.Context(), at(copied, copied))
	require.ErrorIs(t, err, identity.ErrMoved)
	require.ErrorContains(t, err, "versionlake relocate")
	reader, err := lake.OpenExisting(t.Context(), at(copied, copied))
	require.NoError(t, err)
	require.ErrorIs(t, reader.Moved, identity.ErrMoved)
	require.NoError(t, reader.Close())
	// A copy of the catalog over the original's warehouse would be a second one.
	_, err = lake.Open(t.Context(), at(copied, home))
	require.ErrorIs(t, err, identity.ErrMoved)
	_, err = lake.Open(t.Context(), at(home, copied))
	require.ErrorIs(t, err, identity.ErrMoved)
	opens(t, at(home, home))
}

package relocate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/relocate"
)

func in(dir string) lake.Config {
	return lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse",
		Buckets: 2}
}

func where(config lake.Config) identity.Where {
	return identity.Where{Catalog: config.Catalog, Warehouse: config.Warehouse}
}

func open(t *testing.T, dir string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), in(dir))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// files are all files below a folder, with when each was written and its size.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		found[path] = info.ModTime().String() + " " + info.Mode().String()
		return err
	}))
	return found
}

// TestRelocate: a copy of a lake's folder stands alone: it answers alike, for each tag, goes on by itself, and the
// original neither changes nor is needed.
func TestRelocate(t *testing.T) {
	root := t.TempDir()
	home, copied := filepath.Join(root, "home"), filepath.Join(root, "copy")
	l := open(t, home)
	w := laketest.NewIngester(t, l, t.TempDir())
	w.Put("27T05/a.tsv", laketest.Login("27T05:01", "s1", "patricia-1"), laketest.Sighting("27T05:10", "s1", "1.0"),
		laketest.Login("27T05:01", "s2", "quentin-2"), laketest.Sighting("27T05:20", "s2", "1.1"), "broken")
	w.ManyChunks("27T06", 5)
	first := laketest.HourAt(t, "2022-05-27T05")
	w.Ingest(first)
	w.Ingest(first + 1)
	upkeep.Maintain(w, maintain.Upkeep{})
	forgetting.Forget(w, "patricia-1")
	shown := laketest.Show(t, l)
	version, err := gold.FindVersion(t.Context(), l, "hour-2022-05-27T05")
	require.NoError(t, err)
	before := laketest.Users(t, l, "hour-2022-05-27T05")
	require.NoError(t, l.Close())
	require.NoError(t, os.CopyFS(copied, os.DirFS(home)))
	original := files(t, filepath.Join(home, "warehouse"))

	untouched := files(t, filepath.Join(copied, "warehouse"))
	dry, err := relocate.Run(t.Context(), where(in(copied)), relocate.Options{DryRun: true})
	require.NoError(t, err)
	require.NotEmpty(t, dry.Tables)
	require.Equal(t, untouched, files(t, filepath.Join(copied, "warehouse")))

	// A copy that is not whole is refused, and stays one that is refused.
	lost, err := filepath.Glob(filepath.Join(copied, "warehouse", "silver", "sightings", "data", "*", "*.parquet"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(lost[0], lost[0]+".away"))
	_, err = relocate.Run(t.Context(), where(in(copied)), relocate.Options{})
	require.ErrorContains(t, err, "the copy is not whole")
	require.NoError(t, os.Rename(lost[0]+".away", lost[0]))
	_, err = lake.Open(t.Context(), in(copied))
	require.ErrorIs(t, err, identity.ErrMoved)

	done, err := relocate.Run(t.Context(), where(in(copied)), relocate.Options{})
	require.NoError(t, err)
	require.Equal(t, dry.Tables, done.Tables)
	_, err = relocate.Run(t.Context(), where(in(copied)), relocate.Options{})
	require.ErrorContains(t, err, "nothing to relocate")

	hidden := home + ".away"
	require.NoError(t, os.Rename(home, hidden))
	second := open(t, copied)
	require.Equal(t, shown, laketest.Show(t, second))
	again, err := gold.FindVersion(t.Context(), second, "hour-2022-05-27T05")
	require.NoError(t, err)
	require.Equal(t, version, again)
	require.Equal(t, before, laketest.Users(t, second, "hour-2022-05-27T05"))
	checks.Verify(t, second)
	w.Lake = second
	w.Put("27T05/more.tsv", laketest.Sighting("27T05:40", "s1", "1.5"))
	w.Ingest(first)
	w.Ingest(first + 2)
	upkeep.Maintain(w, upkeep.Now)
	checks.Verify(t, second)
	require.NotContains(t, strings.Join(laketest.Show(t, second), "\n"), "patricia-1")
	require.NotContains(t, strings.Join(laketest.Show(t, second), "\n"), "1.5")
	require.NoError(t, os.Rename(hidden, home))
	require.Equal(t, original, files(t, filepath.Join(home, "warehouse")), "the original is as it was")
	require.Equal(t, shown, laketest.Show(t, open(t, home)))
	mixed := in(copied)
	mixed.Warehouse = in(home).Warehouse
	_, err = lake.Open(t.Context(), mixed)
	require.ErrorIs(t, err, identity.ErrOther)
}

// oneHour makes a lake of one hour, and closes it. It gives what the lake shows.
func oneHour(t *testing.T, home string) (shown []string) {
	t.Helper()
	l := open(t, home)
	w := laketest.NewIngester(t, l, t.TempDir())
	w.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	w.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	shown = laketest.Show(t, l)
	require.NoError(t, l.Close())
	return shown
}

// TestRelocateIsResumed: a kill between the catalog and the warehouse's identity.
func TestRelocateIsResumed(t *testing.T) {
	root := t.TempDir()
	home, moved := filepath.Join(root, "home"), filepath.Join(root, "moved")
	shown := oneHour(t, home)
	require.NoError(t, os.Rename(home, moved))
	object := filepath.Join(moved, "warehouse", identity.Folder, "identity.json")
	kept, err := os.ReadFile(object)
	require.NoError(t, err)
	_, err = relocate.Run(t.Context(), where(in(moved)), relocate.Options{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(object, kept, 0o600))
	_, err = lake.Open(t.Context(), in(moved))
	require.ErrorIs(t, err, identity.ErrUnfinished)
	_, err = relocate.Run(t.Context(), where(in(moved)), relocate.Options{})
	require.NoError(t, err)
	require.Equal(t, shown, laketest.Show(t, open(t, moved)))
	checks.Verify(t, open(t, moved))
}

// TestRelocatePacked: metadata may be packed, as that of Trino's views is.
func TestRelocatePacked(t *testing.T) {
	root := t.TempDir()
	home, moved := filepath.Join(root, "home"), filepath.Join(root, "moved")
	shown := oneHour(t, home)
	l := open(t, home)
	entries, err := l.Catalog.Entries(t.Context())
	require.NoError(t, err)
	for _, entry := range entries {
		if entry.Name != "users" {
			continue
		}
		text, err := os.ReadFile(strings.TrimPrefix(entry.Metadata, "file://"))
		require.NoError(t, err)
		entry.Before, entry.Metadata = entry.Metadata, strings.TrimSuffix(entry.Metadata, ".metadata.json")+
			".gz.metadata.json"
		packed := laketest.Gzipped(t, string(text))
		require.NoError(t, os.WriteFile(strings.TrimPrefix(entry.Metadata, "file://"), packed, 0o600))
		require.NoError(t, l.Catalog.Change(t.Context(), []database.Entry{entry}, "", nil))
	}
	require.NoError(t, l.Close())
	require.Equal(t, shown, laketest.Show(t, open(t, home)), "packed, and not moved")
	require.NoError(t, os.Rename(home, moved))
	_, err = relocate.Run(t.Context(), where(in(moved)), relocate.Options{})
	require.NoError(t, err)
	require.Equal(t, shown, laketest.Show(t, open(t, moved)))
	checks.Verify(t, open(t, moved))
}

// TestTwoCatalogs: a warehouse is not taken away from its catalog, nor a catalog from its warehouse, without a word.
func TestTwoCatalogs(t *testing.T) {
	root := t.TempDir()
	home, copied := filepath.Join(root, "home"), filepath.Join(root, "copy")
	oneHour(t, home)
	require.NoError(t, os.CopyFS(copied, os.DirFS(home)))
	for _, mixed := range []identity.Where{
		{Catalog: in(copied).Catalog, Warehouse: in(home).Warehouse},
		{Catalog: in(home).Catalog, Warehouse: in(copied).Warehouse},
	} {
		_, err := relocate.Run(t.Context(), mixed, relocate.Options{})
		require.ErrorContains(t, err, "--move")
	}
	open(t, home)
	_, err := relocate.Run(t.Context(), identity.Where{Catalog: in(copied).Catalog, Warehouse: in(home).Warehouse},
		relocate.Options{Move: true})
	require.NoError(t, err)
	_, err = lake.Open(t.Context(), in(home))
	require.ErrorIs(t, err, identity.ErrOther, "the catalog of before is another lake's")
}

package recover_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/recover"
)

// world is a lake of which a user was forgotten, and whose catalog is to be lost.
type world struct {
	*laketest.Ingester
	t      *testing.T
	dir    string
	config lake.Config
	shown  []string
	key    *identity.RecoveryKey
}

func (w *world) open() {
	w.t.Helper()
	l, err := lake.Open(w.t.Context(), w.config)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { l.Close() })
	if w.Ingester == nil {
		w.Ingester = laketest.NewIngester(w.t, l, w.t.TempDir())
	}
	w.Lake = l
}

func newWorld(t *testing.T, sealed bool) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.config = lake.Config{Catalog: "sqlite://" + w.dir + "/catalog.db", Warehouse: "file://" + w.dir + "/warehouse",
		Buckets: 2}
	w.open()
	if sealed {
		key, err := identity.NewRecoveryKey(filepath.Join(t.TempDir(), "key"))
		require.NoError(t, err)
		w.key = &key
		require.NoError(t, identity.Of(w.Lake.Catalog, w.config.Catalog, w.Lake.Objects).Register(t.Context(), key))
	}
	w.Put("27T05/a.tsv", laketest.Login("27T05:01", "s1", "patricia-1"), laketest.Sighting("27T05:10", "s1", "1.0"),
		laketest.Login("27T05:01", "s2", "quentin-2"), laketest.Sighting("27T05:20", "s2", "1.1"))
	w.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	forgetting.Forget(w.Ingester, "patricia-1")
	w.Put("27T06/a.tsv", laketest.Login("27T06:01", "s3", "quentin-2"), laketest.Sighting("27T06:10", "s3", "1.2"))
	w.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	w.shown = laketest.Show(t, w.Lake)
	require.NotContains(t, strings.Join(w.shown, "\n"), "patricia-1")
	return w
}

// lose takes the catalog away.
func (w *world) lose() {
	w.t.Helper()
	require.NoError(w.t, w.Lake.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(w.dir, "catalog.db"+suffix)); !os.IsNotExist(err) {
			require.NoError(w.t, err)
		}
	}
	_, err := lake.Open(w.t.Context(), w.config)
	require.ErrorIs(w.t, err, identity.ErrOther)
}

// again reads all hours once more: whoever is not barred comes back.
func (w *world) again() []string {
	w.t.Helper()
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06"} {
		w.Put(strings.ReplaceAll(hour[8:], "-", "")+"/more.tsv", laketest.Sighting(hour[8:]+":30", "s1", "1.5"))
		w.Ingest(laketest.HourAt(w.t, hour))
	}
	return laketest.Show(w.t, w.Lake)
}

// TestRecover: a catalog that was lost is made again, with all versions and tags, and the forgotten stay out.
func TestRecover(t *testing.T) {
	w := newWorld(t, true)
	version, err := gold.FindVersion(t.Context(), w.Lake, "hour-2022-05-27T05")
	require.NoError(t, err)
	snapshots, _ := laketest.Snapshots(t, w.Lake, lake.GoldUsers)
	w.lose()

	_, err = recover.Run(t.Context(), w.config, recover.Options{DryRun: true, Key: w.key})
	require.NoError(t, err)
	_, err = recover.Run(t.Context(), w.config, recover.Options{})
	require.ErrorIs(t, err, identity.ErrNoKey)
	require.ErrorContains(t, err, "--unbar-forgotten")
	other, err := identity.NewRecoveryKey(filepath.Join(t.TempDir(), "other"))
	require.NoError(t, err)
	_, err = recover.Run(t.Context(), w.config, recover.Options{Key: &other})
	require.ErrorIs(t, err, identity.ErrNoKey)
	_, err = lake.Open(t.Context(), w.config)
	require.ErrorIs(t, err, identity.ErrOther, "what was refused changed nothing")

	result, err := recover.Run(t.Context(), w.config, recover.Options{Key: w.key})
	require.NoError(t, err)
	require.True(t, result.Barred)
	require.Len(t, result.Tables, len(lake.TableDefinitions))
	w.open()
	require.Equal(t, w.shown, laketest.Show(t, w.Lake))
	again, err := gold.FindVersion(t.Context(), w.Lake, "hour-2022-05-27T05")
	require.NoError(t, err)
	require.Equal(t, version, again)
	now, _ := laketest.Snapshots(t, w.Lake, lake.GoldUsers)
	require.Equal(t, snapshots, now)
	checks.Verify(t, w.Lake)
	shown := strings.Join(w.again(), "\n")
	require.NotContains(t, shown, "patricia-1")
	require.NotContains(t, shown, "1.5", "a session of a forgotten user stays out, too")
	checks.Verify(t, w.Lake)

	again2, err := recover.Run(t.Context(), w.config, recover.Options{})
	require.NoError(t, err, "to recover what is not lost does nothing")
	require.True(t, again2.Barred)
	require.False(t, slices.ContainsFunc(again2.Tables, func(t recover.Table) bool {
		return t.State != recover.StateKept
	}))
}

// TestRecoverIsResumed: what a kill between the catalog and the warehouse leaves is completed, and the catalog of
// before does not come back.
func TestRecoverIsResumed(t *testing.T) {
	w := newWorld(t, true)
	require.NoError(t, w.Lake.Close())
	before := filepath.Join(w.dir, "before.db")
	require.NoError(t, os.Rename(filepath.Join(w.dir, "catalog.db"), before))
	object := filepath.Join(w.dir, "warehouse", identity.Folder, "identity.json")
	kept, err := os.ReadFile(object)
	require.NoError(t, err)
	_, err = recover.Run(t.Context(), w.config, recover.Options{Key: w.key})
	require.NoError(t, err)
	now, err := os.ReadFile(object)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(object, kept, 0o600)) // as if it had died before
	_, err = lake.Open(t.Context(), w.config)
	require.ErrorContains(t, err, "versionlake recover again")
	_, err = recover.Run(t.Context(), w.config, recover.Options{})
	require.NoError(t, err)
	resumed, err := os.ReadFile(object)
	require.NoError(t, err)
	require.Equal(t, string(now), string(resumed))
	w.open()
	require.Equal(t, w.shown, laketest.Show(t, w.Lake))

	stale := w.config
	stale.Catalog = "sqlite://" + before
	_, err = lake.Open(t.Context(), stale)
	require.ErrorIs(t, err, identity.ErrOther)
}

// TestUnbar: without a key the memory of erasures is given up only where somebody says so, and then loudly.
func TestUnbar(t *testing.T) {
	w := newWorld(t, false)
	w.lose()
	_, err := recover.Run(t.Context(), w.config, recover.Options{})
	require.ErrorIs(t, err, identity.ErrNoKey)
	result, err := recover.Run(t.Context(), w.config, recover.Options{Unbar: true})
	require.NoError(t, err)
	require.True(t, result.Unbarred)
	w.open()
	require.Equal(t, w.shown, laketest.Show(t, w.Lake))
	erasures, err := forgotten.Erasures(t.Context(), w.Lake)
	require.NoError(t, err)
	require.Empty(t, erasures)
	forgetting.Forget(w.Ingester, "patricia-1") // as the command says to do
	require.NotContains(t, strings.Join(w.again(), "\n"), "patricia-1")
}

// TestSealedKey: what lies in the warehouse is not the key of erasures, and no key opens it but the operator's.
func TestSealedKey(t *testing.T) {
	w := newWorld(t, true)
	key, err := forgotten.ErasureKey(t.Context(), w.Lake, false)
	require.NoError(t, err)
	require.Empty(t, forgetting.Remains(w.Ingester, string(key)))
	text, err := os.ReadFile(filepath.Join(w.dir, "warehouse", identity.Folder, "erasure-key.json"))
	require.NoError(t, err)
	require.NotContains(t, string(text), string(key))
	opened, err := identity.Unseal(w.Lake.Objects, w.key)
	require.NoError(t, err)
	require.Equal(t, key, opened)
}

// TestDoubt: metadata that may never have been committed is taken, and said.
func TestDoubt(t *testing.T) {
	w := newWorld(t, true)
	// A commit that died before the catalog named it leaves metadata that is newer than what counts.
	now, before, err := w.Lake.Catalog.Locations(t.Context(), lake.SilverEvents.Identifier())
	require.NoError(t, err)
	ledger, earlier, err := w.Lake.Catalog.Locations(t.Context(), lake.OpsHours.Identifier())
	require.NoError(t, err)
	require.NotEmpty(t, before)
	require.NotEmpty(t, earlier)
	require.NoError(t, os.Remove(strings.TrimPrefix(ledger, "file://")))
	w.lose()
	result, err := recover.Run(t.Context(), w.config, recover.Options{DryRun: true, Key: w.key})
	require.NoError(t, err)
	for _, found := range result.Tables {
		switch found.Table {
		case lake.SilverEvents.Name:
			require.Equal(t, now, found.Metadata)
			require.Contains(t, found.Doubt, "hour 2022-05-27T06")
		case lake.OpsHours.Name:
			require.Equal(t, earlier, found.Metadata, "what can't be read is passed over")
			require.NotEmpty(t, found.Doubt)
		}
	}
}

package releases_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ops"
	"github.com/versionlake/versionlake/lake/releases"
)

// TestImport: an import replaces what it names, keeps the rest, and commits nothing of what is there.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	l, err := lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse"})
	require.NoError(t, err)
	defer l.Close()
	end := int64(99)
	one := releases.Row{Service: "App", Version: "1", ReleasedAt: 2, Channel: "stable", EndOfSupport: &end,
		Rollout: []ops.StepRow{{At: 2, Share: 0.5}, {At: 3, Share: 1}}}
	two := releases.Row{Service: "App", Version: "2", ReleasedAt: 1, Channel: "beta"}
	head := func() int64 {
		loaded, err := l.Load(t.Context(), lake.OpsReleases)
		require.NoError(t, err)
		return lake.HeadOf(loaded)
	}
	imports := func(all bool, want releases.Imported, rows ...releases.Row) {
		t.Helper()
		done, err := releases.Import(t.Context(), l, rows, all)
		require.NoError(t, err)
		require.Equal(t, want, done)
	}
	has := func(want ...releases.Row) {
		t.Helper()
		rows, err := releases.List(t.Context(), l)
		require.NoError(t, err)
		require.Len(t, rows, len(want))
		for i := range want {
			require.Equal(t, want[i].Version, rows[i].Version)
			require.Equal(t, len(want[i].Rollout), len(rows[i].Rollout))
			require.Equal(t, want[i].EndOfSupport, rows[i].EndOfSupport)
		}
	}

	has()
	imports(false, releases.Imported{Added: 2}, one, two)
	has(two, one)
	before := head()
	imports(false, releases.Imported{Same: 2}, one, two)
	imports(false, releases.Imported{Same: 1}, one)
	require.Equal(t, before, head())
	changed := one
	changed.Rollout = changed.Rollout[:1]
	imports(false, releases.Imported{Changed: 1}, changed)
	has(two, changed)
	imports(true, releases.Imported{Removed: 1, Same: 1}, two)
	has(two)
	imports(true, releases.Imported{Removed: 1})
	has()
}

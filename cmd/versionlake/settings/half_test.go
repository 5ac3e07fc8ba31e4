package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// TestHalfALake: where only one of catalog and warehouse is named, the other one, in --dir, is not made, nor is the one
// that is named; where the two are a lake's own, naming one is enough.
func TestHalfALake(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "lake")
	for _, half := range []Settings{
		{catalog: "sqlite://" + root + "/other.db"}, {warehouse: "file://" + root + "/elsewhere"},
	} {
		half.Dir = dir
		_, err := half.OpenLake(t.Context())
		var wrong *usage.Error
		require.ErrorAs(t, err, &wrong)
		require.ErrorContains(t, err, "is given and --")
	}
	made, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, made)

	whole := Settings{Dir: dir}
	l, err := whole.OpenLake(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, half := range []Settings{
		{catalog: "sqlite://" + dir + "/catalog.db"}, {warehouse: "file://" + dir + "/warehouse"},
	} {
		half.Dir = dir
		l, err := half.OpenLake(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	_, err = (&Settings{Dir: dir, warehouse: "file://" + root + "/elsewhere"}).OpenLake(t.Context())
	require.Error(t, err)
	require.NoDirExists(t, filepath.Join(root, "elsewhere"))
}

package trino_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

func TestTrinoReadsGold(t *testing.T) {
	skipShort(t)
	readsGold(t, newWorld(t))
}

func TestTrinoReadsPostgresAndS3(t *testing.T) {
	skipShort(t)
	s3 := testserver.S3(t)
	s3.Setenv(t)
	w := newWorldIn(t, trino.Lake{Catalog: testserver.Postgres(t), Warehouse: "s3://" + s3.NewBucket(t) + "/versions"})
	readsGold(t, w)
	require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(trino.View) {}))
	require.Equal(t, w.rows(t, "SELECT count(*) FROM gold.users"), w.rows(t, "SELECT count(*) FROM users"))
	// The views lie in the catalog beside the tables, where the lake goes on as before.
	require.NoError(t, w.ingest(t.Context(), generate.Demo().From))
}

func readsGold(t *testing.T, w *world) {
	t.Helper()
	options := generate.Demo()
	options.Hours = 3
	w.generate(t, options)

	now, err := w.Version(t.Context(), "")
	require.NoError(t, err)
	want := [][]string{}
	for user, err := range w.Users(t.Context(), now) {
		require.NoError(t, err)
		want = append(want, []string{user.ID, user.CurrentVersion, strconv.Itoa(len(user.History))})
	}
	require.NotEmpty(t, want)
	require.Equal(t, want, w.rows(t, "SELECT user_id, current_version, cardinality(history) FROM gold.users ORDER BY user_id"))
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	skipShort(t)
	dir := t.TempDir()
	_, err := trino.Start(t.Context(), trino.Options{Dir: dir, Install: testserver.TrinoInstall(t), Config: map[string]string{"nonsense": "1"}})
	require.ErrorContains(t, err, "Configuration property 'nonsense' was not used")
	require.ErrorContains(t, err, filepath.Join(dir, "trino.log"))
	server, err := trino.Running(dir)
	require.NoError(t, err)
	require.Nil(t, server)
}

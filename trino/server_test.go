package trino_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/verify"
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

	now, err := gold.FindVersion(t.Context(), w.Lake, "")
	require.NoError(t, err)
	want := [][]string{}
	for user, err := range gold.Users(t.Context(), w.Lake, now) {
		require.NoError(t, err)
		want = append(want, []string{user.ID, user.CurrentVersion, strconv.Itoa(len(user.History))})
	}
	require.NotEmpty(t, want)
	require.Equal(t, want, w.rows(t, "SELECT user_id, current_version, cardinality(history) FROM gold.users "+
		"ORDER BY user_id"))

	// Its hours put together, a day is one file, and each hour is found in it.
	for _, table := range []string{"silver.sightings", "silver.bindings", "ops.files"} {
		byHour := "SELECT CAST(p_ingest_date_utc AS varchar), p_ingest_hour_utc, count(*) FROM " + table +
			" GROUP BY 1, 2 ORDER BY 1, 2"
		hours := w.rows(t, byHour)
		require.Len(t, hours, options.Hours)
		_, err := maintain.MaintainTable(t.Context(), w.Lake, table,
			maintain.Upkeep{SnapshotAge: time.Hour, Grace: time.Hour}, func(string) {})
		require.NoError(t, err)
		require.Equal(t, hours, w.rows(t, byHour))
		for _, hour := range hours {
			one := w.rows(t, fmt.Sprintf("SELECT count(*) FROM %s WHERE p_ingest_date_utc = DATE '%s' AND "+
				"p_ingest_hour_utc = %s", table, hour[0], hour[1]))
			require.Equal(t, [][]string{{hour[2]}}, one)
		}
		schema, name, _ := strings.Cut(table, ".")
		require.Equal(t, w.rows(t, "SELECT count(DISTINCT p_ingest_date_utc) FROM "+table),
			w.rows(t, fmt.Sprintf(`SELECT count(*) FROM %s."%s$files"`, schema, name)))
	}
	_, err = verify.Run(t.Context(), w.Lake, verify.Options{},
		func(d verify.Difference) error { return fmt.Errorf("verify says %+v", d) })
	require.NoError(t, err)
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	skipShort(t)
	dir := t.TempDir()
	_, err := trino.Start(t.Context(),
		trino.Options{Dir: dir, Install: testserver.TrinoInstall(t), Config: map[string]string{"nonsense": "1"}})
	require.ErrorContains(t, err, "Configuration property 'nonsense' was not used")
	require.ErrorContains(t, err, filepath.Join(dir, "trino.log"))
	server, err := trino.Running(dir)
	require.NoError(t, err)
	require.Nil(t, server)
}

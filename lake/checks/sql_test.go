package checks_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/versionlake/versionlake/lake/checks"
)

// TestSQLChecks: a row is what is not well. The database is another one than Trino: what a query is sent to does not matter
// here.
func TestSQLChecks(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("crashes.sql", "-- Versions that crash.\n-- state: warn\n\nSELECT 'App 1' UNION ALL SELECT 'App 2';\n")
	write("none.sql", "-- Nothing.\nSELECT 1 WHERE 1 = 2")
	write("somebody.sql", "-- Who?\nSELECT 'secret-user' AS USER_ID")
	write("wrong.sql", "-- Wrong.\nSELECT FROM nowhere")
	write("off.sql", "-- Not asked.\nSELECT 1")
	write("README.md", "no check")
	options := checks.Options{Limits: map[string]checks.Limits{"off": {Off: true}}}
	found := map[string]checks.Result{}
	for _, r := range checks.RunSQL(t.Context(), folder, options,
		func() (*sql.DB, error) { return sql.Open("sqlite", ":memory:") }) {
		found[r.Check] = r
		require.NotContains(t, r.Text, "secret-user")
	}
	require.Len(t, found, 4)
	require.Equal(t, checks.Warn, found["crashes"].State)
	require.Equal(t, []string{"App 1", "App 2"}, found["crashes"].Subjects)
	require.Equal(t, "Versions that crash. App 1, App 2", found["crashes"].Text)
	require.Equal(t, checks.OK, found["none"].State)
	require.Equal(t, checks.Fail, found["somebody"].State)
	require.Contains(t, found["somebody"].Text, "of somebody")
	require.Equal(t, checks.Fail, found["wrong"].State)

	for _, r := range checks.RunSQL(t.Context(), folder, options,
		func() (*sql.DB, error) { return nil, errors.New("no Trino runs") }) {
		require.Equal(t, checks.Unknown, r.State)
		require.Contains(t, r.Text, "needs a Trino: no Trino runs")
	}
	for text, says := range map[string]string{"SELECT 1": "needs a comment", "-- a": "and a query",
		"-- a\n-- state: bad\nSELECT 1": "neither warn nor fail"} {
		write("crashes.sql", text)
		_, err := checks.ReadSQL(folder)
		require.ErrorContains(t, err, says)
		require.Equal(t, checks.Fail, checks.RunSQL(t.Context(), folder, options, nil)[0].State)
	}
}

package deployed_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

// openScratch connects to people's own tables.
func (s *site) openScratch(t *testing.T, user, schema string) *sql.DB {
	t.Helper()
	address, err := url.Parse(s.url)
	require.NoError(t, err)
	address.User = url.UserPassword(user, s.passwords[user])
	db, err := trino.Open(trino.At(address.String(), trino.ScratchName), "", schema)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// ownRows: analysts and support load rows of their own, and join them with the lake's; ids stay masked for analysts.
func (s *site) ownRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickets.csv")
	text := "ticket,user_id,opened_at\n"
	for n := range 50 {
		text += fmt.Sprintf("%d,%s,2022-05-27 05:59:00\n", n, s.user)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	const join = `SELECT count(*), max(t.user_id) FROM scratch.%s.tickets AS t JOIN version_intervals AS i
		ON i.user_id = t.user_id AND i.valid_from <= t.opened_at AND t.opened_at < i.valid_until`
	joined := map[string]answer{}
	for user, schema := range map[string]string{analyst: "analyst", support: "support"} {
		rows, _, err := trino.Load(t.Context(), s.openScratch(t, user, schema), "tickets", path)
		require.NoError(t, err)
		require.EqualValues(t, 50, rows)
		joined[user] = s.must(t, user, fmt.Sprintf(join, schema))
	}
	require.NotEqual(t, "0", fmt.Sprint(joined[support].rows[0][0]))
	require.Equal(t, joined[support].rows[0][0], joined[analyst].rows[0][0])
	require.Equal(t, s.user, joined[support].rows[0][1])
	require.True(t, strings.HasPrefix(fmt.Sprint(joined[analyst].rows[0][1]), "masked:"))

	for _, r := range []request{
		{user: analyst, sql: "SELECT * FROM scratch.support.tickets"},
		{user: analyst, sql: "CREATE SCHEMA scratch.other"},
		{user: support, sql: "CREATE SCHEMA scratch.other"},
		{user: support, sql: "DROP TABLE scratch.analyst.tickets"},
		{user: support, sql: "CREATE TABLE gold.mine AS SELECT 1 AS n"},
		{user: nobody, sql: "SELECT * FROM scratch.analyst.tickets"},
	} {
		_, err := s.ask(t.Context(), r)
		require.ErrorIs(t, err, errRefused, "%s: %s", r.user, r.sql)
	}
	s.must(t, analyst, "DROP TABLE scratch.analyst.tickets")
}

// pinnedViews: the service account makes views of the past for all, and analysts see no ids in them.
func (s *site) pinnedViews(t *testing.T) {
	db := s.open(t, service)
	past, err := trino.FindPast(t.Context(), db, trino.CatalogName, s.tag)
	require.NoError(t, err)
	schema, err := trino.PastSchema(trino.CatalogName, past)
	require.NoError(t, err)
	_, err = trino.PinViews(t.Context(), s.openScratch(t, analyst, schema), trino.CatalogName, past,
		func(trino.View) {})
	require.ErrorContains(t, err, "Access Denied")
	_, err = trino.PinViews(t.Context(), s.openScratch(t, service, schema), trino.CatalogName, past,
		func(trino.View) {})
	require.NoError(t, err)

	ids := s.ids(t)
	require.NoError(t, trino.EnsurePinned(t.Context(), s.openScratch(t, analyst, schema), trino.CatalogName, past))
	count := "SELECT count(*) FROM gold.users FOR VERSION AS OF '" + s.tag + "'"
	require.Equal(t, s.must(t, analyst, count).rows,
		s.must(t, analyst, "SELECT count(*) FROM scratch."+schema+".users").rows)
	for _, view := range []string{"users", "version_intervals", "active_installations", "shutdown_users"} {
		sql := "SELECT * FROM scratch." + schema + "." + view
		require.Empty(t, s.must(t, analyst, sql).mentions(ids), view)
		require.NotEmpty(t, s.must(t, support, sql).mentions(ids), view)
	}
	_, err = s.ask(t.Context(), request{user: analyst, sql: "DROP VIEW scratch." + schema + ".users"})
	require.True(t, errors.Is(err, errRefused))
}

package deployed_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

// TestDeployed starts everything once, and then knocks at every door.
func TestDeployed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Trino, Postgres, an S3 server and Temporal")
	}
	s := start(t)
	for _, test := range []struct {
		what string
		run  func(*testing.T)
	}{
		{"login", s.login},
		{"only tls", s.onlyTLS},
		{"analyst", s.analyst},
		{"support", s.support},
		{"nobody", s.nobody},
		{"mask through views", s.maskThroughViews},
		{"no id reaches analysts", s.noIDReachesAnalysts},
		{"dynamic filters", s.dynamicFilters},
		{"secret stays hidden", s.secretStaysHidden},
		{"server pages", s.serverPages},
		{"jdbc", s.jdbc},
		{"python", s.python},
		{"no tag as parameter", s.noTagAsParameter},
		{"tableau", s.tableau},
		{"own rows", s.ownRows},
		{"pinned views", s.pinnedViews},
		{"lists", s.lists},
	} {
		t.Run(test.what, test.run)
	}
}

// login: who gets in, and as whom.
func (s *site) login(t *testing.T) {
	ctx := t.Context()
	const whoAmI = "SELECT current_user"
	for _, user := range []string{service, analyst, support} {
		found, err := s.ask(ctx, request{user: user, sql: whoAmI})
		require.NoError(t, err)
		require.Equal(t, [][]any{{user}}, found.rows)
		found, err = s.ask(ctx, request{user: user, sql: whoAmI, bearer: s.tokens.token(t, claimsOf(user))})
		require.NoError(t, err)
		require.Equal(t, [][]any{{user}}, found.rows)
	}

	basic := func(user, password string) map[string]string {
		r, err := http.NewRequest(http.MethodGet, s.url, nil)
		require.NoError(t, err)
		r.SetBasicAuth(user, password)
		return map[string]string{"Authorization": r.Header.Get("Authorization")}
	}
	altered := func(alter func(*claims)) string {
		c := claimsOf(analyst)
		alter(&c)
		return s.tokens.token(t, c)
	}
	good := strings.Split(s.tokens.token(t, claimsOf(analyst)), ".")
	refused := map[string]request{
		"a wrong password":                {headers: basic(analyst, "wrong")},
		"another's password":              {headers: basic(analyst, s.passwords[support])},
		"no password":                     {headers: basic(analyst, "")},
		"a user who is not known":         {user: "mallory", headers: basic("mallory", s.passwords[analyst])},
		"no login at all":                 {headers: map[string]string{"Authorization": ""}},
		"a token signed with another key": {bearer: newTokens(t).token(t, claimsOf(analyst))},
		"a token that has expired": {
			bearer: altered(func(c *claims) { c.Expires = time.Now().Add(-time.Hour).Unix() })},
		"a token for another service": {bearer: altered(func(c *claims) { c.Audience = "another" })},
		"a token of another issuer": {
			bearer: altered(func(c *claims) { c.Issuer = "https://evil.example.com" })},
		"a token without a signature": {bearer: encoded(t, map[string]string{"alg": "none"}) + "." +
			good[1] + "."},
		"a token signed with the public key":  {bearer: s.tokens.confused(t, claimsOf(analyst))},
		"a token whose claims were exchanged": {bearer: good[0] + "." + encoded(t, claimsOf(service)) + "." + good[2]},
	}
	for what, r := range refused {
		r.sql = whoAmI
		if r.user == "" {
			r.user = analyst
		}
		_, err := s.ask(ctx, r)
		require.ErrorContains(t, err, "401", what)
	}

	for what, r := range map[string]request{
		"another user's name, with a password": {headers: map[string]string{"X-Trino-User": service}},
		"another user's name, with a token": {headers: map[string]string{"X-Trino-User": service},
			bearer: s.tokens.token(t, claimsOf(analyst))},
		"another user as the original one": {headers: map[string]string{"X-Trino-Original-User": service}},
	} {
		r.user, r.sql = analyst, whoAmI
		_, err := s.ask(ctx, r)
		require.ErrorContains(t, err, "cannot impersonate", what)
	}
}

// onlyTLS: nothing is said in the clear, and nothing to a client that is not told whom to trust.
func (s *site) onlyTLS(t *testing.T) {
	plain := *s
	plain.url, plain.trusting = strings.Replace(s.url, "https:", "http:", 1), http.DefaultClient
	found, err := plain.ask(t.Context(), request{user: analyst, sql: "SELECT 1"})
	require.Error(t, err, "plain HTTP")
	require.Empty(t, found)

	stranger := *s
	stranger.trusting = trusting(x509.NewCertPool())
	_, err = stranger.ask(t.Context(), request{user: analyst, sql: "SELECT 1"})
	require.ErrorContains(t, err, "certificate")
}

// closedDoors are statements that are refused to an analyst, by what they are after. Both snapshots are of gold.users.
func closedDoors(first, last any) map[string][]string {
	return map[string][]string{
		"what is not theirs to read": {
			"SELECT * FROM bronze.events", "SELECT * FROM bronze.rejects", "SELECT * FROM silver.events",
			"SELECT * FROM silver.sightings",
			"SELECT * FROM silver.bindings", "SELECT * FROM ops.files", "SELECT * FROM ops.erasures",
			"SELECT secret FROM masking.secret",
			"SELECT 1 FROM bronze.events", "SELECT count(*) FROM silver.events", "EXPLAIN SELECT * FROM silver.events",
			"EXPLAIN ANALYZE SELECT * FROM bronze.events", "SHOW COLUMNS FROM silver.events",
			"SHOW CREATE TABLE silver.events",
			"SHOW STATS FOR silver.events",
			"SELECT * FROM why", "SELECT 1 FROM views.why", "SHOW COLUMNS FROM why", "SHOW CREATE VIEW why",
			"EXPLAIN ANALYZE SELECT count(*) FROM why",
			"WITH hidden AS (SELECT user_id FROM silver.events) SELECT * FROM users, hidden",
			"SELECT (SELECT max(user_id) FROM silver.events) FROM users",
		},
		"files and statistics, which hold ids": {
			`SELECT * FROM gold."users$files"`, `SELECT * FROM gold."users$partitions"`,
			`SELECT * FROM gold."users$entries"`,
			`SELECT * FROM gold."users$all_entries"`, `SELECT * FROM gold."users$manifests"`,
			`SELECT * FROM gold."users$properties"`,
			`SELECT "$path" FROM gold.users`, `SELECT "$partition" FROM gold.users`,
		},
		"rows below the mask": {
			fmt.Sprintf("SELECT * FROM TABLE(versionlake.system.table_changes(schema_name => 'gold', table_name "+
				"=> 'users', start_snapshot_id => %v, end_snapshot_id => %v))", first, last),
		},
		"views of their own": {
			"CREATE VIEW views.mine AS SELECT user_id FROM gold.users",
			"CREATE VIEW views.mine SECURITY INVOKER AS SELECT user_id FROM gold.users",
			"CREATE OR REPLACE VIEW users AS SELECT 1 AS user_id", "CREATE SCHEMA mine",
			"ALTER VIEW users SET AUTHORIZATION ann",
			"ALTER VIEW users RENAME TO gold.users2",
		},
		"other people": {
			"SELECT query FROM system.runtime.queries", "SELECT * FROM system.runtime.tasks",
			"SELECT * FROM system.runtime.nodes",
			"CALL system.runtime.kill_query('20260101_000000_00000_aaaaa', 'why not')",
		},
		"more rights": {
			"SET ROLE admin", "GRANT SELECT ON silver.events TO ann", "CREATE ROLE friends",
			"SET SESSION AUTHORIZATION versionlake",
			"SET SESSION enable_dynamic_filtering = true",
		},
		"writes": writes(first),
	}
}

// analyst: what an analyst may do, and what not, by whatever door.
func (s *site) analyst(t *testing.T) {
	snapshots := s.must(t, service, `SELECT snapshot_id FROM gold."users$snapshots" ORDER BY committed_at`).rows
	first, last := snapshots[0][0], snapshots[len(snapshots)-1][0]

	for _, sql := range []string{
		"SELECT * FROM version_intervals", "SELECT * FROM users", "SELECT * FROM gold.users",
		"SELECT * FROM gold.users FOR VERSION AS OF '" + s.tag + "'",
		`SELECT name, snapshot_id FROM gold."users$refs"`, `SELECT committed_at FROM gold."users$snapshots"`,
		"SELECT count(DISTINCT user_id) FROM users JOIN version_intervals USING (user_id)",
		"SHOW TABLES", "DESCRIBE users", "SET SESSION query_max_run_time = '10m'",
	} {
		s.must(t, analyst, sql)
	}

	for what, statements := range closedDoors(first, last) {
		for _, sql := range statements {
			_, err := s.ask(t.Context(), request{user: analyst, sql: sql})
			require.ErrorIs(t, err, errRefused, "%s: %s", what, sql)
			if !slices.Contains(withoutAccessDenied, sql) {
				require.ErrorContains(t, err, "Access Denied", "%s: %s", what, sql)
			}
		}
	}
	_, err := s.ask(t.Context(),
		request{user: analyst, sql: "SELECT * FROM users",
			headers: map[string]string{"X-Trino-Session": "enable_dynamic_filtering=true"}})
	require.ErrorContains(t, err, "Access Denied")

	for _, sql := range []string{
		"SELECT DISTINCT table_schema FROM information_schema.tables", "SELECT DISTINCT table_schema FROM " +
			"information_schema.columns",
		"SELECT DISTINCT table_schem FROM system.jdbc.tables WHERE table_cat = 'versionlake'",
		"SELECT DISTINCT schema_name FROM system.metadata.table_comments WHERE catalog_name = 'versionlake'",
	} {
		var schemas []string
		for _, row := range s.must(t, analyst, sql).rows {
			schemas = append(schemas, fmt.Sprint(row[0]))
		}
		slices.Sort(schemas)
		require.Equal(t, []string{"gold", "information_schema", "views"}, schemas, sql)
	}
}

// What Trino refuses for other reasons: there are no roles, its HTTP clients must say that they can change users,
// and a table with masks is not maintained.
var withoutAccessDenied = []string{
	"SET ROLE admin", "SET SESSION AUTHORIZATION versionlake", "ALTER TABLE gold.users EXECUTE optimize",
	"ALTER TABLE gold.users EXECUTE expire_snapshots(retention_threshold => '7d')",
}

// writes are all the ways to change something; the catalog of readers refuses them once more, whatever the rules
// let through.
func writes(snapshot any) []string {
	return []string{
		"INSERT INTO gold.users SELECT * FROM gold.users", "DELETE FROM gold.users",
		"UPDATE gold.users SET user_kind = 'nobody'",
		"MERGE INTO gold.users AS a USING gold.users AS b ON a.user_id = b.user_id WHEN MATCHED THEN DELETE",
		"TRUNCATE TABLE gold.users", "DROP TABLE gold.users", "DROP VIEW users",
		"CREATE TABLE gold.copy AS SELECT 1 AS x",
		"CREATE TABLE views.copy (x bigint)", "ALTER TABLE gold.users ADD COLUMN x bigint",
		"COMMENT ON VIEW users IS 'mine'",
		"COMMENT ON TABLE gold.users IS 'mine'", "ANALYZE gold.users", "ALTER TABLE gold.users EXECUTE optimize",
		"ALTER TABLE gold.users EXECUTE expire_snapshots(retention_threshold => '7d')",
		"ALTER TABLE versionlake_admin.gold.users EXECUTE optimize", "SELECT * FROM versionlake_admin.gold.users",
		fmt.Sprintf("CALL versionlake.system.rollback_to_snapshot('gold', 'users', %v)", snapshot),
	}
}

// support: support sees ids, and writes as little as an analyst.
func (s *site) support(t *testing.T) {
	require.Contains(t, s.must(t, support, "SELECT user_id FROM users").rows, []any{s.user})
	require.Contains(t, s.must(t, support, "SELECT user_id FROM gold.users FOR VERSION AS OF '"+s.tag+"'").rows,
		[]any{s.user})
	require.NotEmpty(t, s.must(t, support, "SELECT session_id FROM why WHERE user_id = '"+s.user+"'").rows)
	for _, sql := range append(writes("1"),
		"SELECT * FROM bronze.events", "SELECT * FROM bronze.rejects", "SELECT * FROM silver.events",
		"SELECT * FROM masking.secret",
		"CREATE VIEW views.leak AS SELECT user_id FROM gold.users", "SELECT * FROM system.runtime.queries",
	) {
		_, err := s.ask(t.Context(), request{user: support, sql: sql})
		require.ErrorContains(t, err, "Access Denied", sql)
	}
}

// nobody: a login alone opens nothing.
func (s *site) nobody(t *testing.T) {
	for _, sql := range []string{"SELECT 1", "SHOW CATALOGS", "SELECT * FROM users"} {
		_, err := s.ask(t.Context(), request{user: nobody, sql: sql})
		require.ErrorContains(t, err, "Access Denied", sql)
	}
}

// maskThroughViews: a view runs with its owner's rights, which see ids; what it shows is masked again for the
// reader. A view that runs with the reader's rights gives no more than the reader has.
func (s *site) maskThroughViews(t *testing.T) {
	const masked = `^masked:[0-9a-f]{24}$`
	rows := s.must(t, analyst, "SELECT user_id FROM users").rows
	require.NotEmpty(t, rows)
	different := map[any]bool{}
	for _, row := range rows {
		require.Regexp(t, masked, row[0])
		different[row[0]] = true
	}
	require.Len(t, different, len(rows), "users stay apart")
	require.Equal(t, s.must(t, support, "SELECT count(*) FROM users JOIN version_intervals USING (user_id)").rows,
		s.must(t, analyst, "SELECT count(*) FROM users JOIN version_intervals USING (user_id)").rows,
		"masked ids join as ids do")
	require.Equal(t, [][]any{{json.Number("0")}},
		s.must(t, analyst, "SELECT count(*) FROM users WHERE user_id = '"+s.user+"'").rows,
		"who knows an id does not find its row")

	for name, query := range map[string]string{
		"owners_view":  "SELECT user_id, current_version FROM gold.users",
		"view_of_view": "SELECT user_id FROM users",
		"view_of_why":  "SELECT user_id, session_id FROM why",
	} {
		s.must(t, service, "CREATE OR REPLACE VIEW views."+name+" AS "+query)
		rows := s.must(t, analyst, "SELECT * FROM "+name).rows
		require.NotEmpty(t, rows, name)
		for _, row := range rows {
			require.Regexp(t, masked, row[0], name)
			if name == "view_of_why" {
				require.Regexp(t, masked, row[1], name)
			}
		}
		s.must(t, service, "DROP VIEW views."+name)
	}
	s.must(t, service, "CREATE VIEW views.readers_view SECURITY INVOKER AS SELECT user_id AS player FROM "+
		"versionlake.gold.users")
	for _, row := range s.must(t, analyst, "SELECT player FROM readers_view").rows {
		require.Regexp(t, masked, row[0])
	}
	s.must(t, service, "CREATE OR REPLACE VIEW views.readers_view SECURITY INVOKER AS SELECT user_id AS player "+
		"FROM versionlake.silver.events")
	_, err := s.ask(t.Context(), request{user: analyst, sql: "SELECT player FROM readers_view"})
	require.ErrorContains(t, err, "Access Denied")
	s.must(t, service, "DROP VIEW views.readers_view")
}

// word is what an id may be within a text.
var word = regexp.MustCompile(`[\pL\pN]+`)

// ids are the users and sessions that the lake knows.
func (s *site) ids(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, sql := range []string{
		"SELECT DISTINCT user_id FROM gold.users WHERE user_kind = 'user'",
		"SELECT DISTINCT session_id FROM silver.sightings", "SELECT DISTINCT session_id FROM silver.bindings",
		"SELECT DISTINCT value FROM silver.bindings WHERE kind = 'user'",
	} {
		for _, row := range s.must(t, service, sql).rows {
			ids[row[0].(string)] = true
		}
	}
	return ids
}

func (a answer) mentions(ids map[string]bool) (found []string) {
	text := fmt.Sprint(a.rows)
	for _, word := range word.FindAllString(text, -1) {
		if ids[word] {
			found = append(found, word)
		}
	}
	return found
}

// noIDReachesAnalysts reads everything that an analyst can read, whatever a column is called, and looks for ids.
func (s *site) noIDReachesAnalysts(t *testing.T) {
	ids := s.ids(t)
	require.Greater(t, len(ids), 50)
	read := 0
	for _, row := range s.must(t, analyst, "SELECT table_schema, table_name FROM information_schema.tables WHERE "+
		"table_schema <> 'information_schema'").rows {
		table := fmt.Sprintf(`%s."%s"`, row[0], row[1])
		for _, sql := range []string{"SELECT * FROM " + table, "SHOW STATS FOR " + table} {
			require.Empty(t, s.must(t, analyst, sql).mentions(ids), sql)
		}
		read++
	}
	require.Greater(t, read, 5)
	require.NotEmpty(t, s.must(t, support, "SELECT * FROM users").mentions(ids), "ids are found where they are")
}

// dynamicFilters: EXPLAIN ANALYZE prints values of dynamic filters. When this fails because support finds none,
// Trino no longer does, and config.properties may let them on.
func (s *site) dynamicFilters(t *testing.T) {
	ids := s.ids(t)
	s.must(t, service, `CREATE OR REPLACE VIEW views.joined AS SELECT e.event_name FROM silver.events AS e
		JOIN gold.users AS u ON u.user_id = e.user_id WHERE u.current_version <> ''`)
	defer s.must(t, service, "DROP VIEW views.joined")
	const sql = "EXPLAIN ANALYZE SELECT count(*) FROM joined"
	require.Empty(t, s.must(t, analyst, sql).mentions(ids))
	found, err := s.ask(t.Context(),
		request{user: support, sql: sql,
			headers: map[string]string{"X-Trino-Session": "enable_dynamic_filtering=true"}})
	require.NoError(t, err)
	require.NotEmpty(t, found.mentions(ids))
}

// secretStaysHidden: the mask's secret is in no plan, and the mask depends on it.
func (s *site) secretStaysHidden(t *testing.T) {
	secret := s.must(t, service, "SELECT secret FROM masking.secret").rows[0][0].(string)
	for _, sql := range []string{"EXPLAIN SELECT * FROM users", "EXPLAIN ANALYZE VERBOSE SELECT * FROM users",
		"EXPLAIN (TYPE IO) SELECT * FROM users"} {
		require.NotContains(t, fmt.Sprint(s.must(t, analyst, sql).rows), secret, sql)
	}
	own := "SELECT 'masked:' || lower(substr(to_hex(hmac_sha256(to_utf8('" + s.user + "'), to_utf8('" + secret +
		"'))), 1, 24))"
	require.Contains(t, s.must(t, analyst, "SELECT user_id FROM users").rows, s.must(t, support, own).rows[0])
}

// serverPages: what the server says besides answers.
func (s *site) serverPages(t *testing.T) {
	get := func(user, path string) (int, []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		require.NoError(t, err)
		if user != "" {
			r.SetBasicAuth(user, s.passwords[user])
		}
		response, err := s.trusting.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, text
	}
	for _, path := range []string{"/metrics", "/v1/jmx/mbean", "/v1/node", "/v1/thread"} {
		status, _ := get("", path)
		require.Equal(t, http.StatusUnauthorized, status, path)
		status, _ = get(analyst, path)
		require.Equal(t, http.StatusForbidden, status, path)
	}
	s.must(t, service, "SELECT 'of the service'")
	s.must(t, analyst, "SELECT 'of the analyst'")
	status, text := get(analyst, "/v1/query")
	require.Equal(t, http.StatusOK, status)
	var queries []struct{ Session struct{ User string } }
	require.NoError(t, json.Unmarshal(text, &queries))
	users := map[string]bool{}
	for _, query := range queries {
		users[query.Session.User] = true
	}
	require.Equal(t, []string{analyst}, slices.Collect(maps.Keys(users)), "other people's queries")
}

// must asks as a user, and the answer is no error.
func (s *site) must(t *testing.T, user, sql string) answer {
	t.Helper()
	found, err := s.ask(context.WithoutCancel(t.Context()), request{user: user, sql: sql})
	if errors.Is(err, errRefused) {
		t.Fatalf("%s: %s\n%v", user, sql, err)
	}
	require.NoError(t, err)
	return found
}

// TestCatalogs: readers and the service account have the same lake, with other rights.
func TestCatalogs(t *testing.T) {
	settings := func(catalog, security string) string {
		text, err := os.ReadFile("../../deploy/trino/etc/catalog/" + catalog + ".properties")
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "\niceberg.security="+security+"\n"), catalog)
		return regexp.MustCompile(`\n\n# [^\n]*\niceberg\.security=.*\n`).ReplaceAllString(string(text), "\n")
	}
	require.Equal(t, settings(trino.CatalogName, "read_only"), settings(adminCatalog, "allow_all"))
}

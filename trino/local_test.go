package trino_test

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

// local is a world with a server of its own over it, as `versionlake trino up` starts one.
type local struct {
	*world
	server *trino.Server
	dir    string
}

// newLocal fills a lake with the demo's hours from first on, each with its tag, and the late file after them.
func newLocal(t *testing.T, first int) *local {
	t.Helper()
	l := &local{world: newWorld(t), dir: t.TempDir()}
	demo := generate.Demo()
	demo.LinesPerHour = 300
	_, err := generate.Write(t.Context(), l.folder, demo)
	require.NoError(t, err)
	_, err = generate.DemoLate(t.Context(), l.folder)
	require.NoError(t, err)
	for hour := demo.From + telemetry.Hour(first); hour <= generate.DemoFacts().LateHour; hour++ {
		require.NoError(t, l.ingest(t.Context(), hour))
	}
	catalogs, err := trino.LocalCatalogs(l.config, filepath.Join(l.dir, "scratch"))
	require.NoError(t, err)
	l.server, err = trino.Start(t.Context(), trino.Options{Dir: filepath.Join(l.dir, "trino"), Heap: "1G",
		Install: testserver.TrinoInstall(t), Catalogs: catalogs, Rules: trino.LocalRules})
	require.NoError(t, err)
	testserver.Guard(t, l.server.PID, "")
	t.Cleanup(func() { require.NoError(t, l.server.Stop()) })
	admin, err := url.Parse(l.server.URL)
	require.NoError(t, err)
	admin.User = url.User(trino.AdminName)
	maker := l.open(t, admin.String(), trino.CatalogName, trino.Schema)
	require.NoError(t, trino.CreateViewsThrough(t.Context(), maker, trino.AdminName, func(trino.View) {}))
	l.trino = l.open(t, l.server.URL, trino.CatalogName, trino.Schema)
	return l
}

func (l *local) open(t *testing.T, address, catalog, schema string) *sql.DB {
	t.Helper()
	db, err := trino.Open(address, catalog, schema)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// TestLocal asks a local server for what it must and must not do.
func TestLocal(t *testing.T) {
	skipShort(t)
	l := newLocal(t, 20)
	t.Run("read only", l.testReadOnly)
	t.Run("own rows", l.testOwnRows)
	t.Run("as of a view", l.testAsOfView)
	t.Run("pinned views", l.testPinned)
	t.Run("list of pinned views", l.testPinList)
	t.Run("no past", l.testNoPast)
	t.Run("memory", l.testMemory)
}

// testReadOnly: nobody writes the lake, and people's own tables stay in their folder.
func (l *local) testReadOnly(t *testing.T) {
	before := l.rows(t, `SELECT count(*), max(snapshot_id) FROM gold."users$snapshots"`)
	for statement, says := range map[string]string{
		"DELETE FROM gold.users":                                         "Access Denied",
		"INSERT INTO gold.versions SELECT * FROM gold.versions":          "Access Denied",
		"CREATE TABLE gold.mine (n bigint)":                              "Access Denied",
		"CREATE SCHEMA mine":                                             "Access Denied",
		"DROP VIEW users":                                                "Access Denied",
		"ALTER TABLE gold.users EXECUTE optimize":                        "Access Denied",
		"DELETE FROM versionlake_admin.gold.users":                       "Access Denied",
		"SELECT * FROM versionlake_admin.gold.users":                     "Access Denied",
		"ALTER TABLE versionlake_admin.gold.users EXECUTE optimize":      "Access Denied",
		"CALL versionlake_admin.system.rollback_to_snapshot('a','b', 1)": "",
	} {
		_, err := l.trino.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, says, statement)
	}
	require.Equal(t, before, l.rows(t, `SELECT count(*), max(snapshot_id) FROM gold."users$snapshots"`))

	outside := t.TempDir()
	l.execute(t, "CREATE SCHEMA scratch.anyone")
	for _, statement := range []string{
		"CREATE TABLE scratch.anyone.t WITH (location = 'file://" + outside + "/t') AS SELECT 1 AS n",
		"CREATE TABLE scratch.anyone.u WITH (location = 'local:///../../" + filepath.Base(outside) +
			"/t') AS SELECT 1 AS n",
	} {
		_, err := l.trino.ExecContext(t.Context(), statement)
		t.Log(statement, err)
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)
	// The lake's own catalog has nothing of it.
	require.Empty(t, l.rows(t, "SHOW SCHEMAS LIKE 'anyone'"))
	require.Equal(t, l.rows(t, "SELECT count(*) FROM users"), l.rows(t, "SELECT count(*) FROM gold.users"))
}

const ownRows = 100_000

// testOwnRows loads a CSV file and joins its rows with the versions at their moments.
func (l *local) testOwnRows(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 5))
	now, err := gold.FindVersion(t.Context(), l.Lake, "")
	require.NoError(t, err)
	users := l.usersAt(t, now)
	ids := slices.Sorted(maps.Keys(users))
	path := filepath.Join(t.TempDir(), "tickets.csv")
	file, err := os.Create(path)
	require.NoError(t, err)
	out := csv.NewWriter(file)
	require.NoError(t, out.Write([]string{"Ticket", "user_id", "opened_at", "score", "code", "note"}))
	want := int64(0)
	from := generate.Demo().From.Start()
	for n := range ownRows {
		user, at := ids[random.IntN(len(ids))], from.Add(time.Duration(random.Int64N(49*3600))*time.Second)
		if n%10 == 0 {
			user = fmt.Sprint(n) // nobody's, and a number
		}
		asked := users[user] // nobody's history is empty
		want += int64(len(asked.At(at.UnixMicro())))
		require.NoError(t,
			out.Write([]string{fmt.Sprint(n), user, at.Format("2006-01-02 15:04:05"), []string{"1", "1.5",
				""}[n%3], "1.10", []string{"", "it's \"so\",\nö"}[n%2]}))
	}
	out.Flush()
	require.NoError(t, file.Close())

	mine := l.open(t, trino.At(l.server.URL, trino.ScratchName), trino.ScratchName, "mine")
	started := time.Now()
	rows, columns, err := trino.Load(t.Context(), mine, "tickets", path)
	require.NoError(t, err)
	loading := time.Since(started)
	require.EqualValues(t, ownRows, rows)
	require.Equal(t, []trino.Column{{Name: "ticket", Comment: "bigint"}, {Name: "user_id", Comment: "varchar"},
		{Name: "opened_at", Comment: "timestamp(6) with time zone"}, {Name: "score", Comment: "double"},
		{Name: "code", Comment: "varchar"}, {Name: "note", Comment: "varchar"}}, columns)
	require.Equal(t, [][]string{{fmt.Sprint(ownRows), fmt.Sprint(ownRows), "83333.5", "1.10", "it's \"so\",\nö"}},
		l.rows(t,
			"SELECT count(*), count(DISTINCT ticket), sum(score), max(code), max(note) FROM scratch.mine.tickets"))

	started = time.Now()
	found := l.rows(t, `SELECT count(*) FROM scratch.mine.tickets AS t JOIN version_intervals AS i
		ON i.user_id = t.user_id AND i.valid_from <= t.opened_at AND t.opened_at < i.valid_until`)
	require.Equal(t, [][]string{{fmt.Sprint(want)}}, found)
	t.Logf("%d rows: loaded in %.1f s, joined in %.1f s", ownRows, loading.Seconds(), time.Since(started).Seconds())

	// What can't be loaded whole leaves nothing.
	_, _, err = trino.Load(t.Context(), mine, "tickets", path)
	require.ErrorContains(t, err, "already exists")
	for text, says := range map[string]string{"": "is empty", "a,A\n1,2\n": "a name of its own",
		"a,b\n1\n": "wrong number"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, _, err = trino.Load(t.Context(), mine, "broken", path)
		require.ErrorIs(t, err, trino.ErrCSV)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, [][]string{{"tickets"}}, l.rows(t, "SHOW TABLES FROM scratch.mine"))
}

// testAsOfView: Trino takes AS OF behind a view and ignores it. When this fails because Trino refuses it, we need not.
func (l *local) testAsOfView(t *testing.T) {
	const nonsense = "SELECT count(*) FROM version_intervals FOR VERSION AS OF 'nonsense'"
	require.Equal(t, l.rows(t, "SELECT count(*) FROM version_intervals"), l.rows(t, nonsense))
	for query, refused := range map[string]bool{
		nonsense: true,
		"SELECT 1 FROM gold.users u JOIN Views.\"users\" /* x */ FOR TIMESTAMP AS OF now() -- y\n AS v ON true": true,
		"SELECT 1 FROM versionlake.views.versions for version as of 1":                                          true,
		"WITH a AS (SELECT * FROM gold.users) SELECT * FROM a FOR VERSION AS OF 1":                              true,
		"SELECT 1 FROM gold.users FOR VERSION AS OF 'hour-2022-05-28T23'":                                       false,
		"SELECT 'users FOR VERSION AS OF 1' FROM users -- users FOR VERSION AS OF 1":                            false,
		"SELECT \"users FOR VERSION AS OF 1\" FROM users":                                                       false,
		"SELECT 1 FROM nowhere FOR VERSION AS OF 1":                                                             false,
	} {
		err := trino.RefuseAsOfOnViews(t.Context(), l.trino, query)
		if refused {
			require.ErrorIs(t, err, trino.ErrAsOfView, query)
		} else {
			require.NoError(t, err, query)
		}
	}
}

// testMemory: who asks for too much is told how to give more.
func (l *local) testMemory(t *testing.T) {
	_, err := l.trino.ExecContext(t.Context(), `SELECT cardinality(array_agg(s)), count(DISTINCT s) FROM (
		SELECT CAST(a AS varchar) || '-' || CAST(b AS varchar) || repeat_text AS s
		FROM UNNEST(sequence(1, 5000)) AS t (a), UNNEST(sequence(1, 5000)) AS u (b), (SELECT 'x' AS repeat_text))`)
	require.ErrorContains(t, trino.Plain(err), "exceeded")
	require.ErrorContains(t, trino.Plain(err), "versionlake trino up --memory 8G")
}

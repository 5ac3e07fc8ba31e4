package superset_test

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

// login is the one of Superset's at Trino: of the group analyst, by deploy/trino/etc/groups.
const login = "superset"

// world is that of `make demo-superset`, which demo.sh makes with the same numbers.
func world() generate.Options {
	o := generate.Defaults()
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = 42*24, 400, 240, 1
	return o
}

// newLake fills a lake with the world, and with what people told of its releases.
func newLake(t *testing.T) trino.Lake {
	t.Helper()
	dir, telemetry := t.TempDir(), t.TempDir()
	found := trino.Lake{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"}
	_, err := generate.Write(t.Context(), telemetry, world())
	require.NoError(t, err)
	l, err := lake.Open(t.Context(), lake.Config{Catalog: found.Catalog, Warehouse: found.Warehouse})
	require.NoError(t, err)
	defer l.Close()
	in := laketest.NewIngester(t, l, telemetry)
	in.SectionBytes = 1 << 20
	var runs []lake.Run
	for together := range slices.Chunk(in.Hours(), 168) {
		staged := in.StageTogether(together...)
		_, left, err := commit.Hours(t.Context(), l, staged)
		require.NoError(t, err)
		require.Empty(t, left)
		for _, hour := range staged {
			runs = append(runs, hour.Run)
		}
	}
	require.NoError(t, in.Follow(t.Context(), runs))
	upkeep.Daily(in)
	text, err := os.ReadFile("demo/releases.yaml")
	require.NoError(t, err)
	told, err := releasefile.Read(text, false)
	require.NoError(t, err)
	_, err = releases.Import(t.Context(), l, told, false)
	require.NoError(t, err)
	return found
}

// startTrino starts a Trino over the lake with the rules and groups of deploy/trino, and connects as Superset does.
func startTrino(t *testing.T, over trino.Lake) (server string, db *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	catalogs, err := trino.LocalCatalogs(over, filepath.Join(dir, "scratch"))
	require.NoError(t, err)
	production, err := filepath.Abs("../trino")
	require.NoError(t, err)
	rules, err := os.ReadFile(filepath.Join(production, "etc", "rules.json"))
	require.NoError(t, err)
	groups := "group-provider.name=file\nfile.group-file=" + filepath.Join(production, "etc", "groups") + "\n"
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "trino", "etc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "trino", "etc", "group-provider.properties"), []byte(groups),
		0o644))
	started, err := trino.Start(t.Context(), trino.Options{Dir: filepath.Join(dir, "trino"), Heap: "2G",
		Install: testserver.TrinoInstall(t), Catalogs: catalogs, Rules: string(rules)})
	require.NoError(t, err)
	testserver.Guard(t, started.PID, "")
	t.Cleanup(func() { require.NoError(t, started.Stop()) })

	address := func(user string) string {
		parsed, err := url.Parse(started.URL)
		require.NoError(t, err)
		parsed.User = url.User(user)
		return parsed.String()
	}
	open := func(address, catalog, schema string) *sql.DB {
		db, err := trino.Open(address, catalog, schema)
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	require.NoError(t, trino.CreateViewsThrough(t.Context(),
		open(address("versionlake"), trino.CatalogName, trino.Schema), trino.AdminName, func(trino.View) {}))
	masking, err := os.ReadFile(filepath.Join(production, "masking.sql"))
	require.NoError(t, err)
	admin := open(address("versionlake"), trino.AdminName, trino.Schema)
	for statement := range strings.SplitSeq(string(masking), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			_, err := admin.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
	}
	parsed, err := url.Parse(started.URL)
	require.NoError(t, err)
	return parsed.Host, open(address(login), trino.CatalogName, trino.Schema)
}

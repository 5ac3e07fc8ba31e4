package trino

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestReadViews(t *testing.T) {
	views, err := readViews(fstest.MapFS{
		"views/a.sql": file("-- What a is,\n-- and more.\n--\n-- x: An x,\n--   the newest.\n-- y: A y\nSELECT " +
			"x, y -- FROM nowhere\nFROM b JOIN gold.users USING (x);\n"),
		"views/b.sql": file("-- B.\n\n"),
		"views/c.sql": file("-- C.\n--\n-- x: X.\nSELECT x FROM gold.a"),
	})
	require.ErrorContains(t, err, "views/b.sql")
	require.Nil(t, views)

	views, err = readViews(fstest.MapFS{
		"views/a.sql": file("-- What a is,\n-- and more.\n--\n-- x: An x,\n--   the newest.\n-- y: A y\nSELECT " +
			"x, y -- FROM nowhere\nFROM b JOIN gold.users USING (x);\n"),
		"views/b.sql": file("-- B.\n--\n-- x: X.\nSELECT x\nFROM c"),
		"views/c.sql": file("-- C.\n--\n-- x: X.\nSELECT x FROM gold.a"),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"c", "b", "a"}, []string{views[0].Name, views[1].Name, views[2].Name})
	require.Equal(t, View{
		Name: "a", Comment: "What a is, and more.", Columns: []Column{{"x", "An x, the newest."}, {"y", "A y"}},
		Query: "SELECT x, y -- FROM nowhere\nFROM b JOIN gold.users USING (x)",
	}, views[2])

	_, err = readViews(fstest.MapFS{
		"views/a.sql": file("-- A.\n--\n-- x: X.\nSELECT x FROM b"),
		"views/b.sql": file("-- B.\n--\n-- x: X.\nSELECT x FROM gold.users JOIN a USING (x)"),
	})
	require.ErrorContains(t, err, "reads itself")
}

// join is a join of a view, from its word to where its condition ends.
var join = regexp.MustCompile(`(?is)\b(LEFT )?JOIN\b.*?(?:\bJOIN\b|\bWHERE\b|\bGROUP BY\b|\)[,\s]*\n|$)`)

// TestJoins: no view joins by IS NOT DISTINCT FROM, but where the other side's rows stay anyway: Trino 476 filters a
// table by what it is joined with, forgets NULL there, and gives no row where all that it is joined with is NULL.
func TestJoins(t *testing.T) {
	wrong := func(query string) (found []string) {
		query = sqlComment.ReplaceAllString(query, " ")
		for at := 0; ; {
			match := join.FindStringSubmatchIndex(query[at:])
			if match == nil {
				return found
			}
			text := query[at+match[0] : at+match[1]]
			if match[2] < 0 && strings.Contains(strings.ToUpper(text), "IS NOT DISTINCT FROM") {
				found = append(found, text)
			}
			at += match[0] + len("LEFT JOIN")
		}
	}
	views, err := Views()
	require.NoError(t, err)
	for _, view := range views {
		require.Empty(t, wrong(view.Query), "%s: join by coalesce(a.x, '') = coalesce(b.x, '')", view.Name)
	}
	require.Len(t, wrong("SELECT 1 FROM a LEFT JOIN b ON a.x IS NOT DISTINCT FROM b.x\nJOIN c ON c.y = a.y AND\n"+
		"c.x IS NOT DISTINCT FROM a.x WHERE a.z IS NOT DISTINCT FROM 1"), 1)
}

func TestCatalog(t *testing.T) {
	t.Setenv("PGPASSWORD", "")
	t.Setenv("PGSSLMODE", "")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:7070")
	catalog, err := NewCatalog(Lake{Catalog: "postgres://me:p%40ss@db:5433/catalog?sslmode=verify-full",
		Warehouse: "s3://lake/versions/"})
	require.NoError(t, err)
	require.Equal(t, "jdbc:postgresql://db:5433/catalog?sslmode=verify-full",
		catalog.Properties["iceberg.jdbc-catalog.connection-url"])
	require.Equal(t, "me", catalog.Properties["iceberg.jdbc-catalog.connection-user"])
	require.Equal(t, "s3://lake/versions", catalog.Properties["iceberg.jdbc-catalog.default-warehouse-dir"])
	require.Equal(t, "http://127.0.0.1:7070", catalog.Properties["s3.endpoint"])
	require.Equal(t, map[string]string{"VERSIONLAKE_CATALOG_PASSWORD": "p@ss", "AWS_ACCESS_KEY_ID": "AKIA",
		"AWS_SECRET_ACCESS_KEY": "s3cret"}, catalog.Env)
	text := string(propertiesFile(catalog.Properties))
	require.NotContains(t, text, "p@ss")
	require.NotContains(t, text, "s3cret")
	require.Contains(t, catalog.CreateStatement("lake"), `"iceberg.jdbc-catalog.connection-password" = 'p@ss'`)

	for _, bad := range []Lake{
		{Catalog: "mysql://db/catalog", Warehouse: "s3://lake"}, {Catalog: "sqlite:///catalog.db",
			Warehouse: "gs://lake"}, {Catalog: "sqlite:///catalog.db", Warehouse: "file:///a%20lake"},
		{Catalog: "postgres://me:secret@db:x/c", Warehouse: "s3://lake"},
	} {
		_, err := NewCatalog(bad)
		require.ErrorIs(t, err, ErrConfig)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestStatements(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                       nil,
		" ; -- nothing\n;/* ; */":                nil,
		"SELECT 1":                               {"SELECT 1"},
		"SELECT 1;":                              {"SELECT 1"},
		"SELECT ';', \";\";\n-- a; b\nTABLE x ;": {"SELECT ';', \";\"", "-- a; b\nTABLE x"},
		"SELECT 'it''s; so' /* ; */; SELECT 2":   {"SELECT 'it''s; so' /* ; */", "SELECT 2"},
		"SELECT 'open ; end":                     {"SELECT 'open ; end"},
	} {
		require.Equal(t, want, Statements(text), text)
	}
}

package trino

import (
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

// Package superset_test makes the bundle of datasets, charts and dashboards of this folder from the views and what
// their comments say, and tries it in a Superset.
package superset_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the bundle")

const bundleDir = "bundle"

// object is what becomes a YAML or JSON object.
type object = map[string]any

// bundleSpace makes the ids of everything in the bundle follow from names: a new import replaces what an older one
// brought.
var bundleSpace = uuid.MustParse("3a3e7f0c-6a0e-4d0d-9a52-4b8d1f3c2e10")

func id(kind, name string) string { return uuid.NewSHA1(bundleSpace, []byte(kind+" "+name)).String() }

// slug is a name as a file's.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "_")
}

// bundle is every file of the bundle by its path.
func bundle(t *testing.T) map[string]any {
	t.Helper()
	files := map[string]any{
		// The time stands for none: the files change with their contents only.
		"metadata.yaml": object{"version": "1.0.0", "type": "assets",
			"timestamp": "2026-11-30T00:00:00+00:00"},
		"databases/versionlake.yaml": database(),
	}
	for _, d := range datasets(t) {
		files["datasets/versionlake/"+d.name+".yaml"] = d.file()
	}
	for _, board := range dashboards() {
		files["dashboards/"+slug(board.title)+".yaml"] = board.file()
		for _, c := range board.charts() {
			files["charts/"+c.slug()+".yaml"] = c.file()
		}
	}
	return files
}

// database is the connection. Its address is that of deploy/compose; load.py writes another one where it is told so.
func database() object {
	return object{
		"database_name": "versionlake", "sqlalchemy_uri": "trino://superset@trino:8080/versionlake/views",
		"cache_timeout": nil, "expose_in_sqllab": true, "allow_run_async": false, "allow_ctas": false,
		"allow_cvas": false, "allow_dml": false, "allow_csv_upload": false, "impersonate_user": false,
		"extra": object{"engine_params": object{"connect_args": object{"timezone": "UTC", "source": "superset"}},
			"allows_virtual_table_explore": true},
		"uuid": id("database", "versionlake"), "version": "1.0.0",
	}
}

// TestBundle holds the files against what is defined here and what the views say of themselves.
func TestBundle(t *testing.T) {
	want := map[string][]byte{}
	for path, content := range bundle(t) {
		var text bytes.Buffer
		text.WriteString("# Made by: go test ./deploy/superset -run TestBundle -update\n")
		encoder := yaml.NewEncoder(&text)
		encoder.SetIndent(2)
		require.NoError(t, encoder.Encode(content))
		want[path] = text.Bytes()
	}
	if *update {
		require.NoError(t, os.RemoveAll(bundleDir))
		for path, text := range want {
			path = filepath.Join(bundleDir, path)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, text, 0o644))
		}
	}
	got := bundleFiles(t)
	for path, text := range want {
		require.Equal(t, string(text), got[path],
			"%s: go test ./deploy/superset -run TestBundle -update writes it", path)
		delete(got, path)
	}
	require.Empty(t, got, "files of the bundle that nothing defines")
}

// bundleFiles are the files as they are, by their paths in the bundle.
func bundleFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(bundleDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(bundleDir, path)
		files[filepath.ToSlash(relative)] = string(text)
		return err
	}))
	return files
}

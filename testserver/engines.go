package testserver

import (
	"os"
	"path/filepath"
	"testing"
)

// Engines is the folder with the other engines that read the lake: packages of Python in python and duckdb, the
// latter DuckDB in the version that its extensions are for, and jars in jars.
func Engines(tb testing.TB) string {
	tb.Helper()
	const variable = "VERSIONLAKE_TEST_ENGINES"
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(toolsDir(tb), "engines")
	}
	if _, err := os.Stat(filepath.Join(dir, "python")); err != nil {
		missing(tb, "engines", variable)
	}
	return dir
}

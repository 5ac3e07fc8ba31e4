package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingElseWrites: the program has no other way to its outputs than package terminal.
func TestNothingElseWrites(t *testing.T) {
	direct := regexp.MustCompile(`os\.Std(out|err)|\bfmt\.Print|\blog\.(Print|Fatal|Panic)|\bprintln\(`)
	var found []string
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case entry.IsDir() && (len(name) > 2 && name[0] == '.' || name == "bench" || name == "tools" ||
			name == "testserver"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); direct.MatchString(line) && !strings.HasPrefix(line, "//") {
				found = append(found, filepath.Base(path)+": "+line)
			}
		}
		return err
	}))
	require.Equal(t, []string{"main.go: code := program.Execute(ctx, os.Args[1:], os.Stdout, os.Stderr, groups...)"},
		found)
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCheck judges a module in which one package has each fault, and its neighbour is just within each limit.
func TestCheck(t *testing.T) {
	checkout := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(checkout, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/m\n\ngo 1.26.0\n")
	for i := range maxImports + 1 {
		write(fmt.Sprintf("part%d/part.go", i), fmt.Sprintf("package part%d\n", i))
	}
	imports := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("import _ \"example.com/m/part%d\"\n", i)
		}
		return text
	}
	// Each file uses the next one's declaration, and the last one the first one's.
	circle := func(folder string, files int) {
		for i := range files {
			write(fmt.Sprintf("%s/file%d.go", folder, i),
				fmt.Sprintf("package p\n\nfunc f%d() { f%d() }\n", i, (i+1)%files))
		}
	}
	circle("over", maxCircle+1)
	write("over/imports.go", "package p\n\n"+imports(maxImports+1))
	write("over/long.go", "package p\n"+strings.Repeat("\n", maxLines))
	circle("within", maxCircle)
	write("within/imports.go", "package p\n\n"+imports(maxImports))
	write("within/long.go", "package p\n"+strings.Repeat("\n", maxLines-200))
	write("within/long_test.go", "package p\n"+strings.Repeat("\n", maxLines))
	write("lake/forget/imports.go", "package p\n\n"+imports(maxImports+1))
	write("cmd/program/imports.go", "package main\n\n"+imports(maxImports+1)+"\nfunc main() {}\n")

	found, err := check(checkout)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.folder+" "+f.what)
	}
	if want := []string{"over lines", "over imports", "over circle"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

package versionlake_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w./-]+) v\S+(?: //.*)?$`)
	described   = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	tool        = regexp.MustCompile(`(?m)^\t\S+/([\w-]+)$`)
	mapped      = regexp.MustCompile("(?m)^\\| `([\\w./-]+)/` \\|")
	filed       = regexp.MustCompile("`([a-z][\\w.-]*/[\\w./*-]+\\.(?:go|py|sh))`")
	linked      = regexp.MustCompile(`(?m)(?:^|[^!])\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)`) // images are not links
)

// TestDependenciesDoc holds docs/DEPENDENCIES.md against what the code imports: by the program, or by tests only.
func TestDependenciesDoc(t *testing.T) {
	program, tests := importedModules(t)
	inProgram, inTests, found := strings.Cut(read(t, "docs/DEPENDENCIES.md"), "\n## In tests only\n")
	if !found {
		t.Fatal("docs/DEPENDENCIES.md has no section for tests")
	}
	for module := range program {
		delete(tests, module)
	}
	compare(t, "the program", program, inProgram)
	compare(t, "tests only", tests, inTests)
}

func compare(t *testing.T, who string, imported map[string]bool, text string) {
	t.Helper()
	rows := map[string]bool{}
	for _, row := range described.FindAllStringSubmatch(text, -1) {
		rows[row[1]] = true
		if !imported[row[1]] {
			t.Errorf("docs/DEPENDENCIES.md says that %s imports %s", who, row[1])
		}
	}
	for module := range imported {
		if !rows[module] {
			t.Errorf("docs/DEPENDENCIES.md does not say why %s imports %s", who, module)
		}
	}
}

// importedModules are the modules of go.mod that our packages import. What lies in testserver is for tests, too;
// tools is a module of its own.
func importedModules(t *testing.T) (program, tests map[string]bool) {
	t.Helper()
	var modules []string
	for _, line := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		modules = append(modules, line[1])
	}
	program, tests = map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || path == "tools") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		into := program
		folder, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		if strings.HasSuffix(path, "_test.go") || folder == "testserver" {
			into = tests
		}
		for _, spec := range file.Imports {
			if module := moduleOf(strings.Trim(spec.Path.Value, `"`), modules); module != "" {
				into[module] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) == 0 || len(program) == 0 {
		t.Fatal("no modules in go.mod, or no imports of them")
	}
	return program, tests
}

// TestProgramsDoc looks for the programs that tools/go.mod pins in docs/DEPENDENCIES.md.
func TestProgramsDoc(t *testing.T) {
	_, programs, found := strings.Cut(read(t, "docs/DEPENDENCIES.md"), "\n## Programs\n")
	pinned := tool.FindAllStringSubmatch(read(t, "tools/go.mod"), -1)
	if !found || len(pinned) == 0 {
		t.Fatal("no section for programs, or no tools in tools/go.mod")
	}
	for _, name := range pinned {
		if !strings.Contains(programs, name[1]) {
			t.Errorf("docs/DEPENDENCIES.md does not say why tools/go.mod pins %s", name[1])
		}
	}
}

// TestMap holds the map of CONTRIBUTING.md against the folders: those at the top, and all with Go in them. The
// files that it names must be there.
func TestMap(t *testing.T) {
	named := map[string]bool{}
	for _, row := range mapped.FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		top, _, _ := strings.Cut(row[1], "/")
		named[row[1]], named[top] = true, true
		if _, err := os.Stat(row[1]); err != nil {
			t.Errorf("CONTRIBUTING.md has %s in its map: %v", row[1], err)
		}
	}
	for _, file := range filed.FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		if found, err := filepath.Glob(file[1]); err != nil || len(found) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which is not there", file[1])
		}
	}
	ignored := read(t, ".gitignore")
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == "." {
			return err
		}
		path = filepath.ToSlash(path)
		if path == ".git" || entry.Name() == "testdata" || strings.Contains(ignored, "/"+path+"/\n") {
			return fs.SkipDir
		}
		code, err := filepath.Glob(filepath.Join(path, "*.go"))
		if !named[path] && (len(code) > 0 || !strings.Contains(path, "/")) {
			t.Errorf("CONTRIBUTING.md does not have %s/ in its map", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// moduleOf finds the module of a package: the longest path that is a prefix; "" for the standard library and our own.
func moduleOf(imported string, modules []string) string {
	longest := ""
	for _, module := range modules {
		if (imported == module || strings.HasPrefix(imported, module+"/")) && len(module) > len(longest) {
			longest = module
		}
	}
	return longest
}

// TestLinks follows the links between our documents.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, "README.md", "CONTRIBUTING.md") {
		for _, link := range linked.FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPythonPackagesHaveHashes: what is installed of Python is known by its bytes.
func TestPythonPackagesHaveHashes(t *testing.T) {
	script, err := os.ReadFile("tools/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(script), "pip install") != 1 ||
		!strings.Contains(string(script), "--require-hashes --requirement") {
		t.Error("tools/install.sh installs something without asking for hashes")
	}
	for _, name := range regexp.MustCompile(`(?m)pip_into "[^"]*" ([a-z]+)`).FindAllStringSubmatch(string(script), -1) {
		text, err := os.ReadFile("tools/" + name[1] + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		packages := regexp.MustCompile(`(?m)^[A-Za-z].*`).FindAllString(string(text), -1)
		hashed := regexp.MustCompile(`(?m)^[A-Za-z0-9_.-]+==\S+.* \\\n +--hash=sha256:`).FindAllString(string(text), -1)
		if len(packages) == 0 || len(packages) != len(hashed) {
			t.Errorf("tools/%s.txt: %d packages, %d with hashes", name[1], len(packages), len(hashed))
		}
	}
}

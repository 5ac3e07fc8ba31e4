package lake_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake/laketest"
)

// imports are the packages of the lake, from the ground up, with those that each may import.
var imports = map[string]string{
	"objects":     "",
	"schema":      "",
	"columnar":    "",
	"releasefile": "ops",
	"ops":         "",
	"database":    "objects",
	"identity":    "objects database",
	"lake":        "objects schema columnar ops database identity",
	"packed":      "objects columnar lake",
	"compaction":  "lake",
	"ledger":      "objects lake",
	"forgotten":   "objects lake ops ledger identity",
	"sessions":    "objects lake packed ledger",
	"hours":       "objects lake ledger forgotten",
	"commit":      "objects lake ledger compaction forgotten hours",
	"lost":        "objects lake ledger sessions",
	"releases":    "lake ops ledger",
	"versionkeys": "objects lake",
	"gold":        "objects lake ledger sessions versionkeys",
	"events":      "lake packed ledger forgotten sessions",
	"daycounts":   "objects lake",
	"daily":       "objects lake packed ledger sessions daycounts",
	"published":   "lake ops ledger",
	"status":      "objects lake ledger forgotten sessions gold daily",
	"checks":      "objects lake ledger releases gold",
	"lists":       "objects database",
	"cost":        "objects lake ops ledger",
	"why":         "lake ledger sessions gold",
	"report":      "lake releases gold",
	"maintain":    "objects lake ledger compaction events daily",
	"forget":      "objects lake ledger forgotten hours versionkeys gold events daily",
	// The second implementation: it shares nothing with what it checks but rows and their readers, the ledger's rows,
	// and whose a row is.
	"plain":    "lake",
	"verify":   "objects lake ledger forgotten plain",
	"repair":   "objects lake ledger verify",
	"relocate": "objects database identity",
	"recover":  "objects database identity lake forgotten",
	// What opening a lake does not do by itself.
	"upgrade": "schema lake ledger gold",

	// What tests share.
	"laketest":            "lake ledger hours commit gold",
	"laketest/faults":     "objects",
	"laketest/upkeep":     "lake events daily published maintain laketest",
	"laketest/forgetting": "lake forgotten forget laketest",
	"laketest/checks":     "lake gold verify laketest laketest/upkeep",
	"plantest":            "",
}

// TestImportsPointOneWay: an arrow against the order would make a circle of what are rooms of their own.
func TestImportsPointOneWay(t *testing.T) {
	root := laketest.InCheckout(t, "lake")
	checked := 0
	check := func(name, folder string) {
		allowed, known := imports[name]
		if !known {
			t.Errorf("lake/%s has no place in the order of packages", name)
			return
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			for _, spec := range parsed.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				path, ours := strings.CutPrefix(path, "github.com/versionlake/versionlake/lake")
				if other := strings.TrimPrefix(path, "/"); ours {
					if other == "" {
						other = "lake"
					}
					if !slices.Contains(strings.Fields(allowed), other) {
						t.Errorf("%s imports %s; %s may import %s", file, other, name, allowed)
					}
				}
			}
		}
	}
	check("lake", root)
	if err := filepath.WalkDir(root, func(folder string, entry os.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir() || folder == root:
			return err
		case entry.Name() == "testdata":
			return filepath.SkipDir
		}
		name, err := filepath.Rel(root, folder)
		check(filepath.ToSlash(name), folder)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if checked < 50 {
		t.Errorf("%d files were looked at", checked)
	}
}

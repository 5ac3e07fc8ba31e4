// Command house holds what no linter does: how large a package is, how many of our packages it imports, and how many of
// its files hang together in one circle, by using each other's declarations. Tests do not count.
//
//	go -C tools run ./house ..
package main

import (
	"fmt"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const (
	maxLines   = 2500
	maxImports = 7
	maxCircle  = 9
)

// moreImports are the packages that put the others together, with how many of ours each may import; "cmd/" is all below
// it.
var moreImports = map[string]int{
	"cmd/":        100,
	"worker":      100,
	"activities":  100,
	"lake/forget": 10, // It reaches into every layer, since every layer holds the user.
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: house CHECKOUT")
		os.Exit(2)
	}
	found, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
	for _, f := range found {
		fmt.Println(f.folder, f.advice)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

// A fault is one figure of a package that is over its limit.
type fault struct {
	folder, what string
	advice       string
}

// check loads all packages of the module in a checkout, and returns what is over a limit.
func check(checkout string) ([]fault, error) {
	loaded, err := packages.Load(&packages.Config{
		Dir: checkout,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedModule,
	}, "./...")
	if err != nil {
		return nil, err
	}
	var found []fault
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("load %s: %w", p.PkgPath, p.Errors[0])
		}
		found = append(found, judge(p)...)
	}
	return found, nil
}

func judge(p *packages.Package) (found []fault) {
	folder := strings.TrimPrefix(p.PkgPath, p.Module.Path+"/")
	lines := 0
	for _, file := range p.Syntax {
		lines += p.Fset.File(file.Pos()).LineCount()
	}
	if lines > maxLines {
		found = append(found, fault{folder, "lines", fmt.Sprintf(
			"has %d lines, more than %d: divide it, or delete", lines, maxLines)})
	}
	var ours []string
	for path := range p.Imports {
		if name, isOurs := strings.CutPrefix(path, p.Module.Path+"/"); isOurs {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	if allowed := importsAllowed(folder); len(ours) > allowed {
		found = append(found, fault{folder, "imports", fmt.Sprintf(
			"imports %d of our packages, more than %d (%s): move what it needs of one of them, or give that to it",
			len(ours), allowed, strings.Join(ours, ", "))})
	}
	if circle := largestCircle(uses(p)); len(circle) > maxCircle {
		found = append(found, fault{folder, "circle", fmt.Sprintf(
			"has a circle of %d files, more than %d (%s): move what several use into a file that uses none of them",
			len(circle), maxCircle, strings.Join(circle, ", "))})
	}
	return found
}

func importsAllowed(folder string) int {
	for prefix, allowed := range moreImports {
		if folder == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(folder, prefix) {
			return allowed
		}
	}
	return maxImports
}

// uses says of each file of a package which other files of it declare what it uses.
func uses(p *packages.Package) map[string]map[string]bool {
	name := func(pos token.Pos) string { return filepath.Base(p.Fset.Position(pos).Filename) }
	all := map[string]map[string]bool{}
	for _, file := range p.Syntax {
		all[name(file.Pos())] = map[string]bool{}
	}
	for identifier, object := range p.TypesInfo.Uses {
		if object.Pkg() != p.Types || !object.Pos().IsValid() {
			continue
		}
		if from, to := name(identifier.Pos()), name(object.Pos()); from != to {
			all[from][to] = true
		}
	}
	return all
}

// largestCircle is the largest set of files each of which reaches each other one.
func largestCircle(uses map[string]map[string]bool) (largest []string) {
	reached := map[string]map[string]bool{}
	for file := range uses {
		reached[file] = map[string]bool{}
		reach(uses, file, reached[file])
	}
	for file := range uses {
		var circle []string
		for other := range reached[file] {
			if reached[other][file] {
				circle = append(circle, other)
			}
		}
		if slices.Sort(circle); len(circle) > len(largest) {
			largest = circle
		}
	}
	return largest
}

func reach(uses map[string]map[string]bool, from string, reached map[string]bool) {
	for to := range uses[from] {
		if !reached[to] {
			reached[to] = true
			reach(uses, to, reached)
		}
	}
}

package schema

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

// Comments are what columns say of themselves, by struct and field: "EventRow.Category".
type Comments map[string]string

// CommentsIn reads the comments above the fields of structs in Go sources. A struct tag could hold them as well, but
// only on one line.
func CommentsIn(packages ...fs.ReadDirFS) Comments {
	comments := Comments{}
	for _, sources := range packages {
		comments.read(sources)
	}
	return comments
}

func (comments Comments) read(sources fs.ReadDirFS) {
	files, err := sources.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("list the sources of the tables: %v", err)) // they were built in
	}
	for _, file := range files {
		text, err := fs.ReadFile(sources, file.Name())
		if err != nil {
			panic(fmt.Sprintf("read %s, which was built in: %v", file.Name(), err))
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), text,
			parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(fmt.Sprintf("read the comments in %s, which was built: %v", file.Name(), err))
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if spec, ok := node.(*ast.TypeSpec); ok {
				comments.add(spec)
			}
			return true
		})
	}
}

func (c Comments) add(spec *ast.TypeSpec) {
	row, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range row.Fields.List {
		for _, name := range field.Names {
			c[spec.Name.Name+"."+name.Name] = strings.ReplaceAll(strings.TrimSpace(field.Doc.Text()), "\n", " ")
		}
	}
}

package lake_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
)

var updateDocs = flag.Bool("update", false, "write what docs/TABLES.md says of the tables anew")

const (
	tablesDoc      = "../docs/TABLES.md"
	generatedBegin = "<!-- from lake/tables_*.go, by: go test ./lake -run TestTablesDoc -update -->\n"
	generatedEnd   = "<!-- end -->\n"
)

// TestTablesDoc holds docs/TABLES.md against the definitions of the tables.
func TestTablesDoc(t *testing.T) {
	text, err := os.ReadFile(tablesDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), generatedBegin)
	old, after, ended := strings.Cut(rest, generatedEnd)
	if !ok || !ended {
		t.Fatalf("%s lacks the marks %q and %q", tablesDoc, generatedBegin, generatedEnd)
	}
	want := describeTables()
	if old == want {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s does not say what lake/tables_*.go do: run go test ./lake -run TestTablesDoc -update", tablesDoc)
	}
	if err := os.WriteFile(tablesDoc, []byte(before+generatedBegin+want+generatedEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func describeTables() string {
	var out strings.Builder
	for _, definition := range lake.TableDefinitions {
		partition := "`" + strings.Join(definition.Partition, "`, `") + "`"
		if definition.BucketBy != "" {
			partition = "`bucket(N, " + definition.BucketBy + ")`"
		}
		if definition.MonthOf != "" {
			partition = "`month(" + definition.MonthOf + ")`"
		}
		fmt.Fprintf(&out, "\n### %s\n\n%s\n\nPartitioned by %s.\n\n| column | type | |\n|---|---|---|\n",
			definition.Name, definition.Comment, partition)
		describeFields(&out, "", definition.Schema().Fields())
	}
	out.WriteString("\n")
	return out.String()
}

func describeFields(out *strings.Builder, parent string, fields []iceberg.NestedField) {
	for _, field := range fields {
		name, kind := parent+field.Name, field.Type.String()
		list, isList := field.Type.(*iceberg.ListType)
		if isList {
			kind = "list of struct"
		}
		if !field.Required {
			kind += ", nullable"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, kind, strings.ReplaceAll(field.Doc, "|", `\|`))
		if isList {
			describeFields(out, name+".", list.Element.(*iceberg.StructType).FieldList)
		}
	}
}

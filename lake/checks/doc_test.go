package checks_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/checks"
)

var updateDocs = flag.Bool("update", false, "write the table of docs/CHECKS.md anew")

// TestChecksDoc holds docs/CHECKS.md against the checks.
func TestChecksDoc(t *testing.T) {
	const (
		doc   = "../../docs/CHECKS.md"
		begin = "<!-- from lake/checks, by: go test ./lake/checks -run TestChecksDoc -update -->\n"
		end   = "<!-- end -->\n"
	)
	var want strings.Builder
	want.WriteString("| check | finds | figure | warns from | fails from | of hours with at least |\n|---|---|---|---|---|---|\n")
	figure := func(limit *float64) string {
		if limit == nil {
			return ""
		}
		return strconv.FormatFloat(*limit, 'g', -1, 64)
	}
	for _, d := range checks.BuiltIn {
		least := figure(d.Least)
		if least != "" {
			least += " lines"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, d.What, d.Unit, figure(d.Warn), figure(d.Fail),
			least)
	}
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ended := strings.Cut(rest, end)
	require.True(t, ok && ended)
	if old == want.String() {
		return
	}
	require.True(t, *updateDocs, "%s does not say what checks do: go test ./lake/checks -run TestChecksDoc -update", doc)
	require.NoError(t, os.WriteFile(doc, []byte(before+begin+want.String()+end+after), 0o644))
}

package trino_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

var updateDocs = flag.Bool("update", false, "write what docs/METRICS.md says of the views anew")

const (
	metricsDoc     = "../docs/METRICS.md"
	generatedBegin = "<!-- from trino/views, by: go test ./trino -run TestMetricsDoc -update -->\n"
	generatedEnd   = "<!-- end -->\n"
)

// TestMetricsDoc holds docs/METRICS.md against the views, and sees that every column is described.
func TestMetricsDoc(t *testing.T) {
	views, err := trino.Views()
	require.NoError(t, err)
	var want strings.Builder
	for _, view := range views {
		fmt.Fprintf(&want, "\n### %s\n\n%s\n\n| column | |\n|---|---|\n", view.Name, view.Comment)
		for _, column := range view.Columns {
			fmt.Fprintf(&want, "| `%s` | %s |\n", column.Name, strings.ReplaceAll(column.Comment, "|", `\|`))
		}
	}
	want.WriteString("\n")
	text, err := os.ReadFile(metricsDoc)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), generatedBegin)
	old, after, ended := strings.Cut(rest, generatedEnd)
	require.True(t, ok && ended, "%s lacks the marks %q and %q", metricsDoc, generatedBegin, generatedEnd)
	if old == want.String() {
		return
	}
	require.True(t, *updateDocs, "%s does not say what the views do: run go test ./trino -run TestMetricsDoc -update",
		metricsDoc)
	require.NoError(t, os.WriteFile(metricsDoc, []byte(before+generatedBegin+want.String()+generatedEnd+after), 0o644))
}

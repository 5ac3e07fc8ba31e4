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

// TestQuestionsDoc: what the table of questions in docs/METRICS.md names are views and their columns, one view at least
// for each question.
func TestQuestionsDoc(t *testing.T) {
	views, err := trino.Views()
	require.NoError(t, err)
	known := map[string]bool{} // true: a view
	for _, view := range views {
		for _, column := range view.Columns {
			known[column.Name] = false
		}
	}
	for _, view := range views { // which may be called as a column
		known[view.Name] = true
	}
	text, err := os.ReadFile(metricsDoc)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n| question | ask |\n|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	rows := strings.Split(table, "\n")
	require.Greater(t, len(rows), 12)
	for _, row := range rows {
		of := 0
		for i, name := range strings.Split(row, "`") {
			if i%2 == 0 {
				continue
			}
			isView, there := known[name]
			require.True(t, there, "there is no view and no column %s", name)
			if isView {
				of++
			}
		}
		require.Positive(t, of, row)
	}
}

package superset_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var questionRow = regexp.MustCompile("(?m)^\\| [^|]+ \\| ([^|]+) \\| ([^|]+) \\| `(\\w+)` \\| [^|]*\\|$")

// TestQuestions follows the table of docs/DASHBOARDS.md: the charts that it names are there, and show the views
// that it names.
func TestQuestions(t *testing.T) {
	text, err := os.ReadFile("../../docs/DASHBOARDS.md")
	require.NoError(t, err)
	rows := questionRow.FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 12)
	for _, row := range rows {
		boards := dashboards()
		b := slices.IndexFunc(boards, func(b board) bool { return b.title == row[1] })
		require.GreaterOrEqual(t, b, 0, row[1])
		charts := boards[b].charts()
		c := slices.IndexFunc(charts, func(c chart) bool { return c.name == row[2] })
		require.GreaterOrEqual(t, c, 0, "%s has no chart %s", row[1], row[2])
		shown := defined(charts[c].dataset)
		require.True(t, shown.view == row[3] || regexp.MustCompile(`(FROM|JOIN) `+row[3]+`\b`).MatchString(shown.query),
			"%s does not show %s", row[2], row[3])
	}
}

// TestSums: what is summed adds up, by the comment of its column, or because the rows of its view share nothing.
func TestSums(t *testing.T) {
	// Lines and events lie in one row each of these views.
	apart := []string{"ingest_hours", "rejects_by_reason", "completeness", "device_days.events"}
	summed := regexp.MustCompile(`sum\((\w+)`)
	for _, d := range datasets(t) {
		for _, m := range d.metrics {
			for _, of := range summed.FindAllStringSubmatch(m.expression, -1) {
				if !slices.Contains(apart, d.name) && !slices.Contains(apart, d.name+"."+of[1]) {
					require.Regexp(t, `\b[Aa]dds up`, d.comment(of[1]), "%s sums %s", d.name, of[1])
				}
			}
		}
	}
}

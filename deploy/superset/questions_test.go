package superset_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

var questionRow = regexp.MustCompile(
	"(?m)^\\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\| `(\\w+)` \\| (?:`versionlake ([^`]+)` )?\\|$")

// firstAsked are the questions that people began with.
var firstAsked = []string{
	"What is current list of active versions?", "Can we shutdown the old versions?", "What is the impact?",
	"What is distribution of users among different versions and devices?",
	"Did users get notification about the Version Upgrade?", "What is the status of Notification?",
	"What is use of new features?", "Any A/B active tests among versions?",
	"What is the source of product installation?", "Number of issues per version?",
	"Correlation with engagement, retention and churn per version?",
	"What is the list of features/bugs the product team should focus on new version?",
	"What is the cadence of releases? Should be more often or less often?",
	"Correlation of version number and session length or any other player behavior metrics.",
}

// TestQuestions follows the table of docs/DASHBOARDS.md: it has all that people began with, the charts that it names
// are there and show the views that it names, and so are the views and the commands.
func TestQuestions(t *testing.T) {
	text, err := os.ReadFile("../../docs/DASHBOARDS.md")
	require.NoError(t, err)
	rows := questionRow.FindAllStringSubmatch(string(text), -1)
	commands, err := os.ReadFile("../../docs/CLI.md")
	require.NoError(t, err)
	views, err := trino.Views()
	require.NoError(t, err)
	var questions []string
	for _, row := range rows {
		question, title, name, view, command := row[1], row[2], row[3], row[4], row[5]
		questions = append(questions, question)
		boards := dashboards()
		b := slices.IndexFunc(boards, func(b board) bool { return b.title == title })
		require.GreaterOrEqual(t, b, 0, title)
		charts := boards[b].charts()
		c := slices.IndexFunc(charts, func(c chart) bool { return c.name == name })
		require.GreaterOrEqual(t, c, 0, "%s has no chart %s", title, name)
		shown := defined(charts[c].dataset)
		require.True(t, shown.view == view || regexp.MustCompile(`(FROM|JOIN) `+view+`\b`).MatchString(shown.query),
			"%s does not show %s", name, view)
		require.True(t, slices.ContainsFunc(views, func(v trino.View) bool { return v.Name == view }), view)
		words := strings.Fields(command)
		for i, word := range words {
			if i == 0 {
				require.Contains(t, string(commands), "\n## "+word+"\n")
			} else {
				require.Contains(t, string(commands), word+" ")
			}
		}
	}
	require.Subset(t, questions, firstAsked)
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

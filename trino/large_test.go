package trino_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/trino"
)

// largeLimit is what a view may take while other tests keep the machine busy; docs/SQL.md has what it takes else.
const largeLimit = 2 * time.Minute

// large is 45 days of 1.43 million lines and 3,000 users.
func large() generate.Options {
	o := generate.Defaults()
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = 45*24, 3000, 1507, 1
	return o
}

// TestLargeLake asks every view for all of its rows and columns, of a Trino with the least memory that `versionlake
// trino up` gives it, and compares what the generator knows.
func TestLargeLake(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	start := time.Now()
	w.generateAtOnce(t, large())
	t.Logf("ingested in %s", time.Since(start).Round(time.Second))
	views := w.createViews(t)
	truth := newTruth(large())
	w.tell(t, truth)
	for _, view := range views {
		t.Run(view.Name, func(t *testing.T) {
			n := slices.IndexFunc(questions, func(q question) bool { return q.view == view.Name })
			start := time.Now()
			if n < 0 || view.Name == "events" { // half a million rows, which the other views count
				w.rows(t, "SELECT "+sums(view)+" FROM "+view.Name)
				require.Less(t, time.Since(start), largeLimit)
				return
			}
			got := w.ask(t, questions[n])
			require.Less(t, time.Since(start), largeLimit)
			want := questions[n].answer(truth)
			slices.Sort(want)
			require.Equal(t, want, got)
		})
	}
}

// sums is what Trino can't tell of a view without all of its rows and columns.
func sums(view trino.View) string {
	var sums []string
	for _, column := range view.Columns {
		sums = append(sums, "checksum("+trino.QuoteName(column.Name)+")")
	}
	return strings.Join(sums, ", ")
}

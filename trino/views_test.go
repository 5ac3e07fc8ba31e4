package trino_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/trino"
)

// TestViews makes every view, twice, reads it, and looks at what a tool sees of it.
func TestViews(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	options := generate.Demo()
	options.Hours = 2
	w.generate(t, options)
	views, err := trino.Views()
	require.NoError(t, err)
	for range 2 {
		var made []string
		require.NoError(t, trino.CreateViews(t.Context(),
			w.trino, func(view trino.View) { made = append(made, view.Name) }))
		require.Len(t, made, len(views))
	}
	for _, view := range views {
		described := w.rows(t, "SHOW COLUMNS FROM "+view.Name)
		require.Len(t, described, len(view.Columns), view.Name)
		for i, column := range described { // name, type, extra, comment
			require.Equal(t, view.Columns[i].Name, column[0], view.Name)
			require.Equal(t, view.Columns[i].Comment, column[3], view.Name)
			for _, nested := range []string{"row(", "array(", "map("} {
				require.NotContains(t, column[1], nested, "%s.%s: tools of business users show flat columns only",
					view.Name, column[0])
			}
			if strings.HasPrefix(column[1], "timestamp") {
				require.Equal(t, "timestamp(6) with time zone", column[1], "%s.%s", view.Name, column[0])
			}
		}
		w.rows(t, "SELECT * FROM "+view.Name)
	}
	comments := map[string]string{}
	for _, row := range w.rows(t, "SELECT table_name, comment FROM system.metadata.table_comments WHERE "+
		"catalog_name = current_catalog AND schema_name = 'views'") {
		comments[row[0]] = row[1]
	}
	for _, view := range views {
		require.Equal(t, view.Comment, comments[view.Name])
	}
}

package trino_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/history"
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
		require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(view trino.View) { made = append(made, view.Name) }))
		require.Len(t, made, len(views))
	}
	for _, view := range views {
		described := w.rows(t, "SHOW COLUMNS FROM "+view.Name)
		require.Len(t, described, len(view.Columns), view.Name)
		for i, column := range described { // name, type, extra, comment
			require.Equal(t, view.Columns[i].Name, column[0], view.Name)
			require.Equal(t, view.Columns[i].Comment, column[3], view.Name)
			for _, nested := range []string{"row(", "array(", "map("} {
				require.NotContains(t, column[1], nested, "%s.%s: tools of business users show flat columns only", view.Name, column[0])
			}
			if strings.HasPrefix(column[1], "timestamp") {
				require.Equal(t, "timestamp(6) with time zone", column[1], "%s.%s", view.Name, column[0])
			}
		}
		w.rows(t, "SELECT * FROM "+view.Name)
	}
	comments := map[string]string{}
	for _, row := range w.rows(t, "SELECT table_name, comment FROM system.metadata.table_comments WHERE catalog_name = current_catalog AND schema_name = 'views'") {
		comments[row[0]] = row[1]
	}
	for _, view := range views {
		require.Equal(t, view.Comment, comments[view.Name])
	}
}

// TestSortKey holds the sort key that SQL makes against that of package history, byte for byte.
func TestSortKey(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	views, err := trino.Views()
	require.NoError(t, err)
	query := views[slices.IndexFunc(views, func(v trino.View) bool { return v.Name == "versions" })].Query
	require.Equal(t, 1, strings.Count(query, "FROM version_intervals"))
	query = strings.Replace(query, "FROM version_intervals", `FROM (
	SELECT 'App' AS service, version, 'p1' AS user_id, 'user' AS user_kind, TIMESTAMP '2022-05-27 00:00:00 UTC' AS valid_from, TIMESTAMP '2022-05-27 00:00:00 UTC' AS last_seen_at
	FROM UNNEST(CAST(json_parse(?) AS array(varchar))) AS t (version))`, 1)

	versions := map[string]bool{"": true, "v": true, "1.22.03": true, "1.22.3": true, "1.8.0_292": true, "1.0-": true, "1.0-+": true, "1+": true}
	for _, versionLike := range []*rapid.Generator[string]{
		rapid.StringMatching(`[vV]?[01]{0,2}(\.(0|[1-9][0-9]?|00|007)){0,4}([-.]?(alpha|beta|rc|[a-cA-C-])?(\.?[0-9]{1,3}){0,2}){0,2}([+_ ][0-9a-c.+-]{0,5})?`),
		rapid.StringMatching(`[0-9]{1,60}(\.[0-9]{1,30})?`),
		rapid.StringOfN(rapid.SampledFrom([]rune("0019.-+_vVaZé Ж漢🎮́\\$\"'#,:/!~|\t\n\u0085\u00a0\u2028\u200b\ufffd\x01\x7f")), 0, 12, -1),
	} {
		for seed := range 1500 {
			versions[versionLike.Example(seed)] = true
		}
	}
	var list []string
	for version := range versions {
		require.True(t, utf8.ValidString(version))
		list = append(list, version)
	}
	text, err := json.Marshal(list)
	require.NoError(t, err)
	ranked := w.rows(t, "SELECT version, sort_key FROM ("+query+") ORDER BY version_rank", string(text))
	require.Len(t, ranked, len(versions))
	for i, row := range ranked {
		require.Equal(t, history.SortKey(row[0]), row[1], "%q", row[0])
		require.False(t, strings.ContainsFunc(row[1], func(r rune) bool { return !unicode.IsGraphic(r) }))
		if i > 0 {
			require.Negative(t, history.CompareVersions(ranked[i-1][0], row[0]), "%q before %q", ranked[i-1][0], row[0])
		}
	}
}

package trino_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// TestVersionsInSQL asks the views about versions that are spelled in two ways, have a class of their own, or no order.
func TestVersionsInSQL(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	hour, err := telemetry.ParseHour("2022-05-27T05")
	require.NoError(t, err)
	var lines []string
	sight := func(minute, user, version string) {
		lines = append(lines, "c\t2022-05-27T05:"+minute+":00Z\tApp\ts-"+
			user+"\t1\t{'Name': 'SoftwareVersion', 'Version': '"+version+"', 'UserId': '"+user+"'}")
	}
	for user, versions := range map[string][]string{
		"p1": {"1.9", "1.10", "v1.10", "1.9"}, // up, a spelling, down
		"p2": {"1.9", "3f2a1bc", "unknown"},   // not comparable, twice
		"p3": {"build 9", "build 10", "1.10"}, // up, not comparable
		"p4": {"App 1.9", "1.10", "2.0-rc1"},  // up, up
		"p5": {"2.0-rc1", "2.0", "build 9"},   // up, not comparable
	} {
		for i, version := range versions {
			sight([]string{"10", "20", "30", "40"}[i], user, version)
		}
	}
	file := filepath.Join(w.folder, "2022/05/27/05/a.tsv")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	require.NoError(t, w.ingest(t.Context(), hour))
	require.NoError(t, w.daily(t.Context()))
	require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(trino.View) {}))

	require.Equal(t, [][]string{
		{"1.9", "1", "#"}, {"App 1.9", "1", "#"}, {"1.10", "2", "#"}, {"v1.10", "2", "#"}, {"2.0-rc1", "3", "#"},
		{"2.0", "4", "#"},
		{"build 9", "5", "build"}, {"build 10", "6", "build"}, {"3f2a1bc", null, null}, {"unknown", null, null},
	}, w.rows(t, "SELECT version, version_rank, version_class FROM versions ORDER BY sort_key"))
	require.Equal(t, [][]string{{"p1", "1.9"}},
		w.rows(t, "SELECT user_id, version FROM version_intervals WHERE is_downgrade"))
	require.Equal(t, [][]string{{"p2", "3f2a1bc"}, {"p2", "unknown"}, {"p3", "1.10"}, {"p5", "build 9"}},
		w.rows(t,
			"SELECT user_id, version FROM version_intervals WHERE is_downgrade IS NULL ORDER BY user_id, valid_from"))
	require.Equal(t, [][]string{
		{"1.9", "2", "0", "1", "0", "1", "0", "1", "1"}, {"App 1.9", "1", "0", "0", "0", "1", "0", "0", "0"},
		{"1.10", "0", "2", "0", "1", "1", "0", "1", "1"}, {"v1.10", "0", "0", "0", "1", "0", "1", "0", "0"},
		{"2.0-rc1", "1", "1", "0", "0", "1", "0", "0", "1"}, {"2.0", "0", "1", "0", "0", "0", "0", "1", "0"},
		{"build 9", "1", "0", "0", "1", "1", "0", "0", "1"}, {"build 10", "0", "1", "0", "0", "0", "0", "1", "0"},
		{"3f2a1bc", "0", "0", "0", "1", "0", "0", "1", "0"}, {"unknown", "0", "0", "0", "1", "0", "0", "0", "1"},
	}, w.rows(t,
		`SELECT t.version, new_installations, upgrades_in, downgrades_in, other_moves_in,
			upgrades_out, downgrades_out, other_moves_out, installed
		FROM version_trend AS t JOIN versions AS v ON v.version = t.version ORDER BY v.sort_key`))
	// Now: p1 runs 1.9, p2 unknown, p3 1.10, p4 2.0-rc1, p5 build 9.
	require.Equal(t, [][]string{
		{"1.9", "1", "1", "0.2", "1"}, {"App 1.9", "0", "1", "0.2", "1"}, {"1.10", "1", "2", "0.4", "2"},
		{"v1.10", "0", "2", "0.4", "2"},
		{"2.0-rc1", "1", "3", "0.6", "3"}, {"2.0", "0", "3", "0.6", "3"}, {"build 9", "1", "1", "0.2", "1"},
		{"build 10", "0", "1", "0.2", "1"},
		{"3f2a1bc", "0", "0", "0", "0"}, {"unknown", "1", "1", "0.2", "1"},
	}, w.rows(t, `SELECT s.version, users, users_at_or_below, share_at_or_below, users_without_newer
		FROM shutdown_impact AS s JOIN versions AS v ON v.version = s.version WHERE all_devices ORDER BY v.sort_key`))
	require.Equal(t, [][]string{{"1.10", "p1", "1.9"}, {"1.10", "p3", "1.10"}, {"build 10", "p5", "build 9"},
		{"unknown", "p2", "unknown"}},
		w.rows(t, `SELECT version, user_id, running_version FROM shutdown_users
			WHERE version IN ('1.10', 'build 10', 'unknown', '3f2a1bc') ORDER BY 1, 2`))
	// Those without an order, and what came at the same time, are no releases; p5 and p4 had seen the newest already.
	require.Equal(t, [][]string{{"2.0-rc1"}, {"2.0"}, {"build 9"}, {"build 10"}},
		w.rows(t, "SELECT version FROM release_cadence ORDER BY version_rank"))
	for _, view := range []string{"feature_use", "issues_by_version", "release_focus", "version_correlations",
		"active_versions", "version_retention"} {
		w.rows(t, "SELECT * FROM "+view)
	}
}

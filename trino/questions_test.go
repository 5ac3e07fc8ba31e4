package trino_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// question is a view and its answer from the truth, in the order of its columns.
type question struct {
	view   string
	answer func(*truth) answer
	query  string    // when it is not all of the view, as it is
	mutant [2]string // a text of the view, and one that makes it wrong
}

var questions = []question{
	{view: "events", answer: (*truth).events,
		mutant: [2]string{"device, version,", "version AS device, device AS version,"}},
	{view: "active_installations", answer: (*truth).activeInstallations, mutant: [2]string{"'30' DAY", "'60' DAY"}},
	{view: "active_versions", answer: (*truth).activeVersions, mutant: [2]string{"'7' DAY", "'6' DAY"}},
	{view: "shutdown_impact", answer: (*truth).shutdownImpact,
		mutant: [2]string{"min(place) AS oldest", "max(place) AS oldest"}},
	{view: "shutdown_users", answer: (*truth).shutdownUsers,
		mutant: [2]string{"a.place <= v.place", "a.place < v.place"}},
	{view: "version_device_distribution", answer: (*truth).versionDeviceDistribution,
		mutant: [2]string{"PARTITION BY c.service, c.device", "PARTITION BY c.device"}},
	{view: "notification_status", answer: (*truth).notificationStatus,
		mutant: [2]string{"AND i.valid_from >= t.told_at", ""}},
	{view: "feature_use", answer: (*truth).featureUse, mutant: [2]string{"a.version_rank > a.oldest_rank", "true"}},
	{view: "experiment_variants", answer: (*truth).experimentVariants,
		mutant: [2]string{"count(DISTINCT variant) > 1", "true"}},
	{view: "installation_sources", answer: (*truth).installationSources,
		mutant: [2]string{"event_name = 'Install' AND", ""}},
	{view: "version_activity", answer: (*truth).versionActivity,
		mutant: [2]string{"count(DISTINCT session)", "count(session)"}},
	{view: "issues_by_version", answer: (*truth).issuesByVersion,
		mutant: [2]string{"ORDER BY r.version_rank", "ORDER BY r.version"}},
	{view: "issue_codes_by_version", answer: (*truth).issueCodesByVersion,
		mutant: [2]string{"event_name = 'Issue' AND user_kind = 'user'", "event_name = 'Issue'"}},
	{view: "version_engagement", answer: (*truth).versionEngagement,
		mutant: [2]string{"/ user_days", "/ active_users"}},
	{view: "version_retention", answer: (*truth).versionRetention,
		mutant: [2]string{"l.version = a.version AND l.last_seen_at", "l.last_seen_at"}},
	{view: "retention", answer: (*truth).retention, mutant: [2]string{"least(date(h.at), ", "greatest(date(h.at), "}},
	{view: "release_focus", answer: (*truth).releaseFocus, mutant: [2]string{"lag(a.version)", "lead(a.version)"}},
	{view: "release_cadence", answer: (*truth).releaseCadence, mutant: [2]string{"WHERE is_release", ""}},
	{view: "version_behaviour", answer: (*truth).versionBehaviour, mutant: [2]string{"* 9 + 9) / 10", "* 8 + 9) / 10"}},
	{view: "version_trend", answer: (*truth).versionTrend, mutant: [2]string{"- d.upgrades_out -", "-"}},
	{view: "event_trend", answer: (*truth).eventTrend, mutant: [2]string{"sum(events)", "count(*)"}},
	{view: "completeness", answer: (*truth).completeness,
		mutant: [2]string{"p.late <= d.age_hours", "p.late < d.age_hours"}},
	{view: "releases", answer: (*truth).releases,
		mutant: [2]string{"f.since, least(10000, greatest(5,", "f.since, least(10000, greatest(1,"}},
	{view: "uptake", answer: (*truth).uptake,
		mutant: [2]string{"ON t.service = m.service AND t.version = m.version", "ON false"}},
	{view: "uptake_summary", answer: (*truth).uptakeSummary, mutant: [2]string{"max(day) - 7", "max(day) - 6"}},
	{view: "rollouts", answer: (*truth).rollouts,
		mutant: [2]string{"u.date_utc < date(s.ends_at)", "u.date_utc <= date(s.ends_at)"}},
	{view: "stuck_users", answer: (*truth).stuckUsers, mutant: [2]string{"'7' DAY", "'0' DAY"}},
	{view: "session_length", answer: (*truth).sessionLength, mutant: [2]string{"l.n * 90 + 99", "l.n * 80 + 99"}},
	{view: "session_length_histogram", answer: (*truth).sessionLengthHistogram,
		mutant: [2]string{"e.seconds >= b.low AND", ""}},
	{view: "crash_free", answer: (*truth).crashFree, mutant: [2]string{"AND lower(severity)", "OR lower(severity)"}},
	{view: "new_issues", answer: (*truth).newIssues,
		mutant: [2]string{"rank() OVER (PARTITION BY h.service, h.code,", "rank() OVER (PARTITION BY h.service,"}},
	{view: "cohorts", answer: (*truth).cohorts,
		mutant: [2]string{"BETWEEN m.since AND", "BETWEEN m.since + INTERVAL '1' DAY AND"}},
	{view: "sample_ratio", answer: (*truth).sampleRatio, mutant: [2]string{"sum(users * users)", "sum(users)"}},
	{view: "experiment_days", answer: (*truth).experimentDays, mutant: [2]string{"AND m.since <= e.on_date", ""}},
	{view: "crashes_by_device", answer: (*truth).crashesByDevice,
		mutant: [2]string{"AND lower(severity) IN ('fatal', 'critical', 'crash')", ""}},
	{view: "device_trend", answer: (*truth).deviceTrend,
		mutant: [2]string{"/ t.users", "/ sum(u.users) OVER (PARTITION BY e.on_date, e.service)"}},
	{view: "feature_users_by_day", answer: (*truth).featureUsersByDay,
		mutant: [2]string{"count(DISTINCT user_id) AS users, count(*) AS uses", "count(*) AS users, count(*) AS uses"}},
	{view: "sources_by_version", answer: (*truth).sourcesByVersion, mutant: [2]string{"min_by(", "max_by("}},
	{view: "notification_users", answer: (*truth).notificationUsers,
		mutant: [2]string{"'Dismissed' THEN 4 WHEN 'Failed' THEN 3", "'Dismissed' THEN 3 WHEN 'Failed' THEN 4"}},
	{view: "notification_funnel", answer: (*truth).notificationFunnel,
		mutant: [2]string{"s.shown, s.accepted", "s.sent, s.accepted"}},
	{view: "version_correlations", answer: (*truth).versionCorrelations,
		mutant: [2]string{"count_if(event_name = 'Issue')", "count(*)"},
		query: `SELECT service, sessions, round(rank_and_features, 9), round(rank_and_issues, 9), sessions_ended,
				round(rank_and_seconds, 9)
			FROM version_correlations`},
}

// sparse is seven weeks of which few hours have files: long enough for people to stay away for a month.
func sparse() generate.Options {
	o := generate.Defaults()
	o.Hours, o.EmptyHours, o.Users, o.LinesPerHour, o.FilesPerHour = 49*24, 0.975, 300, 500, 1
	o.NewUsers, o.Anonymous, o.Shared, o.Late, o.Ended = 0.6, 0.1, 0.05, 0.1, 0.15
	return o
}

// TestTwelveQuestions compares the numbers of the views with the generator's own knowledge of its world. With
// VERSIONLAKE_MUTANTS=1 it then makes each view wrong, one by one, and sees that the comparison finds it.
func TestTwelveQuestions(t *testing.T) {
	skipShort(t)
	options := sparse()
	w := newWorld(t)
	w.generateAtOnce(t, options)
	w.createViews(t)
	truth := newTruth(options)
	w.tell(t, truth)
	for _, q := range questions {
		t.Run(q.view, func(t *testing.T) {
			want := q.answer(truth)
			require.NotEmpty(t, want)
			slices.Sort(want)
			require.Equal(t, want, w.ask(t, q))
			if os.Getenv("VERSIONLAKE_MUTANTS") == "" {
				return
			}
			view := viewOf(t, q.view)
			require.Equal(t, 1, strings.Count(view.Query, q.mutant[0]), q.mutant[0])
			w.execute(t, "CREATE OR REPLACE VIEW "+q.view+" AS "+
				strings.Replace(view.Query, q.mutant[0], q.mutant[1], 1))
			require.NotEqual(t, want, w.ask(t, q), "with %q instead of %q", q.mutant[1], q.mutant[0])
			w.execute(t, "CREATE OR REPLACE VIEW "+q.view+" AS "+view.Query)
		})
	}
}

func viewOf(t *testing.T, name string) trino.View {
	t.Helper()
	views, err := trino.Views()
	require.NoError(t, err)
	n := slices.IndexFunc(views, func(view trino.View) bool { return view.Name == name })
	require.GreaterOrEqual(t, n, 0, name)
	return views[n]
}

// createViews makes the views without the comments, which take longer than the views.
func (w *world) createViews(t testing.TB) []trino.View {
	t.Helper()
	views, err := trino.Views()
	require.NoError(t, err)
	w.execute(t, "CREATE SCHEMA "+trino.Schema)
	for _, view := range views {
		w.execute(t, "CREATE VIEW "+view.Name+" AS "+view.Query)
	}
	return views
}

// hoursTogether is how many small hours a range reads together.
const hoursTogether = 50

// generateAtOnce makes up telemetry and ingests the hours that have files, with one round of gold for all of them.
func (w *world) generateAtOnce(t testing.TB, options generate.Options) {
	t.Helper()
	_, err := generate.Write(t.Context(), w.folder, options)
	require.NoError(t, err)
	var hours []telemetry.Hour
	for hour := options.From; hour < options.From+telemetry.Hour(options.Hours); hour++ {
		listing, err := w.source.List(t.Context(), hour)
		require.NoError(t, err)
		if len(listing.Files) > 0 {
			hours = append(hours, hour)
		}
	}
	var runs []lake.Run
	for together := range slices.Chunk(hours, hoursTogether) {
		ingested, err := w.silver(t.Context(), together...)
		require.NoError(t, err)
		runs = append(runs, ingested...)
	}
	require.NoError(t, w.gold(t.Context(), runs...))
	require.NoError(t, w.daily(t.Context()))
}

func (w *world) execute(t testing.TB, statement string) {
	t.Helper()
	_, err := w.trino.ExecContext(t.Context(), statement)
	require.NoError(t, err, statement)
}

func (w *world) ask(t testing.TB, q question) answer {
	t.Helper()
	query := q.query
	if query == "" {
		query = "SELECT * FROM " + q.view
	}
	var got answer
	for _, row := range w.rows(t, query) {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		got.row(cells...)
	}
	slices.Sort(got)
	return got
}

package superset_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

// dataset is what charts are made of: a view, or a query over views.
type dataset struct {
	name    string
	view    string // that it is
	query   string // that it is instead
	called  bool   // the view with the column called, for versions as series and in heat maps
	columns []column
	metrics []metric
	time    string // the column that the filter of dates is about; "": none
	about   string
}

type column struct {
	name, comment, expression string
}

type metric struct {
	name, label, expression, format string
	of                              string // the column that it is of, whose comment it shows
}

// ranked are versions in order as text: a text of equal length before each, of two characters that nobody sees.
// Superset sorts the categories of an axis by the code points of their text, so 1.22.10 would come before 1.22.9.
func ranked(rank, version string) string {
	return "translate(lpad(to_base(" + rank + ", 2), 16, '0'), '01', chr(8203) || chr(8204)) || " + version
}

// behind are versions in order as series and in heat maps, which Superset sorts as people's languages do: unseen
// characters do not count there, but blanks do, and come first. So each has as many of the thinnest blanks as there
// are newer ones.
func behind(newer, version string) string {
	return "lpad('', " + newer + ", chr(8202)) || " + version
}

// newest is how many versions the charts of days show by themselves.
const newest = "8"

// largest is how many devices they show by themselves.
const largest = "6"

// placed says of every version how charts of days call it. Versions of before the newest are one, which says how many.
const placed = `WITH ordered AS (
  SELECT service, version, version_rank,
         dense_rank() OVER (PARTITION BY service ORDER BY version_rank DESC NULLS LAST) - 1 AS newer
  FROM versions
), placed AS (
  SELECT service, version,
         CASE WHEN version_rank IS NULL THEN ` + newest + ` + 1 ELSE least(newer, ` + newest + `) END AS newer,
         CASE WHEN version_rank IS NULL THEN 'no order'
              WHEN newer >= ` + newest + ` THEN 'older (' || CAST(sum(IF(newer >= ` + newest +
	` AND version_rank IS NOT NULL, 1, 0))
                OVER (PARTITION BY service) AS varchar) || ')'
              ELSE version END AS called
  FROM ordered
)
`

// dayName marks days whose numbers will change.
const dayName = "date_format(%[1]s.date_utc, '%%Y-%%m-%%d') || IF(coalesce(c.is_final, true), '', '*') AS on_day"

func daysOf(alias string) string {
	return strings.NewReplacer("%[1]s", alias, "%%", "%").Replace(dayName)
}

const (
	dayComment   = "Day of UTC, by the events' own time; * marks a day that is provisional, as in completeness."
	deviceTerm   = "Device; all but the " + largest + " with the most users are one, other, with their number."
	calledTerm   = "Version, in order. Those of before the newest " + newest + " are one, older, with their number."
	lineComment  = "The first two numbers of the version, such as 1.22; NULL: it has no two."
	orderComment = "Version, so that its text sorts in the order of versions."
)

var definitions = []dataset{
	{name: "active_versions", view: "active_versions"},
	{name: "version_device_distribution", view: "version_device_distribution", called: true, metrics: []metric{
		{name: "known_users", label: "Known users", expression: "max(users)", format: ",d", of: "users"},
	}},
	{name: "installation_sources", view: "installation_sources"},
	{name: "feature_use", view: "feature_use", called: true, metrics: []metric{
		{name: "share_of_users", label: "Share of users", expression: "max(share)", format: ".0%", of: "share"},
	}},
	{name: "releases", view: "releases"},
	{name: "shutdown_impact", view: "shutdown_impact", called: true, metrics: []metric{
		{name: "would_notice", label: "Would notice: run it or an older one", expression: "max(share_at_or_below)",
			format: ".0%",
			of:     "share_at_or_below"},
		{name: "would_be_cut_off", label: "Would be cut off: run nothing newer",
			expression: "max(share_without_newer)", format: ".0%", of: "share_without_newer"},
	}},
	{name: "shutdown_users", view: "shutdown_users"},
	{name: "stuck_users", view: "stuck_users", metrics: []metric{
		{name: "installations", label: "Installations", expression: "count(*)", format: ",d"},
	}},
	{name: "notification_funnel", view: "notification_funnel", columns: []column{
		{"target_in_order", "Target version, so that its text sorts in the order of versions.",
			ranked("coalesce(target_version_rank, 0)", "target_version")},
		{"stage_in_order", "Number and name of the stage.", "CAST(stage AS varchar) || ' ' || stage_name"},
	}, metrics: []metric{{name: "known_users", label: "Known users", expression: "max(users)", format: ",d",
		of: "users"}}},
	{name: "notification_status", view: "notification_status"},
	{name: "notification_users", view: "notification_users", columns: []column{
		{"state_in_order", "State, so that its text sorts by how far the notification came.",
			"CAST(array_position(ARRAY['sent', 'shown', 'failed', 'dismissed', 'accepted'], state) AS varchar) " +
				"|| ' ' || state"},
	}, metrics: []metric{
		{name: "known_users", label: "Known users", expression: "count(DISTINCT user_id)", format: ",d"},
	}},
	{name: "issues_by_version", view: "issues_by_version", metrics: []metric{
		{name: "issues_per_thousand", label: "Issues per 1000 users", expression: "max(issues_per_thousand_users)",
			format: ",.1~f",
			of:     "issues_per_thousand_users"},
		{name: "lower_end", label: "Lower end of 95 %", expression: "max(per_thousand_users_low)", format: ",.1~f",
			of: "per_thousand_users_low"},
		{name: "upper_end", label: "Upper end of 95 %", expression: "max(per_thousand_users_high)", format: ",.1~f",
			of: "per_thousand_users_high"},
	}},
	{name: "crash_free", view: "crash_free", metrics: []metric{
		{name: "lower_end", label: "Lower end of 95 %", expression: "max(user_share_low)", format: ".1~%",
			of: "user_share_low"},
		{name: "without_a_crash", label: "Users without a crash", expression: "max(crash_free_user_share)",
			format: ".1~%",
			of:     "crash_free_user_share"},
		{name: "upper_end", label: "Upper end of 95 %", expression: "max(user_share_high)", format: ".1~%",
			of: "user_share_high"},
	}},
	{name: "new_issues", view: "new_issues"},
	{name: "crashes_by_device", view: "crashes_by_device"},
	{name: "session_length", view: "session_length", metrics: []metric{
		{name: "p25", label: "25 %", expression: "max(p25_seconds) / 60", format: ",.0f", of: "p25_seconds"},
		{name: "p50", label: "50 % (median)", expression: "max(median_seconds) / 60", format: ",.0f",
			of: "median_seconds"},
		{name: "p75", label: "75 %", expression: "max(p75_seconds) / 60", format: ",.0f", of: "p75_seconds"},
		{name: "p90", label: "90 %", expression: "max(p90_seconds) / 60", format: ",.0f", of: "p90_seconds"},
	}},
	{name: "release_focus", view: "release_focus"},
	{name: "version_correlations", view: "version_correlations"},
	{name: "versions", view: "versions"},
	{name: "devices", view: "devices"},
	{name: "retention", columns: []column{{name: "retention.service"}, {name: "retention.version"},
		{name: "retention.version_rank"}, {name: "retention.day"},
		{"users", "Known users, of all days on which they first ran it.", ""},
		{"retained", "Of users, those with an event in the service on that day.", ""}, {"called", orderComment, ""}},
		about: "The curves of retention: of each of the newest " + newest +
			" versions and day, where they are of 30 users or more.",
		query: placed +
			`SELECT r.service, r.version, r.version_rank, r.day, sum(r.users) AS users, sum(r.retained) AS retained,
       ` + behind("p.newer", "r.version") + ` AS called
FROM retention AS r
JOIN placed AS p ON p.service = r.service AND p.version = r.version AND p.newer < ` + newest + `
GROUP BY r.service, r.version, r.version_rank, r.day, p.newer
HAVING sum(r.users) >= 30`, metrics: []metric{
			{name: "came_back", label: "Came back", expression: "CAST(max(retained) AS double) / max(users)",
				format: ".0%",
				of:     "retained"},
		}},
	{name: "ingest_hours", view: "ingest_hours", time: "hour_utc", columns: []column{
		{"seconds", "Seconds that the run took.", "CAST(to_unixtime(finished_at) - to_unixtime(started_at) AS double)"},
		{"on_day", "Day of the hour, UTC.", "date_format(hour_utc, '%Y-%m-%d')"},
	}, metrics: []metric{
		{name: "accepted", label: "accepted", expression: "sum(events)", format: ",d", of: "events"},
		{name: "rejected", label: "rejected", expression: "sum(rejects)", format: ",d", of: "rejects"},
		{name: "blank", label: "blank", expression: "sum(blanks)", format: ",d", of: "blanks"},
		{name: "of_forgotten_users", label: "of forgotten users", expression: "sum(erased)", format: ",d",
			of: "erased"},
		{name: "unaccounted", label: "Lines that nothing accounts for",
			expression: "sum(lines - events - rejects - blanks - erased)", format: ",d"},
		{name: "hours", label: "Hours", expression: "count(*)", format: ",d"},
		{name: "newest_hour", label: "Newest hour", expression: "date_format(max(hour_utc), '%Y-%m-%d %H:00')"},
		{name: "longest", label: "Longest run, in seconds",
			expression: "max(to_unixtime(finished_at) - to_unixtime(started_at))", format: ",.1f"},
	}},
	{name: "rejects_by_reason", view: "rejects_by_reason", time: "hour_utc", columns: []column{
		{"on_day", "Day of the ingest hour, UTC.", "date_format(hour_utc, '%Y-%m-%d')"},
	}, metrics: []metric{{name: "lines", label: "Lines", expression: "sum(rejects)", format: ",d", of: "rejects"}}},
	{name: "completeness", view: "completeness", time: "date_utc", columns: []column{
		{"on_day", dayComment, "date_format(date_utc, '%Y-%m-%d') || IF(is_final, '', '*')"},
	}, metrics: []metric{
		{name: "in_time", label: "in time", expression: "sum(events - late_events)", format: ",d", of: "events"},
		{name: "late", label: "late: with an hour after the day", expression: "sum(late_events)", format: ",d",
			of: "late_events"},
	}},

	{name: "uptake", columns: []column{{name: "uptake.service"}, {name: "uptake.version"},
		{name: "uptake.version_rank"},
		{name: "uptake.channel"}, {name: "uptake.day"}, {name: "uptake.date_utc"}, {name: "uptake.users"},
		{name: "uptake.base_users"}, {name: "uptake.share"}, {name: "uptake.is_small"}, {"called", orderComment, ""}},
		about: "The newest six releases of each service and channel, from uptake.",
		query: `SELECT u.service, u.version, u.version_rank, u.channel, u.day, u.date_utc, u.users, u.base_users,
       u.share, u.is_small,
       ` + behind("r.releases_behind", "u.version") + ` AS called
FROM uptake AS u
JOIN releases AS r ON r.service = u.service AND r.version = u.version
WHERE r.releases_behind < 6`, metrics: []metric{
			{name: "share_of_base", label: "Share", expression: "max(share)", format: ".0%", of: "share"},
		}},
	{name: "release_pace", columns: []column{{name: "uptake_summary.service"}, {name: "uptake_summary.version"},
		{name: "uptake_summary.version_rank"}, {name: "uptake_summary.channel"}, {name: "uptake_summary.released_at"},
		{name: "release_cadence.days_since_previous"}, {name: "uptake_summary.days_to_10"},
		{name: "uptake_summary.days_to_50"}, {name: "uptake_summary.days_to_90"}, {name: "uptake_summary.ceiling"},
		{name: "uptake_summary.share_now"}, {name: "uptake_summary.base_users_now"},
		{name: "release_cadence.share_before_next"}},
		about: "How fast releases come and are taken up: uptake_summary and release_cadence side by side.",
		query: `SELECT s.service, s.version, s.version_rank, s.channel, s.released_at, c.days_since_previous,
       s.days_to_10, s.days_to_50, s.days_to_90, s.ceiling, s.share_now, s.base_users_now, c.share_before_next
FROM uptake_summary AS s
LEFT JOIN release_cadence AS c ON c.service = s.service AND c.version = s.version`},
	{name: "version_days", time: "date_utc",
		columns: []column{{name: "version_trend.date_utc"}, {"on_day", dayComment, ""},
			{name: "version_trend.service"}, {name: "version_trend.version"}, {"called", calledTerm, ""},
			{"is_alone", "Whether called is of one version, and not of several that are shown as one.", ""},
			{name: "version_trend.device"}, {name: "version_trend.version_users"},
			{name: "version_trend.service_users"},
			{name: "version_trend.share"}, {name: "version_trend.issues"}},
		about: "The days of version_trend, each version as charts call it, provisional days marked.",
		query: placed + `SELECT t.date_utc, ` + daysOf("t") + `, t.service, t.version,
       ` + behind("coalesce(p.newer, "+newest+" + 2)", "coalesce(p.called, 'unknown')") + ` AS called,
       coalesce(p.called = t.version, false) AS is_alone, t.device, t.version_users, t.service_users, t.share, t.issues
FROM version_trend AS t
LEFT JOIN placed AS p ON p.service = t.service AND p.version = t.version
LEFT JOIN completeness AS c ON c.date_utc = t.date_utc`, metrics: []metric{
			{name: "users_of_service", label: "Users", expression: "sum(service_users)", format: ",d",
				of: "service_users"},
			{name: "share_of_service", label: "Share", expression: "sum(share)", format: ".0%", of: "share"},
			{name: "issues_per_thousand", label: "Issues per 1000 users of the day",
				expression: "IF(sum(version_users) >= 30, 1e3 * sum(issues) / sum(version_users))", format: ",.0f",
				of: "issues"},
		}},
	{name: "device_days", time: "date_utc",
		columns: []column{{name: "device_trend.date_utc"}, {"on_day", dayComment, ""},
			{name: "device_trend.service"}, {name: "device_trend.device"}, {"device_called", deviceTerm, ""},
			{"is_alone", "Whether device_called is of one device, and not of several that are shown as one.", ""},
			{name: "device_trend.users"}, {name: "device_trend.share"}, {name: "device_trend.events"}},
		about: "The days of device_trend, each device as charts call it, provisional days marked.",
		query: `WITH sized AS (
  SELECT *, sum(users) OVER (PARTITION BY service, device) AS size FROM device_trend
), placed AS (
  SELECT *, dense_rank() OVER (PARTITION BY service ORDER BY size DESC, device) AS place FROM sized
), counted AS (
  SELECT *, max(place) OVER (PARTITION BY service) AS devices FROM placed
)
SELECT t.date_utc, ` + daysOf("t") +
			`, t.service, coalesce(t.device, 'no device') AS device,
       IF(t.place <= ` + largest + ` OR t.devices = ` + largest + ` + 1, coalesce(t.device, 'no device'),
          'other (' || CAST(t.devices - ` + largest + ` AS varchar) || ')') AS device_called,
       t.place <= ` + largest + ` OR t.devices = ` + largest + ` + 1 AS is_alone, t.users, t.share, t.events
FROM counted AS t
LEFT JOIN completeness AS c ON c.date_utc = t.date_utc`, metrics: []metric{
			{name: "share_of_users", label: "Share",
				expression: "IF(max(users) >= 30 * max(share), max(share))", format: ".0%", of: "share"},
			{name: "all_events", label: "Events", expression: "sum(events)", format: ",d", of: "events"},
		}},
	{name: "experiments", columns: []column{{name: "experiment_variants.service"},
		{name: "experiment_variants.experiment"},
		{name: "experiment_variants.variant"}, {name: "experiment_variants.version"},
		{name: "experiment_variants.version_rank"}, {name: "experiment_variants.is_active"},
		{name: "experiment_variants.users"}, {name: "experiment_variants.share"}, {name: "sample_ratio.is_mismatch"},
		{name: "experiment_variants.issues_per_thousand_users"}, {name: "experiment_variants.mean_session_seconds"},
		{name: "experiment_variants.last_met_at"}},
		about: "The variants of experiment_variants, and whether sample_ratio trusts the experiment.",
		query: `SELECT e.service, e.experiment, e.variant, e.version, e.version_rank, e.is_active, e.users, e.share,
       coalesce(r.is_mismatch, false) AS is_mismatch, e.issues_per_thousand_users, e.mean_session_seconds, e.last_met_at
FROM experiment_variants AS e
LEFT JOIN sample_ratio AS r ON r.service = e.service AND r.experiment = e.experiment AND r.variant = e.variant`},
	{name: "version_habits",
		columns: []column{{name: "version_engagement.service"}, {name: "version_engagement.version"},
			{name: "version_engagement.version_rank"}, {name: "version_engagement.active_users"},
			{name: "version_engagement.days_per_user"}, {name: "version_engagement.sessions_per_user"},
			{name: "version_engagement.features_per_user"}, {name: "version_retention.rolling_retention_day_1"},
			{name: "version_retention.rolling_retention_day_7"}, {name: "version_retention.churn"}},
		about: "Engagement, retention, churn of versions: version_engagement and version_retention side by side.",
		query: `SELECT e.service, e.version, e.version_rank, e.active_users, e.days_per_user, e.sessions_per_user,
       e.features_per_user,
       r.rolling_retention_day_1, r.rolling_retention_day_7, r.churn
FROM version_engagement AS e
LEFT JOIN version_retention AS r ON r.service = e.service AND r.version = e.version`},
}

// datasets are the definitions, with the comments of the views.
func datasets(t *testing.T) []dataset {
	t.Helper()
	views, err := trino.Views()
	require.NoError(t, err)
	comments, named := map[string]string{}, map[string]trino.View{}
	for _, view := range views {
		named[view.Name] = view
		for _, c := range view.Columns {
			comments[view.Name+"."+c.Name] = c.Comment
		}
	}
	var all []dataset
	for _, d := range definitions {
		own := d.columns
		d.columns = nil
		if d.query == "" {
			view, found := named[d.view]
			require.True(t, found, "there is no view %s", d.view)
			d.about = view.Comment
			for _, c := range view.Columns {
				d.columns = append(d.columns, column{c.Name, c.Comment, ""})
			}
			if d.called {
				d.columns = append(d.columns, column{"called", orderComment, ""})
				d.query = "SELECT v.*, " + behind("least(40, coalesce(m.newest - v.version_rank, 40))", "v.version") +
					` AS called
FROM ` + d.view + ` AS v
LEFT JOIN (SELECT service, max(version_rank) AS newest FROM versions GROUP BY service) AS m ON m.service = v.service`
			}
		}
		for _, c := range own {
			if _, name, of := strings.Cut(c.name, "."); of {
				require.Contains(t, comments, c.name)
				c.name, c.comment = name, comments[c.name]
			}
			d.columns = append(d.columns, c)
		}
		if d.has("version") && !d.has("version_line") {
			d.columns = append(d.columns,
				column{"version_line", lineComment, `regexp_extract(version, '[0-9]+\.[0-9]+')`})
		}
		if d.has("version") && d.has("version_rank") {
			d.columns = append(d.columns,
				column{"version_in_order", orderComment, ranked("coalesce(version_rank, 0)", "version")})
		}
		for _, m := range d.metrics {
			require.True(t, m.of == "" || d.has(m.of), "%s has no column %s", d.name, m.of)
		}
		all = append(all, d)
	}
	return all
}

func (d *dataset) has(name string) bool { return d.comment(name) != "" }

func (d *dataset) comment(name string) string {
	for _, c := range d.columns {
		if c.name == name {
			return c.comment
		}
	}
	return ""
}

func (d *dataset) file() object {
	var columns, metrics []object
	for _, c := range d.columns {
		kind := typeOf(c.name)
		columns = append(columns, object{"column_name": c.name, "verbose_name": labelOf(c.name), "type": kind,
			"is_dttm": kind == "DATE" || kind == moments, "is_active": true, "groupby": true, "filterable": true,
			"expression": orNil(c.expression), "description": c.comment})
	}
	for _, m := range d.metrics {
		metrics = append(metrics, object{"metric_name": m.name, "verbose_name": m.label, "expression": m.expression,
			"d3format": orNil(m.format), "description": orNil(d.comment(m.of))})
	}
	return object{"table_name": d.name, "main_dttm_col": orNil(d.time), "description": d.about,
		"catalog": "versionlake",
		"schema":  "views", "sql": orNil(d.query), "filter_select_enabled": true, "always_filter_main_dttm": false,
		"normalize_columns": false, "columns": columns, "metrics": metrics, "uuid": id("dataset", d.name),
		"version":       "1.0.0",
		"database_uuid": id("database", "versionlake")}
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

const moments = "TIMESTAMP(6) WITH TIME ZONE"

var (
	texts = regexp.MustCompile(
		`(^|_)(service|version|device|channel|kind|source|campaign|feature|code|name|reason|state|` +
			`experiment|variant|url|user_id|oldest_running|minimum_supported|latest_version|class|key|line|called|` +
			`in_order|on_day)$`)
	fractions = regexp.MustCompile(
		`(^|_)(share|low|high|ceiling|retention|churn|per_\w+|mean_\w+|seconds|rank_and_\w+)$|` +
			`^share_|_retention_day_\d+$|^change|_per_|^days_since_|^median_hours`)
)

// typeOf is the type of a column, by its name. TestSuperset holds that against Trino.
func typeOf(name string) string {
	switch {
	case strings.HasPrefix(name, "is_") || strings.HasPrefix(name, "has_") || name == "all_devices" ||
		name == "runs_older":
		return "BOOLEAN"
	case strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "_since") || name == "hour_utc" ||
		name == "end_of_support":
		return moments
	case strings.HasSuffix(name, "date_utc") || strings.HasSuffix(name, "_date"):
		return "DATE"
	case fractions.MatchString(name):
		return "DOUBLE"
	case texts.MatchString(name):
		return "VARCHAR"
	}
	return "BIGINT"
}

// labels are what people read in the place of a column's name, where that is not the name with blanks.
var labels = map[string]string{
	"version_in_order": "Version", "called": "Version", "target_in_order": "Target version", "stage_in_order": "Stage",
	"users_7_days": "Of them in 7 days", "users_1_day": "Of them in 1 day", "share_at_or_below": "Share at or below",
	"version_line": "Version line", "device_called": "Device", "on_day": "Day",
}

func labelOf(name string) string {
	if label, named := labels[name]; named {
		return label
	}
	text := strings.TrimSuffix(strings.TrimSuffix(name, "_utc"), "_at")
	text = strings.ReplaceAll(text, "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

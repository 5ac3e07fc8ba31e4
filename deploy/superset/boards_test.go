package superset_test

import "strings"

// The checks ask of the service {service}, as the dashboards do at first.

// provisional is the text of a day in a check.
const provisional = "CAST(t.date_utc AS varchar) || IF(c.is_final = false, '*', '')"

// calledNow is how charts of days call a version, in a check.
const calledNow = `CASE WHEN t.version IS NULL THEN 'unknown' WHEN v.version_rank IS NULL THEN 'no order'
  WHEN v.version_rank > m.newest - 8 THEN t.version
  ELSE 'older (' || CAST((SELECT count(*) FROM versions AS o WHERE o.service = '{service}'
    AND o.version_rank <= (SELECT max(version_rank) FROM versions WHERE service = '{service}') - 8) AS varchar) || ')' END`

const trendOfVersions = `FROM version_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc
LEFT JOIN versions AS v ON v.service = t.service AND v.version = t.version
CROSS JOIN (SELECT max(version_rank) AS newest FROM versions WHERE service = '{service}') AS m
WHERE t.service = '{service}' GROUP BY 1, 2`

func adoption() board {
	days := []string{"on_day", "called"}
	return board{title: "Adoption", filters: []string{"Service", "Version line", "Device", "Date"},
		intro: "Which versions are run, how fast releases are taken up, and by whom. *Known users* are users that an event named; " +
			"a day with a \\* is **provisional**: some of its events have not come yet.",
		rows: [][]chart{
			{bars(chart{name: "Users a day, by version: each user of the service counts once", dataset: "version_days", by: days,
				metrics: []string{"users_of_service"}, width: half, height: middle,
				check: "SELECT " + provisional + ", " + calledNow + ", sum(t.service_users) " + trendOfVersions}, true),
				bars(chart{name: "Share of the service's users of the day, by version", dataset: "version_days", by: days,
					metrics: []string{"share_of_service"}, width: half, height: middle,
					check: "SELECT " + provisional + ", " + calledNow + ", sum(t.share) " + trendOfVersions}, true)},
			{table(chart{name: "Versions in use: share of the known users of the last 30 days", dataset: "active_versions",
				rows:  []string{"version", "users", "share", "users_7_days", "users_1_day", "installations", "last_seen_at"},
				order: []string{"-version_rank"}, width: half, height: middle,
				check: `SELECT version, users, share, users_7_days, users_1_day, installations, last_seen_at FROM active_versions
WHERE service = '{service}'`}),
				heat(chart{name: "Known users of the last 30 days, by version and device", dataset: "version_device_distribution",
					by: []string{"device", "version_in_order"}, metrics: []string{"known_users"}, width: half, height: middle,
					about: "A user with two installations counts in both.",
					check: "SELECT device, version, users FROM version_device_distribution WHERE service = '{service}'"}, ",d")},
			{lines(chart{name: "Uptake at equal age: share of the active users of the channel", dataset: "uptake",
				by: []string{"day", "version_in_order"}, metrics: []string{"share_of_base"}, width: half, height: middle,
				about: "By days since the release, of the newest six. Active on a day: with an event in the 28 days up to it.",
				check: `SELECT u.day, u.version, u.share FROM uptake AS u JOIN releases AS r ON r.service = u.service
AND r.version = u.version WHERE u.service = '{service}' AND r.releases_behind <= 5`}),
				table(chart{name: "Releases: how often, and days to 10, 50 and 90 % of the active users", dataset: "release_pace",
					rows: []string{"version", "released_at", "days_since_previous", "days_to_10", "days_to_50", "days_to_90", "ceiling",
						"share_now", "base_users_now", "share_before_next"},
					order: []string{"-version_rank"}, width: half, height: middle,
					about: "Few who run a release before the next one comes: releases come faster than users take them.",
					check: `SELECT s.version, s.released_at, (SELECT max(days_since_previous) FROM release_cadence AS c
WHERE c.service = s.service AND c.version = s.version), s.days_to_10, s.days_to_50, s.days_to_90, s.ceiling, s.share_now,
s.base_users_now, (SELECT max(share_before_next) FROM release_cadence AS c WHERE c.service = s.service AND c.version = s.version)
FROM uptake_summary AS s WHERE s.service = '{service}'`})},
			{lines(chart{name: "Share of the service's known users of the day, by device", dataset: "device_days",
				by: []string{"on_day", "device"}, metrics: []string{"share_of_users"}, width: half, height: middle,
				about: "A user with two devices counts in both.",
				check: `SELECT ` + provisional + `, coalesce(t.device, 'no device'), t.share
FROM device_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc WHERE t.service = '{service}'`}),
				table(chart{name: "Sources of installations: share of the known users with an Install", dataset: "installation_sources",
					rows:  []string{"source", "campaign", "installs", "users", "share", "active_users", "active_share"},
					order: []string{"-users"}, width: half, height: middle,
					about: "Active: with an installation sighted in the last 30 days of data.",
					check: `SELECT source, campaign, installs, users, share, active_users, active_share FROM installation_sources
WHERE service = '{service}'`})},
			{heat(chart{name: "Use of features: share of the version's known users", dataset: "feature_use",
				by: []string{"version_in_order", "feature"}, metrics: []string{"share_of_users"}, width: half, height: middle,
				check: "SELECT version, feature, share FROM feature_use WHERE service = '{service}'"}, ".0%"),
				lines(chart{name: "Who comes back: share of the known users who first ran the version, 30 or more, by days since", dataset: "retention",
					by: []string{"day", "version_in_order"}, metrics: []string{"came_back"}, width: half, height: middle,
					check: `SELECT day, version, CAST(sum(retained) AS double) / sum(users) FROM retention
WHERE service = '{service}' GROUP BY 1, 2 HAVING sum(users) >= 30`})},
		}}
}

func shutdown() board {
	everywhere := []condition{{"all_devices", "==", true}}
	return board{title: "Shutdown", filters: []string{"Service", "Version to shut down", "Version line", "Device"},
		intro: "Whom shutting down a version, with all older ones, would hit; who is stuck, why, and whether they were told. " +
			"Lists show users as your login may see them. All is of known users with an installation sighted in the last 30 days of " +
			"data, unless a title says otherwise.",
		rows: [][]chart{
			{bars(chart{name: "Shutting down a version and all older ones: share of the service's known users", dataset: "shutdown_impact",
				by: []string{"version_in_order"}, metrics: []string{"would_notice", "would_be_cut_off"}, where: everywhere,
				width: half, height: middle,
				check: `SELECT version, share_at_or_below, share_without_newer FROM shutdown_impact
WHERE service = '{service}' AND all_devices`}, false),
				table(chart{name: "Shutting down a version and all older ones: known users", dataset: "shutdown_impact",
					rows: []string{"version", "users", "users_at_or_below", "share_at_or_below", "users_without_newer",
						"share_without_newer", "installations_at_or_below"},
					order: []string{"-version_rank"}, where: everywhere, width: half, height: middle,
					check: `SELECT version, users, users_at_or_below, share_at_or_below, users_without_newer, share_without_newer,
installations_at_or_below FROM shutdown_impact WHERE service = '{service}' AND all_devices`})},
			{heat(chart{name: "Would be cut off: share of the device's known users", dataset: "shutdown_impact",
				by: []string{"device", "version_in_order"}, metrics: []string{"would_be_cut_off"},
				where: []condition{{"all_devices", "==", false}}, width: half, height: middle,
				check: `SELECT device, version, share_without_newer FROM shutdown_impact
WHERE service = '{service}' AND NOT all_devices`}, ".0%"),
				table(chart{name: "Releases and their support", dataset: "releases",
					rows: []string{"version", "channel", "released_at", "is_told", "is_current", "releases_behind", "minimum_supported",
						"end_of_support", "is_supported"},
					order: []string{"-version_rank"}, width: half, height: middle,
					about: "As people told, else as it was seen.",
					check: `SELECT version, channel, released_at, is_told, is_current, releases_behind, minimum_supported, end_of_support,
is_supported FROM releases WHERE service = '{service}'`})},
			{bars(chart{name: "Stuck two or more releases behind: installations, by reason", dataset: "stuck_users",
				by: []string{"version_in_order", "reason"}, metrics: []string{"installations"}, width: half, height: middle,
				about: "Active installations that were still sighted a week after the second newer release.",
				check: "SELECT version, reason, count(*) FROM stuck_users WHERE service = '{service}' GROUP BY 1, 2"}, true),
				table(chart{name: "Who is stuck: the first 1000 of them, the furthest behind first", dataset: "stuck_users",
					rows:  []string{"user_id", "device", "version", "latest_version", "releases_behind", "reason", "last_seen_at"},
					order: []string{"-releases_behind", "user_id", "device"}, limit: 1000, width: half, height: middle,
					check: `SELECT user_id, device, version, latest_version, releases_behind, reason, last_seen_at FROM stuck_users
WHERE service = '{service}' ORDER BY releases_behind DESC, user_id, device LIMIT 1000`})},
			{bars(chart{name: "From the notification to the upgrade: known users, by target version", dataset: "notification_funnel",
				by: []string{"target_in_order", "stage_in_order"}, metrics: []string{"known_users"}, width: half, height: middle,
				about: "Each stage counts who got there, over all events.",
				check: `SELECT target_version, CAST(stage AS varchar) || ' ' || stage_name, users FROM notification_funnel
WHERE service = '{service}'`}, false),
				table(chart{name: "Notifications: known users with any of the target version", dataset: "notification_status",
					rows: []string{"target_version", "users", "sent", "shown", "accepted", "dismissed", "failed", "upgraded", "upgraded_share",
						"median_hours_to_upgrade"},
					order: []string{"-target_version_rank"}, width: half, height: middle,
					check: `SELECT target_version, users, sent, shown, accepted, dismissed, failed, upgraded, upgraded_share,
median_hours_to_upgrade FROM notification_status WHERE service = '{service}'`})},
			{bars(chart{name: "Told, and an older version still runs: known users, by how far the notification came",
				dataset: "notification_users", by: []string{"state"}, metrics: []string{"known_users"},
				where: []condition{{"runs_older", "==", true}}, width: half, height: middle,
				check: `SELECT state, count(DISTINCT user_id) FROM notification_users WHERE service = '{service}' AND runs_older
GROUP BY 1`}, false),
				table(chart{name: "Who would be hit: known users at or below the version to shut down (choose one above)",
					dataset: "shutdown_users", rows: []string{"version", "user_id", "device", "running_version", "last_seen_at", "has_newer"},
					order: []string{"version_rank", "user_id", "device"}, limit: 1000, width: half, height: middle,
					about: "At most 1000 rows; without a version chosen, of the oldest.",
					check: `SELECT version, user_id, device, running_version, last_seen_at, has_newer FROM shutdown_users
WHERE service = '{service}' ORDER BY version_rank, user_id, device LIMIT 1000`})},
		}}
}

func quality() board {
	return board{title: "Quality of a release", filters: []string{"Service", "Version line", "Device", "Date"},
		intro: "Whether a release is sound, and how it is used. Numbers are of known users over all events, unless a title says " +
			"otherwise; a day with a \\* is **provisional**.",
		rows: [][]chart{
			{bars(chart{name: "Issues per 1000 known users of the version", dataset: "issues_by_version",
				by: []string{"version_in_order"}, metrics: []string{"issues_per_thousand"}, width: half, height: low,
				check: "SELECT version, issues_per_thousand_users FROM issues_by_version WHERE service = '{service}'"}, false),
				lines(chart{name: "Without a crash: share of the version's known users, and its 95 % interval", dataset: "crash_free",
					by: []string{"version_in_order"}, metrics: []string{"upper_end", "without_a_crash", "lower_end"}, width: half, height: low,
					check: `SELECT version, user_share_high, crash_free_user_share, user_share_low FROM crash_free
WHERE service = '{service}'`})},
			{lines(chart{name: "Issues per 1000 users of the day, by version", dataset: "version_days",
				by: []string{"on_day", "called"}, metrics: []string{"issues_per_thousand"}, width: wide, height: middle,
				where: []condition{{"is_alone", "==", true}},
				about: "The newest eight versions: users of older ones do not add up. Anonymous users are included.",
				check: "SELECT " + provisional + ", " + calledNow +
					", 1e3 * sum(t.issues) / nullif(sum(t.version_users), 0) " +
					strings.Replace(trendOfVersions, "GROUP", "AND v.version_rank > m.newest - 8 GROUP", 1)})},
			{table(chart{name: "New issues: codes that no older version had, and the share of the version's users", dataset: "new_issues",
				rows: []string{"version", "code", "issues", "affected_users", "active_users", "affected_share", "share_low", "share_high",
					"is_small"},
				order: []string{"-version_rank", "-issues"}, width: half, height: low,
				check: `SELECT version, code, issues, affected_users, active_users, affected_share, share_low, share_high, is_small
FROM new_issues WHERE service = '{service}'`}),
				table(chart{name: "Crashes by device: share of the device's known users", dataset: "crashes_by_device",
					rows: []string{"device", "code", "place", "crashes", "affected_users", "active_users", "affected_share", "share_low",
						"share_high", "is_small"},
					order: []string{"-crashes", "device", "code"}, width: half, height: low,
					check: `SELECT device, code, place, crashes, affected_users, active_users, affected_share, share_low, share_high, is_small
FROM crashes_by_device WHERE service = '{service}'`})},
			{lines(chart{name: "Length of sessions in minutes: what so many of the version's sessions do not exceed",
				dataset: "session_length", by: []string{"version_in_order"}, metrics: []string{"p90", "p75", "p50", "p25"},
				width: half, height: middle,
				check: `SELECT version, p90_seconds / 60, p75_seconds / 60, median_seconds / 60, p25_seconds / 60 FROM session_length
WHERE service = '{service}'`}),
				table(chart{name: "What a release should look at: per 1000 users, against the version before", dataset: "release_focus",
					rows: []string{"version", "previous_version", "kind", "name", "users", "per_thousand_users",
						"previous_per_thousand_users", "change"},
					order: []string{"-version_rank", "-change"}, width: half, height: middle,
					check: `SELECT version, previous_version, kind, name, users, per_thousand_users, previous_per_thousand_users, change
FROM release_focus WHERE service = '{service}'`})},
			{table(chart{name: "A/B tests: share of the experiment's known users in the version", dataset: "experiments",
				rows: []string{"experiment", "variant", "version", "is_active", "users", "share", "is_mismatch",
					"issues_per_thousand_users", "mean_session_seconds", "last_met_at"},
				order: []string{"experiment", "-version_rank", "variant"}, width: half, height: middle,
				about: "Is mismatch: users fell into the variants so unevenly that the experiment is not to be trusted.",
				check: `SELECT e.experiment, e.variant, e.version, e.is_active, e.users, e.share, coalesce((SELECT is_mismatch FROM
sample_ratio AS s WHERE s.service = e.service AND s.experiment = e.experiment AND s.variant = e.variant), false),
e.issues_per_thousand_users, e.mean_session_seconds, e.last_met_at FROM experiment_variants AS e WHERE e.service = '{service}'`}),
				table(chart{name: "Engagement, retention and churn of the version's known users", dataset: "version_habits",
					rows: []string{"version", "active_users", "days_per_user", "sessions_per_user", "features_per_user",
						"rolling_retention_day_1", "rolling_retention_day_7", "churn"},
					order: []string{"-version_rank"}, width: half, height: middle,
					check: `SELECT e.version, e.active_users, e.days_per_user, e.sessions_per_user, e.features_per_user,
r.rolling_retention_day_1, r.rolling_retention_day_7, r.churn FROM version_engagement AS e, version_retention AS r
WHERE r.service = e.service AND r.version = e.version AND e.service = '{service}'`})},
			{table(chart{name: "Does behaviour go with the version? Correlation over sessions, -1 to 1", dataset: "version_correlations",
				rows:  []string{"service", "sessions", "rank_and_features", "rank_and_issues", "sessions_ended", "rank_and_seconds"},
				order: []string{"service"}, width: wide, height: 16,
				check: `SELECT service, sessions, rank_and_features, rank_and_issues, sessions_ended, rank_and_seconds
FROM version_correlations WHERE service = '{service}'`})},
		}}
}

func pipeline() board {
	return board{title: "Health of the pipeline", filters: []string{"Service", "Device", "Date"},
		intro: "Whether telemetry comes, whether all of it is accounted for, and which days are final. Hours are ingest hours; a day " +
			"with a \\* is **provisional**. The filters of service and device are of the charts of users and events alone.",
		rows: [][]chart{
			{number(chart{name: "Newest hour", dataset: "ingest_hours", metrics: []string{"newest_hour"}, width: 3, height: 22,
				check: "SELECT date_format(max(hour_utc), '%Y-%m-%d %H:00') FROM ingest_hours"}, "UTC"),
				number(chart{name: "Hours ingested", dataset: "ingest_hours", metrics: []string{"hours"}, width: 3, height: 22,
					check: "SELECT count(*) FROM ingest_hours"}, "with those without files"),
				number(chart{name: "Hours with a file left out", dataset: "ingest_hours", metrics: []string{"hours"}, width: 3, height: 22,
					where: []condition{{"state", "==", "degraded"}},
					check: "SELECT count(*) FROM ingest_hours WHERE state = 'degraded'"}, "should be 0"),
				number(chart{name: "Lines that nothing accounts for", dataset: "ingest_hours", metrics: []string{"unaccounted"}, width: 3,
					height: 22, check: "SELECT sum(lines) - sum(events) - sum(rejects) - sum(blanks) - sum(erased) FROM ingest_hours"},
					"of all lines read; must be 0")},
			{bars(chart{name: "Events a day by their own time, in time and late", dataset: "completeness", by: []string{"on_day"},
				metrics: []string{"in_time", "late"}, width: half, height: middle,
				check: `SELECT CAST(date_utc AS varchar) || IF(is_final, '', '*'), events - late_events, late_events FROM completeness`},
				true),
				table(chart{name: "How much of a day has come: share of its events, as days before it had at that age",
					dataset: "completeness",
					rows:    []string{"date_utc", "events", "late_events", "late_hours", "age_hours", "expected_share", "is_final"},
					order:   []string{"-date_utc"}, width: half, height: middle,
					check: "SELECT date_utc, events, late_events, late_hours, age_hours, expected_share, is_final FROM completeness"})},
			{bars(chart{name: "Lines read, by day of the ingest hour, and what became of them", dataset: "ingest_hours",
				by: []string{"on_day"}, metrics: []string{"accepted", "rejected", "blank", "of_forgotten_users"}, width: half,
				height: middle,
				check: `SELECT CAST(date(hour_utc) AS varchar), sum(events), sum(rejects), sum(blanks), sum(erased) FROM ingest_hours
GROUP BY 1`}, true),
				bars(chart{name: "Lines rejected, by day of the ingest hour and reason", dataset: "rejects_by_reason",
					by: []string{"on_day", "reason"}, metrics: []string{"lines"}, width: half, height: middle,
					check: "SELECT CAST(date(hour_utc) AS varchar), reason, sum(rejects) FROM rejects_by_reason GROUP BY 1, 2"}, true)},
			{bars(chart{name: "Events of known users a day, by device", dataset: "device_days", by: []string{"on_day", "device"},
				metrics: []string{"all_events"}, width: half, height: middle,
				about: "A client that fell silent shows here first.",
				check: `SELECT ` + provisional + `, coalesce(t.device, 'no device'), sum(t.events)
FROM device_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc WHERE t.service = '{service}' GROUP BY 1, 2`}, true),
				bars(chart{name: "Longest run of an hour, in seconds, by day of the ingest hour", dataset: "ingest_hours",
					by: []string{"on_day"}, metrics: []string{"longest"}, width: half, height: middle,
					check: `SELECT CAST(date(hour_utc) AS varchar), max(to_unixtime(finished_at) - to_unixtime(started_at))
FROM ingest_hours GROUP BY 1`}, false)},
		}}
}

-- How many issues has a version? One row per version with an event of a known user, over all events. Active users and
-- sessions are those of version_activity.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- issues: Issue events of known users while they ran the version.
-- affected_users: Known users with such an issue.
-- active_users: Known users with any event while they ran the version.
-- affected_share: affected_users / active_users.
-- issues_per_thousand_users: Issues per thousand active users.
-- issues_per_thousand_sessions: Issues per thousand sessions with an event while the version ran.
-- change_per_thousand_users: issues_per_thousand_users less that of the version before it in order that had active users; NULL: there is none that is comparable.
-- affected_share_low: Lower end of affected_share's 95 % interval, by Wilson.
-- affected_share_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the share and the rates say little.
-- per_thousand_users_low: Lower end of the 95 % interval of issues_per_thousand_users, by Byar, as if issues came one by one: where some users have many, it is wider.
-- per_thousand_users_high: Its upper end.
-- per_thousand_sessions_low: Lower end of the same of issues_per_thousand_sessions.
-- per_thousand_sessions_high: Its upper end.
WITH affected AS (
  SELECT service, version, count(DISTINCT user_id) AS users
  FROM events
  WHERE event_name = 'Issue' AND user_kind = 'user'
  GROUP BY 1, 2
), rated AS (
  SELECT *, 1000e0 * issues / active_users AS per_thousand_users FROM version_activity
)
SELECT r.service, r.version, r.version_rank, r.issues, coalesce(a.users, 0) AS affected_users, r.active_users,
       CAST(coalesce(a.users, 0) AS double) / r.active_users AS affected_share,
       r.per_thousand_users AS issues_per_thousand_users, 1000e0 * r.issues / r.sessions AS issues_per_thousand_sessions,
       IF(r.version_rank IS NOT NULL, r.per_thousand_users
         - lag(r.per_thousand_users) OVER (PARTITION BY r.service, v.version_class ORDER BY r.version_rank, r.version)) AS change_per_thousand_users,
       0e0 + round(wilson_interval_lower(coalesce(a.users, 0), r.active_users, 1.96e0), 6) AS affected_share_low, round(wilson_interval_upper(coalesce(a.users, 0), r.active_users, 1.96e0), 6) AS affected_share_high,
       r.active_users < 30 AS is_small, -- and Byar's intervals: Breslow and Day, Statistical Methods in Cancer Research II, page 69
       IF(r.issues > 0, round(1000e0 / r.active_users * r.issues * power(1 - 1e0 / (9 * r.issues) - 1.96e0 / (3 * sqrt(r.issues)), 3), 6), 0e0) AS per_thousand_users_low,
       round(1000e0 / r.active_users * (r.issues + 1) * power(1 - 1e0 / (9 * (r.issues + 1)) + 1.96e0 / (3 * sqrt(r.issues + 1)), 3), 6) AS per_thousand_users_high,
       IF(r.issues > 0, round(1000e0 / r.sessions * r.issues * power(1 - 1e0 / (9 * r.issues) - 1.96e0 / (3 * sqrt(r.issues)), 3), 6), 0e0) AS per_thousand_sessions_low,
       round(1000e0 / r.sessions * (r.issues + 1) * power(1 - 1e0 / (9 * (r.issues + 1)) + 1.96e0 / (3 * sqrt(r.issues + 1)), 3), 6) AS per_thousand_sessions_high
FROM rated AS r
JOIN versions AS v ON v.service = r.service AND v.version = r.version
LEFT JOIN affected AS a ON a.service = r.service AND a.version = r.version

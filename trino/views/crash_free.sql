-- How many users and sessions have a version without a crash? Known users, over all events. A crash is an Issue of severity fatal, critical or crash,
-- in any case. Active users and sessions are those of version_activity.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- active_users: Known users with an event while they ran the version.
-- crash_free_users: Of them, those without a crash while they ran it.
-- crash_free_user_share: crash_free_users / active_users.
-- user_share_low: Lower end of that share's 95 % interval, by Wilson.
-- user_share_high: Its upper end.
-- sessions: Sessions of known users with an event while the version ran.
-- crash_free_sessions: Of them, those without a crash while it ran.
-- crash_free_session_share: crash_free_sessions / sessions.
-- session_share_low: Lower end of that share's 95 % interval, by Wilson.
-- session_share_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the shares say little.
WITH crashed AS (
  SELECT service, version, count(DISTINCT user_id) AS users, count(DISTINCT session_id) AS sessions
  FROM events
  WHERE event_name = 'Issue' AND lower(severity) IN ('fatal', 'critical', 'crash') AND user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2
), counted AS (
  SELECT a.service, a.version, a.version_rank, a.active_users, a.active_users - coalesce(c.users, 0) AS crash_free_users,
         a.sessions, a.sessions - coalesce(c.sessions, 0) AS crash_free_sessions
  FROM version_activity AS a
  LEFT JOIN crashed AS c ON c.service = a.service AND c.version = a.version
)
SELECT service, version, version_rank, active_users, crash_free_users, CAST(crash_free_users AS double) / active_users AS crash_free_user_share,
       0e0 + round(wilson_interval_lower(crash_free_users, active_users, 1.96e0), 6) AS user_share_low,
       round(wilson_interval_upper(crash_free_users, active_users, 1.96e0), 6) AS user_share_high,
       sessions, crash_free_sessions, CAST(crash_free_sessions AS double) / nullif(sessions, 0) AS crash_free_session_share,
       IF(sessions > 0, 0e0 + round(wilson_interval_lower(crash_free_sessions, sessions, 1.96e0), 6)) AS session_share_low,
       IF(sessions > 0, round(wilson_interval_upper(crash_free_sessions, sessions, 1.96e0), 6)) AS session_share_high,
       active_users < 30 AS is_small
FROM counted

-- Which versions are in use? One row per version that an installation runs which was sighted in the last 30 days of data.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- users: Known users with an active installation that runs the version; one with two versions counts in both.
-- share: Of the known users with any active installation of the service, the part that runs this version.
-- users_7_days: Of users, those sighted with it in the last 7 days of data.
-- users_1_day: Of users, those sighted with it in the last day of data.
-- installations: Active installations of known users that run the version.
-- anonymous_sessions: Sessions of nobody known, sighted with it in the last 30 days of data.
-- first_seen_at: First sighting of the version ever, UTC.
-- last_seen_at: Last sighting of the version, UTC.
-- share_low: Lower end of the share's 95 % interval, by Wilson; NULL: no known user has the service.
-- share_high: Its upper end.
-- is_small: Whether the known users of the service are fewer than 30: the share says little.
WITH ended AS (
  SELECT max(last_seen_at) AS at FROM gold.users
), totals AS (
  SELECT service, count(DISTINCT user_id) AS users FROM active_installations WHERE user_kind = 'user' GROUP BY service
), counted AS (
  SELECT a.service, a.version, a.version_rank,
         count(DISTINCT a.user_id) FILTER (WHERE a.user_kind = 'user') AS users,
         count(DISTINCT a.user_id) FILTER (WHERE a.user_kind = 'user' AND a.last_seen_at > e.at - INTERVAL '7' DAY) AS users_7_days,
         count(DISTINCT a.user_id) FILTER (WHERE a.user_kind = 'user' AND a.last_seen_at > e.at - INTERVAL '1' DAY) AS users_1_day,
         count(*) FILTER (WHERE a.user_kind = 'user') AS installations,
         count(DISTINCT a.user_id) FILTER (WHERE a.user_kind = 'session') AS anonymous_sessions
  FROM active_installations AS a
  CROSS JOIN ended AS e
  GROUP BY 1, 2, 3
)
SELECT c.service, c.version, c.version_rank, c.users, CAST(c.users AS double) / t.users AS share, c.users_7_days, c.users_1_day,
       c.installations, c.anonymous_sessions, v.first_seen_at, v.last_seen_at,
       IF(t.users > 0, 0e0 + round(wilson_interval_lower(c.users, t.users, 1.96e0), 6)) AS share_low,
       IF(t.users > 0, round(wilson_interval_upper(c.users, t.users, 1.96e0), 6)) AS share_high,
       coalesce(t.users, 0) < 30 AS is_small
FROM counted AS c
JOIN versions AS v ON v.service = c.service AND v.version = c.version
LEFT JOIN totals AS t ON t.service = c.service

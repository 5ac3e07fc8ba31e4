-- One row per device that telemetry names. Installations without one are not in it.
--
-- device: Device.
-- users: Known users who ever ran anything on it.
-- installations: Installations (user, service, device) of known users on it.
-- anonymous_sessions: Sessions on it of nobody known.
-- first_seen_at: First sighting of a version on it, UTC.
-- last_seen_at: Last sighting of a version on it, UTC.
SELECT device,
       count(DISTINCT user_id) FILTER (WHERE user_kind = 'user') AS users,
       count(DISTINCT ROW(user_id, service)) FILTER (WHERE user_kind = 'user') AS installations,
       count(DISTINCT user_id) FILTER (WHERE user_kind = 'session') AS anonymous_sessions,
       min(valid_from) AS first_seen_at, max(last_seen_at) AS last_seen_at
FROM version_intervals
WHERE device IS NOT NULL
GROUP BY device

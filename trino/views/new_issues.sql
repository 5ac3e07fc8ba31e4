-- Which issues came with a version? One row per code of an issue of a known user that no older comparable version ever had, where an older one
-- was active, over all events.
--
-- service: Service or product.
-- version: The oldest version with the code.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- code: Code of the issue.
-- issues: Issue events of the code by known users while they ran the version.
-- affected_users: Known users with such an event.
-- active_users: Known users with any event while they ran the version.
-- affected_share: affected_users / active_users.
-- share_low: Lower end of that share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the share says little.
-- first_seen_at: First such event, UTC.
-- later_versions: Versions newer than it that have the code, too.
WITH happened AS (
  SELECT service, version, code, count(*) AS issues, count(DISTINCT user_id) AS users, min(event_time) AS first_seen_at
  FROM events
  WHERE event_name = 'Issue' AND user_kind = 'user' AND version IS NOT NULL AND code IS NOT NULL
  GROUP BY 1, 2, 3
), active AS (
  SELECT w.service, w.version, w.users, v.version_rank, v.version_class, min(v.version_rank) OVER (PARTITION BY w.service, v.version_class) AS oldest_rank
  FROM (SELECT service, version, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' AND version IS NOT NULL GROUP BY 1, 2) AS w
  JOIN versions AS v ON v.service = w.service AND v.version = w.version
  WHERE v.version_class IS NOT NULL
), placed AS (
  SELECT h.service, h.version, a.version_rank, a.oldest_rank, h.code, h.issues, h.users, a.users AS active_users, h.first_seen_at,
         rank() OVER (PARTITION BY h.service, h.code, a.version_class ORDER BY a.version_rank) AS place,
         count(*) OVER (PARTITION BY h.service, h.code, a.version_class) - count(*) OVER (PARTITION BY h.service, h.code, a.version_class ORDER BY a.version_rank) AS later
  FROM happened AS h
  JOIN active AS a ON a.service = h.service AND a.version = h.version
)
SELECT service, version, version_rank, code, issues, users AS affected_users, active_users, CAST(users AS double) / active_users AS affected_share,
       0e0 + round(wilson_interval_lower(users, active_users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(users, active_users, 1.96e0), 6) AS share_high,
       active_users < 30 AS is_small, first_seen_at, later AS later_versions
FROM placed
WHERE place = 1 AND version_rank > oldest_rank

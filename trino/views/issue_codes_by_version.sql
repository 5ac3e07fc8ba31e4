-- Which issues has a version? One row per code and severity with an issue of a known user, over all events.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- code: Code of the issue, NULL where the event does not say.
-- severity: Severity, NULL where the event does not say.
-- issues: Such Issue events of known users while they ran the version.
-- affected_users: Known users with such an issue.
-- active_users: Known users with any event while they ran the version.
-- issues_per_thousand_users: Such issues per thousand active users.
-- per_thousand_users_low: Lower end of that rate's 95 % interval, by Byar, as in issues_by_version.
-- per_thousand_users_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the rate says little.
WITH active AS (
  SELECT service, version, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' AND version IS NOT NULL GROUP BY 1, 2
), happened AS (
  SELECT service, version, code, severity, count(*) AS issues, count(DISTINCT user_id) AS users
  FROM events
  WHERE event_name = 'Issue' AND user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2, 3, 4
)
SELECT h.service, h.version, v.version_rank, h.code, h.severity, h.issues, h.users AS affected_users,
       a.users AS active_users, 1000e0 * h.issues / a.users AS issues_per_thousand_users,
       IF(h.issues > 0, round(1000e0 / a.users * h.issues * power(1 - 1e0 / (9 * h.issues) - 1.96e0 / (3 * sqrt(h.issues)), 3), 6), 0e0) AS per_thousand_users_low,
       round(1000e0 / a.users * (h.issues + 1) * power(1 - 1e0 / (9 * (h.issues + 1)) + 1.96e0 / (3 * sqrt(h.issues + 1)), 3), 6) AS per_thousand_users_high, a.users < 30 AS is_small
FROM happened AS h
JOIN active AS a ON a.service = h.service AND a.version = h.version
JOIN versions AS v ON v.service = h.service AND v.version = h.version

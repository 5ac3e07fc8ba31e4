-- Which features and issues should a new version look at? Rates per thousand active users, against the active version before it in order.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- previous_version: The version before it in order, of those that are comparable with it, that had active users.
-- kind: feature or issue.
-- name: The feature, or the code of the issue.
-- events: Uses of the feature, or issues of the code, of known users while they ran the version; 0: only the version before had any.
-- users: Known users with such an event.
-- per_thousand_users: events per thousand known users with any event while they ran the version.
-- previous_per_thousand_users: The same of the version before it.
-- change: per_thousand_users less previous_per_thousand_users: above 0, more of it than before.
-- per_thousand_users_low: Lower end of the 95 % interval of per_thousand_users, by Byar, as in issues_by_version.
-- per_thousand_users_high: Its upper end.
-- is_small: Whether the users of the version, or those of the one before, are fewer than 30: the rates say little.
WITH happened AS (
  SELECT service, version, IF(event_name = 'Issue', 'issue', 'feature') AS kind, IF(event_name = 'Issue', code, feature) AS name,
         count(*) AS events, count(DISTINCT user_id) AS users
  FROM events
  WHERE event_name IN ('FeatureUsed', 'Issue') AND user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2, 3, 4
), active AS (
  SELECT service, version, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' AND version IS NOT NULL GROUP BY 1, 2
), ordered AS (
  SELECT a.service, a.version, v.version_rank, a.users AS active_users,
         lag(a.version) OVER in_order AS previous_version, lag(a.users) OVER in_order AS previous_users
  FROM active AS a
  JOIN versions AS v ON v.service = a.service AND v.version = a.version
  WHERE v.version_class IS NOT NULL
  WINDOW in_order AS (PARTITION BY a.service, v.version_class ORDER BY v.version_rank, a.version)
), rated AS (
  SELECT o.service, o.version, o.version_rank, o.previous_version, h.kind, h.name,
         coalesce(sum(h.events) FILTER (WHERE h.version = o.version), 0) AS events,
         coalesce(sum(h.users) FILTER (WHERE h.version = o.version), 0) AS users,
         coalesce(1000e0 * sum(h.events) FILTER (WHERE h.version = o.version) / max(o.active_users), 0) AS per_thousand_users,
         coalesce(1000e0 * sum(h.events) FILTER (WHERE h.version = o.previous_version) / max(o.previous_users), 0) AS previous_per_thousand_users,
         max(o.active_users) AS active_users, max(o.previous_users) AS previous_users
  FROM ordered AS o
  JOIN happened AS h ON h.service = o.service AND h.version IN (o.version, o.previous_version)
  WHERE o.previous_version IS NOT NULL AND h.name IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT service, version, version_rank, previous_version, kind, name, events, users, per_thousand_users, previous_per_thousand_users,
       per_thousand_users - previous_per_thousand_users AS change,
       IF(events > 0, round(1000e0 / active_users * events * power(1 - 1e0 / (9 * events) - 1.96e0 / (3 * sqrt(events)), 3), 6), 0e0) AS per_thousand_users_low,
       round(1000e0 / active_users * (events + 1) * power(1 - 1e0 / (9 * (events + 1)) + 1.96e0 / (3 * sqrt(events + 1)), 3), 6) AS per_thousand_users_high,
       least(active_users, previous_users) < 30 AS is_small
FROM rated

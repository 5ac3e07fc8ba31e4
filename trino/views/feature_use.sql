-- What use is made of features, new ones above all? One row per feature and version with a use by a known user, over all events.
--
-- service: Service or product.
-- feature: Feature.
-- version: Version in which it was used.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- first_version: The oldest version in which the feature was ever used, of those that are comparable with this one; NULL: this one has no order.
-- is_new: Whether this is that version, and an older one was active: the feature came with it.
-- uses: FeatureUsed events of known users while they ran the version.
-- users: Known users with such an event.
-- share: Of the known users with any event while they ran the version, the part that users are.
-- first_used_at: First such event, UTC.
-- last_used_at: Last such event, UTC.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether the known users with any event while they ran the version are fewer than 30: the share says little.
WITH used AS (
  SELECT service, feature, version, count(*) AS uses, count(DISTINCT user_id) AS users, min(event_time) AS first_used_at, max(event_time) AS last_used_at
  FROM events
  WHERE event_name = 'FeatureUsed' AND user_kind = 'user' AND feature IS NOT NULL AND version IS NOT NULL
  GROUP BY 1, 2, 3
), active AS (
  SELECT service, version, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' AND version IS NOT NULL GROUP BY 1, 2
), ranked AS (
  SELECT u.*, a.version_rank, a.active_users,
         IF(a.version_rank IS NOT NULL, first_value(u.version) OVER so_far) AS first_version,
         min(a.version_rank) OVER so_far = a.version_rank AND a.version_rank > a.oldest_rank AS is_new
  FROM used AS u
  JOIN (
    SELECT w.service, w.version, v.version_class, v.version_rank, w.users AS active_users,
           min(v.version_rank) OVER (PARTITION BY w.service, v.version_class) AS oldest_rank
    FROM active AS w
    JOIN versions AS v ON v.service = w.service AND v.version = w.version
  ) AS a ON a.service = u.service AND a.version = u.version
  WINDOW so_far AS (PARTITION BY u.service, u.feature, a.version_class ORDER BY a.version_rank, u.version)
)
SELECT service, feature, version, version_rank, first_version, coalesce(is_new, false) AS is_new,
       uses, users, CAST(users AS double) / active_users AS share, first_used_at, last_used_at,
       0e0 + round(wilson_interval_lower(users, active_users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(users, active_users, 1.96e0), 6) AS share_high,
       active_users < 30 AS is_small
FROM ranked

-- Which A/B tests run in which versions, and how do their variants fare? Known users, over all events.
--
-- service: Service or product.
-- experiment: Experiment.
-- variant: Variant.
-- version: Version in which the variant was met, NULL where it is not known.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- is_active: Whether an Experiment event of the experiment, in this version, lies in the last 7 days of data.
-- users: Known users with an Experiment event of the variant while they ran the version.
-- share: Of the known users with any variant of the experiment in the version, the part that users are.
-- users_in_several: Of users, those that met more than one variant of the experiment in the service, in any version.
-- issues_per_thousand_users: Issues of these users while they ran the version, per thousand of them.
-- mean_session_seconds: Mean duration, in seconds, of their sessions that ended in the version and tell one.
-- first_met_at: First such Experiment event, UTC.
-- last_met_at: Last such Experiment event, UTC.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether the known users with any variant of the experiment in the version are fewer than 30: the share says little.
-- per_thousand_users_low: Lower end of the 95 % interval of issues_per_thousand_users, by Byar, as in issues_by_version.
-- per_thousand_users_high: Its upper end.
-- is_small_variant: Whether users are fewer than 30: the rate and the mean say little.
WITH met AS (
  SELECT service, experiment, variant, version, user_id, min(event_time) AS first_met_at, max(event_time) AS last_met_at
  FROM events
  WHERE event_name = 'Experiment' AND user_kind = 'user' AND experiment IS NOT NULL AND variant IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5
), several AS (
  SELECT service, experiment, user_id FROM met GROUP BY 1, 2, 3 HAVING count(DISTINCT variant) > 1
), arms AS (
  SELECT service, experiment, version, count(DISTINCT user_id) AS users, max(last_met_at) AS last_met_at FROM met GROUP BY 1, 2, 3
), happened AS (
  SELECT service, version, user_id, count_if(event_name = 'Issue') AS issues, count(duration_seconds) AS ended, sum(duration_seconds) AS seconds
  FROM events
  WHERE user_kind = 'user' AND version IS NOT NULL AND (event_name = 'Issue' OR duration_seconds IS NOT NULL)
  GROUP BY 1, 2, 3
), counted AS (
  SELECT m.service, m.experiment, m.variant, m.version, count(*) AS users, count(s.user_id) AS users_in_several,
         sum(h.issues) AS issues, sum(h.ended) AS ended, sum(h.seconds) AS seconds,
         min(m.first_met_at) AS first_met_at, max(m.last_met_at) AS last_met_at
  FROM met AS m
  LEFT JOIN several AS s ON s.service = m.service AND s.experiment = m.experiment AND s.user_id = m.user_id
  LEFT JOIN happened AS h ON h.service = m.service AND h.version = m.version AND h.user_id = m.user_id
  GROUP BY 1, 2, 3, 4
)
SELECT c.service, c.experiment, c.variant, c.version, v.version_rank,
       a.last_met_at > (SELECT max(last_seen_at) FROM gold.users) - INTERVAL '7' DAY AS is_active,
       c.users, CAST(c.users AS double) / a.users AS share, c.users_in_several,
       IF(c.version IS NOT NULL, 1000e0 * coalesce(c.issues, 0) / c.users) AS issues_per_thousand_users, c.seconds / nullif(c.ended, 0) AS mean_session_seconds,
       c.first_met_at, c.last_met_at,
       0e0 + round(wilson_interval_lower(c.users, a.users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(c.users, a.users, 1.96e0), 6) AS share_high,
       a.users < 30 AS is_small,
       IF(c.version IS NOT NULL, IF(coalesce(c.issues, 0) > 0, round(1000e0 / c.users * coalesce(c.issues, 0) * power(1 - 1e0 / (9 * coalesce(c.issues, 0)) - 1.96e0 / (3 * sqrt(coalesce(c.issues, 0))), 3), 6), 0e0)) AS per_thousand_users_low,
       IF(c.version IS NOT NULL, round(1000e0 / c.users * (coalesce(c.issues, 0) + 1) * power(1 - 1e0 / (9 * (coalesce(c.issues, 0) + 1)) + 1.96e0 / (3 * sqrt(coalesce(c.issues, 0) + 1)), 3), 6)) AS per_thousand_users_high, c.users < 30 AS is_small_variant
FROM counted AS c
JOIN arms AS a ON a.service = c.service AND a.experiment = c.experiment AND coalesce(a.version, '') = coalesce(c.version, '')
LEFT JOIN versions AS v ON v.service = c.service AND v.version = c.version

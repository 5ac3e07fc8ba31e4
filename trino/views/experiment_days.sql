-- How do an experiment's variants fare over time? One row per day and variant with an event of a known user who met it, that day or before;
-- means with their variances, so that differences can be tested. Over all events.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- experiment: Experiment.
-- variant: Variant; a user who met several counts in each, from the day of the first meeting on.
-- users: Known users who met the variant on the day or before, and have an event in the service on the day.
-- issues: Their Issue events in the service on the day.
-- mean_issues: issues / users.
-- variance_issues: Variance of a user's issues on the day, of a sample; NULL: one user has none.
-- sessions_ended: Their SessionEnd events in the service on the day that tell a duration.
-- mean_session_seconds: Mean of these durations, in seconds.
-- variance_session_seconds: Variance of the durations, of a sample.
-- is_small: Whether users are fewer than 30: means say little.
WITH met AS (
  SELECT service, experiment, variant, user_id, date(min(event_time)) AS since
  FROM events
  WHERE event_name = 'Experiment' AND user_kind = 'user' AND experiment IS NOT NULL AND variant IS NOT NULL
  GROUP BY 1, 2, 3, 4
), happened AS (
  SELECT service, user_id, date(event_time) AS on_date, count_if(event_name = 'Issue') AS issues, count(duration_seconds) AS ended,
         sum(duration_seconds) AS seconds, sum(duration_seconds * duration_seconds) AS squares
  FROM events
  WHERE user_kind = 'user'
  GROUP BY 1, 2, 3
), summed AS (
  SELECT h.on_date, m.service, m.experiment, m.variant, count(*) AS users, sum(h.issues) AS issues, var_samp(h.issues) AS variance_issues,
         sum(h.ended) AS ended, sum(h.seconds) AS seconds, sum(h.squares) AS squares
  FROM met AS m
  JOIN happened AS h ON h.service = m.service AND h.user_id = m.user_id AND h.on_date >= m.since
  GROUP BY 1, 2, 3, 4
)
SELECT on_date AS date_utc, service, experiment, variant, users, issues, CAST(issues AS double) / users AS mean_issues, round(variance_issues, 6) AS variance_issues,
       ended AS sessions_ended, seconds / nullif(ended, 0) AS mean_session_seconds,
       IF(ended > 1, round((squares - seconds * seconds / ended) / (ended - 1), 3)) AS variance_session_seconds, users < 30 AS is_small
FROM summed

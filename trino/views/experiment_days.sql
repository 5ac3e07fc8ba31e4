-- How do an experiment's variants fare over time? One row per day and variant with an event of a known user who met it, that day or before;
-- means with their variances, so that differences can be tested. Over all events. Users are told
-- apart by 64 bits of a hash: among a million, two count as one with a chance of three in 100 million.
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
WITH meetings AS (
  SELECT service, experiment, variant, from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), service, experiment, variant)))) AS arm,
         from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), user_id, service)))) AS who, date(event_time) AS on_date
  FROM events
  WHERE event_name = 'Experiment' AND user_kind = 'user' AND experiment IS NOT NULL AND variant IS NOT NULL
), met AS ( -- told apart by hashes: by texts it takes twice the memory
  SELECT arm, who, min(on_date) AS since FROM meetings GROUP BY 1, 2
), happened AS (
  SELECT m.arm, e.on_date, e.who, e.event_name, e.duration_seconds
  FROM (
    SELECT from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), user_id, service)))) AS who, date(event_time) AS on_date, event_name, duration_seconds
    FROM events WHERE user_kind = 'user'
  ) AS e
  JOIN met AS m ON m.who = e.who AND m.since <= e.on_date
), of_users AS (
  SELECT arm, on_date, count(*) AS users, sum(issues) AS issues, var_samp(issues) AS variance_issues
  FROM (SELECT arm, on_date, who, count_if(event_name = 'Issue') AS issues FROM happened GROUP BY 1, 2, 3)
  GROUP BY 1, 2
), of_sessions AS (
  SELECT arm, on_date, count(*) AS ended, sum(duration_seconds) AS seconds, sum(duration_seconds * duration_seconds) AS squares
  FROM happened WHERE duration_seconds IS NOT NULL GROUP BY 1, 2
)
SELECT u.on_date AS date_utc, a.service, a.experiment, a.variant, u.users, u.issues, CAST(u.issues AS double) / u.users AS mean_issues,
       round(u.variance_issues, 6) AS variance_issues, coalesce(s.ended, 0) AS sessions_ended, s.seconds / s.ended AS mean_session_seconds,
       IF(s.ended > 1, round((s.squares - s.seconds * s.seconds / s.ended) / (s.ended - 1), 3)) AS variance_session_seconds, u.users < 30 AS is_small
FROM of_users AS u
JOIN (SELECT DISTINCT service, experiment, variant, arm FROM meetings) AS a ON a.arm = u.arm
LEFT JOIN of_sessions AS s ON s.arm = u.arm AND s.on_date = u.on_date

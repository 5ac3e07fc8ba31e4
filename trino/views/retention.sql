-- Who comes back, and when? Classic retention: one row per cohort and day since. A cohort are the known users who first ran a version
-- on one day; whoever of them has an event in the service on the n-th day after counts for day n, whatever version runs then.
-- version_retention has the rolling kind, which counts those who come back then or later.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- cohort_date: Day of UTC on which the cohort first ran the version.
-- day: Days since then, from 0 to 30, up to the day of the end of data. That last day is not over yet.
-- users: Known users of the cohort. Adds up over cohort_date for one day.
-- retained: Of users, those with an event in the service on that day. Adds up over cohort_date for one day.
-- retention: retained / users. Does not add up: a curve of a version is sum(retained) / sum(users) by day.
WITH adopted AS (
  SELECT service, version, user_id, date(min(valid_from)) AS since FROM version_intervals WHERE user_kind = 'user' GROUP BY 1, 2, 3
), cohorts AS (
  SELECT service, version, since, count(*) AS users FROM adopted GROUP BY 1, 2, 3
), seen AS (
  SELECT DISTINCT service, user_id, date(event_time) AS on_date FROM events WHERE user_kind = 'user'
), returned AS (
  SELECT a.service, a.version, a.since, date_diff('day', a.since, s.on_date) AS day, count(*) AS retained
  FROM adopted AS a
  JOIN seen AS s ON s.service = a.service AND s.user_id = a.user_id AND s.on_date BETWEEN a.since AND a.since + INTERVAL '30' DAY
  GROUP BY 1, 2, 3, 4
), ended AS (
  SELECT date(max(last_seen_at)) AS on_date FROM gold.users
)
SELECT c.service, c.version, v.version_rank, c.since AS cohort_date, n.day, c.users, coalesce(r.retained, 0) AS retained,
       CAST(coalesce(r.retained, 0) AS double) / c.users AS retention
FROM cohorts AS c
CROSS JOIN ended AS e
CROSS JOIN UNNEST(sequence(0, least(30, date_diff('day', c.since, e.on_date)))) AS n (day)
JOIN versions AS v ON v.service = c.service AND v.version = c.version
LEFT JOIN returned AS r ON r.service = c.service AND r.version = c.version AND r.since = c.since AND r.day = n.day

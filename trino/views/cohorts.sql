-- Who stays, by where they came from? One row per cohort and day since. A cohort are the known users whose first version in a service, and whose
-- source of installation, are the same; day n of a user is the n-th after that of the first sighting in the service. Over all events.
--
-- service: Service or product.
-- first_version: Version of the user's first sighting in the service.
-- version_rank: Place of that version among those of its service, 1 is the oldest.
-- source: Source of the user's first Install event in the service, NULL where there is none or it names none.
-- day: Days since the first sighting's, 0 to 30.
-- users: Known users of the cohort whose day n is over, or is that of the end of data.
-- retained: Of them, those with an event in the service on that day.
-- share: retained / users.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether users are fewer than 30: the share says little.
WITH began AS (
  SELECT service, user_id, date(min(valid_from)) AS since, min_by(version, ROW(valid_from, coalesce(device, ''), version)) AS version
  FROM version_intervals WHERE user_kind = 'user' GROUP BY 1, 2
), came AS (
  SELECT service, user_id, min_by(coalesce(source, ''), ROW(event_time, coalesce(source, ''))) AS source
  FROM events WHERE event_name = 'Install' AND user_kind = 'user' GROUP BY 1, 2
), members AS (
  SELECT b.service, b.user_id, b.since, b.version, nullif(c.source, '') AS source
  FROM began AS b LEFT JOIN came AS c ON c.service = b.service AND c.user_id = b.user_id
), seen AS (
  SELECT DISTINCT service, user_id, date(event_time) AS on_date FROM events WHERE user_kind = 'user'
), returned AS (
  SELECT m.service, m.version, m.source, date_diff('day', m.since, s.on_date) AS day, count(*) AS retained
  FROM members AS m
  JOIN seen AS s ON s.service = m.service AND s.user_id = m.user_id AND s.on_date BETWEEN m.since AND m.since + INTERVAL '30' DAY
  GROUP BY 1, 2, 3, 4
), followed AS (
  SELECT m.service, m.version, m.source, d.day, count(*) AS users
  FROM members AS m
  CROSS JOIN (SELECT date(max(last_seen_at)) AS on_date FROM gold.users) AS e
  CROSS JOIN UNNEST(sequence(0, least(30, date_diff('day', m.since, e.on_date)))) AS d (day)
  GROUP BY 1, 2, 3, 4
)
SELECT f.service, f.version AS first_version, v.version_rank, f.source, f.day, f.users, coalesce(r.retained, 0) AS retained,
       CAST(coalesce(r.retained, 0) AS double) / f.users AS share,
       0e0 + round(wilson_interval_lower(coalesce(r.retained, 0), f.users, 1.96e0), 6) AS share_low,
       round(wilson_interval_upper(coalesce(r.retained, 0), f.users, 1.96e0), 6) AS share_high, f.users < 30 AS is_small
FROM followed AS f
JOIN versions AS v ON v.service = f.service AND v.version = f.version
LEFT JOIN returned AS r ON r.service = f.service AND r.version = f.version AND r.source IS NOT DISTINCT FROM f.source AND r.day = f.day

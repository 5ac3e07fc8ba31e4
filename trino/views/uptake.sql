-- How fast is a release taken up? One row per release and day of its first 180. Who is active on a day, that is a known user with an
-- event in the 28 days up to it, counts once a service: for the version of the last event up to the day's end that has one.
--
-- service: Service or product.
-- version: Version of the release.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- channel: Channel of the release.
-- released_at: When it was released, UTC.
-- day: Days since that of the release, which is 0.
-- date_utc: That day, UTC.
-- users: Active users who ran the version.
-- base_users: Active users who ran any version of the channel; a version that nobody told of is stable.
-- share: users / base_users.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether base_users are fewer than 30: the share says little.
-- previous_version: The next older release of the class and channel that is as many days old.
-- previous_share: Its share on its day of the same number.
WITH lasting AS (
  SELECT service, user_id, date(event_time) AS on_date, max_by(version, ROW(event_time, version)) AS version
  FROM gold.events
  WHERE user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2, 3
), spans AS (
  SELECT service, version, on_date AS begins,
         least(on_date + INTERVAL '28' DAY, coalesce(lead(on_date) OVER (PARTITION BY service, user_id ORDER BY on_date), on_date + INTERVAL '28' DAY)) AS ends
  FROM lasting
), moves AS (
  SELECT s.service, s.version, m.on_date, sum(m.users) AS users
  FROM spans AS s CROSS JOIN UNNEST(ARRAY[s.begins, s.ends], ARRAY[1, -1]) AS m (on_date, users)
  GROUP BY 1, 2, 3
), days AS ( -- the releases' days, that a sum over the moves before each is wanted for
  SELECT m.service, m.version, NULL AS version_rank, NULL AS version_class, coalesce(t.channel, 'stable') AS channel, NULL AS released_at,
         NULL AS day, m.on_date, m.users
  FROM moves AS m LEFT JOIN ops.releases AS t ON t.service = m.service AND t.version = m.version
  UNION ALL
  SELECT r.service, r.version, r.version_rank, r.version_class, r.channel, r.released_at, d.day, date_add('day', d.day, date(r.released_at)), 0
  FROM releases AS r
  CROSS JOIN (SELECT date(max(last_seen_at)) AS on_date FROM gold.users) AS e
  CROSS JOIN UNNEST(sequence(0, least(180, date_diff('day', date(r.released_at), e.on_date)))) AS d (day)
  WHERE date(r.released_at) <= e.on_date
), summed AS (
  SELECT *, sum(users) OVER (PARTITION BY service, version ORDER BY on_date) AS active, sum(users) OVER (PARTITION BY service, channel ORDER BY on_date) AS base
  FROM days
), shared AS (
  SELECT service, version, version_rank, version_class, channel, released_at, day, on_date, active, base, CAST(active AS double) / nullif(base, 0) AS share
  FROM summed
  WHERE day IS NOT NULL
)
SELECT service, version, version_rank, channel, released_at, day, on_date AS date_utc, active AS users, base AS base_users, share,
       IF(base > 0, 0e0 + round(wilson_interval_lower(active, base, 1.96e0), 6)) AS share_low,
       IF(base > 0, round(wilson_interval_upper(active, base, 1.96e0), 6)) AS share_high,
       base < 30 AS is_small, lag(version) OVER as_old AS previous_version, lag(share) OVER as_old AS previous_share
FROM shared
WINDOW as_old AS (PARTITION BY service, version_class, channel, day ORDER BY version_rank, version)

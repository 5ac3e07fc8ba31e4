-- How fast is a release taken up? One row per release and day of its first 180. Who is active on a day, that is a known user with an
-- event in the 28 days up to it, counts once a service: for the version of the last event up to the day's end that has one. Users are told
-- apart by 64 bits of a hash: among a million, two count as one with a chance of three in 100 million.
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
WITH numbered AS (
  SELECT service, version, row_number() OVER (ORDER BY service, version) - 1 AS number FROM gold.versions
), daily AS ( -- each user's last version of a day: its number is the last 26 bits of the moment's; users by a hash, as by texts it takes twice the memory and the time
  SELECT bitwise_xor(from_big_endian_64(xxhash64(to_utf8(e.user_id))), from_big_endian_64(xxhash64(to_utf8(e.service)))) AS who,
         CAST(floor(to_unixtime(e.event_time) / 86400) AS bigint) AS day,
         max((CAST(round(1e6 * to_unixtime(e.event_time)) AS bigint) - 86400000000 * CAST(floor(to_unixtime(e.event_time) / 86400) AS bigint)) * 67108864 + v.number) AS last
  FROM gold.events AS e
  JOIN numbered AS v ON v.service = e.service AND v.version = e.version
  WHERE e.user_kind = 'user'
  GROUP BY 1, 2
), seen AS (
  SELECT who, array_sort(array_agg(day * 67108864 + last % 67108864)) AS days FROM daily GROUP BY 1
), spans AS ( -- from each of these days on
  SELECT d.this % 67108864 AS number, d.this / 67108864 AS begins, least(d.this / 67108864 + 28, coalesce(d.next / 67108864, d.this / 67108864 + 28)) AS ends, count(*) AS users
  FROM seen CROSS JOIN UNNEST(days, slice(days, 2, cardinality(days))) AS d (this, next)
  GROUP BY 1, 2, 3
), moves AS (
  SELECT v.service, v.version, date_add('day', m.day, DATE '1970-01-01') AS on_date, sum(m.users) AS users
  FROM spans AS s
  JOIN numbered AS v ON v.number = s.number
  CROSS JOIN UNNEST(ARRAY[s.begins, s.ends], ARRAY[s.users, -s.users]) AS m (day, users)
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

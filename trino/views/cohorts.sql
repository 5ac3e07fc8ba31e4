-- Who stays, by where they came from? One row per cohort and day since. A cohort are the known users whose first version in a service, and whose
-- source of installation, are the same; day n of a user is the n-th after that of the first sighting in the service. Over all events.
-- Users are told apart by 64 bits of a hash: among a million, two count as one with a chance of three in 100 million.
--
-- service: Service or product.
-- first_version: Version of the user's first sighting in the service.
-- version_rank: Place of that version among those of its service, 1 is the oldest.
-- source: Source of the user's first Install event in the service, NULL where there is none or it names none.
-- day: Days since the first sighting's, 0 to 30, of those that are over: all of the day's hours were ingested, which no wrong clock can make up.
-- users: Known users of the cohort whose day n is over.
-- retained: Of them, those with an event in the service on that day.
-- share: retained / users.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether users are fewer than 30: the share says little.
WITH began AS ( -- a history is in order: of those of a service, its first interval has the first moment
  SELECT h.service, h.version, date(h.valid_from) AS since, from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), u.user_id, h.service)))) AS who
  FROM (SELECT user_id, history, transform(history, h -> h.service) AS services FROM gold.users WHERE user_kind = 'user') AS u
  CROSS JOIN UNNEST(u.history) WITH ORDINALITY AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade, place)
  WHERE h.place = array_position(u.services, h.service)
), installs AS (
  SELECT from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), user_id, service)))) AS who, coalesce(source, '') AS source,
         CAST(round(1e6 * to_unixtime(event_time)) AS decimal(38, 0)) AS at
  FROM events WHERE event_name = 'Install' AND user_kind = 'user'
), sources AS (
  SELECT source, row_number() OVER (ORDER BY source) AS number FROM (SELECT DISTINCT source FROM installs)
), came AS ( -- the first install's source: the smallest of numbers that begin with the moment
  SELECT i.who, CAST(min(i.at * 1000000000000 + s.number) % 1000000000000 AS bigint) AS source FROM installs AS i JOIN sources AS s ON s.source = i.source GROUP BY 1
), members AS (
  SELECT b.service, b.version, c.source, b.since, b.who,
         from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), b.service, b.version, CAST(c.source AS varchar))))) AS cohort
  FROM began AS b LEFT JOIN came AS c ON c.who = b.who
), seen AS ( -- told apart by hashes: by texts it takes three times the memory
  SELECT DISTINCT from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), user_id, service)))) AS who, date(event_time) AS on_date
  FROM events WHERE user_kind = 'user'
), ended AS ( -- the day after the last one that is over
  SELECT least(date(h.at), date(u.at) + INTERVAL '1' DAY) AS on_date
  FROM (SELECT max(hour_utc) + INTERVAL '1' HOUR AS at FROM ops.hours) AS h CROSS JOIN (SELECT max(last_seen_at) AS at FROM gold.users) AS u
), returned AS (
  SELECT m.cohort, date_diff('day', m.since, s.on_date) AS day, count(*) AS retained
  FROM seen AS s
  JOIN members AS m ON m.who = s.who AND s.on_date BETWEEN m.since AND m.since + INTERVAL '30' DAY
  CROSS JOIN ended AS e
  WHERE s.on_date < e.on_date
  GROUP BY 1, 2
), followed AS (
  SELECT m.service, m.version, m.source, m.cohort, d.day, sum(m.users) AS users
  FROM (SELECT service, version, source, cohort, since, count(*) AS users FROM members GROUP BY 1, 2, 3, 4, 5) AS m
  CROSS JOIN ended AS e
  CROSS JOIN UNNEST(sequence(0, least(30, date_diff('day', m.since, e.on_date) - 1))) AS d (day)
  WHERE m.since < e.on_date
  GROUP BY 1, 2, 3, 4, 5
), grouped AS ( -- an install without a source counts as none
  SELECT f.service, f.version, nullif(s.source, '') AS source, f.day, sum(f.users) AS users, coalesce(sum(r.retained), 0) AS retained
  FROM followed AS f
  LEFT JOIN returned AS r ON r.cohort = f.cohort AND r.day = f.day
  LEFT JOIN sources AS s ON s.number = f.source
  GROUP BY 1, 2, 3, 4
)
SELECT g.service, g.version AS first_version, v.version_rank, g.source, g.day, g.users, g.retained, CAST(g.retained AS double) / g.users AS share,
       0e0 + round(wilson_interval_lower(g.retained, g.users, 1.96e0), 6) AS share_low,
       round(wilson_interval_upper(g.retained, g.users, 1.96e0), 6) AS share_high, g.users < 30 AS is_small
FROM grouped AS g
JOIN versions AS v ON v.service = g.service AND v.version = g.version

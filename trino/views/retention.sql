-- Who comes back, and when? Classic retention: one row per cohort and day since. A cohort are the known users who first ran a version
-- on one day; whoever of them has an event in the service on the n-th day after counts for day n, whatever version runs then.
-- version_retention has the rolling kind, which counts those who come back then or later. Users are told apart by 64 bits of a hash: among
-- a million, two count as one with a chance of three in 100 million.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- cohort_date: Day of UTC on which the cohort first ran the version.
-- day: Days since then, from 0 to 30, of those that are over: all of the day's hours were ingested, which no wrong clock can make up.
-- users: Known users of the cohort. Adds up over cohort_date for one day.
-- retained: Of users, those with an event in the service on that day. Adds up over cohort_date for one day.
-- retention: retained / users. Does not add up: a curve of a version is sum(retained) / sum(users) by day.
WITH adopted AS ( -- a history is in order: of those of a version, its first interval has the first moment
  SELECT h.service, h.version, date(h.valid_from) AS since, from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), u.user_id, h.service)))) AS who,
         from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), h.service, h.version, CAST(date(h.valid_from) AS varchar))))) AS cohort
  FROM (SELECT user_id, history, transform(history, h -> ROW(h.service, h.version)) AS versions FROM gold.users WHERE user_kind = 'user') AS u
  CROSS JOIN UNNEST(u.history) WITH ORDINALITY AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade, place)
  WHERE h.place = array_position(u.versions, ROW(h.service, h.version))
), cohorts AS (
  SELECT service, version, since, cohort, count(*) AS users FROM adopted GROUP BY 1, 2, 3, 4
), seen AS ( -- told apart by hashes: by texts it takes twice the memory
  SELECT DISTINCT from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), user_id, service)))) AS who, date(event_time) AS on_date
  FROM events WHERE user_kind = 'user'
), returned AS (
  SELECT a.cohort, date_diff('day', a.since, s.on_date) AS day, count(*) AS retained
  FROM seen AS s
  JOIN adopted AS a ON a.who = s.who AND s.on_date BETWEEN a.since AND a.since + INTERVAL '30' DAY
  GROUP BY 1, 2
), ended AS ( -- the day after the last one that is over
  SELECT least(date(h.at), date(u.at) + INTERVAL '1' DAY) AS on_date
  FROM (SELECT max(hour_utc) + INTERVAL '1' HOUR AS at FROM ops.hours) AS h CROSS JOIN (SELECT max(last_seen_at) AS at FROM gold.users) AS u
)
SELECT c.service, c.version, v.version_rank, c.since AS cohort_date, n.day, c.users, coalesce(r.retained, 0) AS retained,
       CAST(coalesce(r.retained, 0) AS double) / c.users AS retention
FROM cohorts AS c
CROSS JOIN ended AS e
CROSS JOIN UNNEST(sequence(0, least(30, date_diff('day', c.since, e.on_date) - 1))) AS n (day)
JOIN versions AS v ON v.service = c.service AND v.version = c.version
LEFT JOIN returned AS r ON r.cohort = c.cohort AND r.day = n.day
WHERE c.since < e.on_date

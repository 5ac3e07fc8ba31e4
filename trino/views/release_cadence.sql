-- How often do releases come, and are they taken up before the next one? One row per version that was the newest when it was first sighted.
-- Versions without an order are no releases.
--
-- service: Service or product.
-- version: Version: a release, newer than every version of the service sighted before it that is comparable.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- released_at: Its first sighting, UTC.
-- days_since_previous: Days since the release before it; NULL: the first one in the data.
-- days_until_next: Days until the next release; NULL: there is none yet.
-- users: Known users who ever ran the version.
-- days_to_half: Days from its first sighting until half of these users (rounded up) had run it.
-- users_before_next: Of users, those who first ran it before the next release; all of them when there is none yet.
-- share_before_next: users_before_next / users: a low share says that releases come faster than users take them.
WITH released AS (
  SELECT service, version, version_rank, version_class, first_seen_at AS released_at,
         coalesce(max(version_rank) OVER (PARTITION BY service, version_class ORDER BY first_seen_at, version_rank DESC, version
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < version_rank AS is_release
  FROM versions
  WHERE version_class IS NOT NULL
), ordered AS (
  SELECT service, version, version_rank, released_at,
         lag(released_at) OVER in_order AS previous_at, lead(released_at) OVER in_order AS next_at
  FROM released
  WHERE is_release
  WINDOW in_order AS (PARTITION BY service, version_class ORDER BY version_rank)
), adopted AS ( -- a history is in order: of those of a version, its first interval has the first moment
  SELECT h.service, h.version, CAST(round(1e6 * to_unixtime(h.valid_from)) AS bigint) AS since -- as a number it takes half the memory
  FROM (SELECT history, transform(history, h -> ROW(h.service, h.version)) AS versions FROM gold.users WHERE user_kind = 'user') AS u
  CROSS JOIN UNNEST(u.history) WITH ORDINALITY AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade, place)
  WHERE h.place = array_position(u.versions, ROW(h.service, h.version))
), taken AS (
  SELECT o.service, o.version, count(a.since) AS users, array_sort(array_agg(a.since) FILTER (WHERE a.since IS NOT NULL)) AS times,
         count(a.since) FILTER (WHERE o.next_at IS NULL OR a.since < CAST(round(1e6 * to_unixtime(o.next_at)) AS bigint)) AS before_next
  FROM ordered AS o
  LEFT JOIN adopted AS a ON a.service = o.service AND a.version = o.version
  GROUP BY 1, 2
)
SELECT o.service, o.version, o.version_rank, o.released_at,
       date_diff('millisecond', o.previous_at, o.released_at) / 86400e3 AS days_since_previous,
       date_diff('millisecond', o.released_at, o.next_at) / 86400e3 AS days_until_next,
       t.users, date_diff('millisecond', o.released_at, CAST(from_unixtime_nanos(1000 * element_at(t.times, (cardinality(t.times) + 1) / 2)) AS timestamp(6) with time zone)) / 86400e3 AS days_to_half,
       t.before_next AS users_before_next, CAST(t.before_next AS double) / nullif(t.users, 0) AS share_before_next
FROM ordered AS o
JOIN taken AS t ON t.service = o.service AND t.version = o.version

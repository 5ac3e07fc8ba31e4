-- Which releases are there? One row per version that has an order and was released: people told so (versionlake releases import),
-- or enough known users ran it, which a single wrong clock can't make up: five, and a thousandth of those that were active at the end of data.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- version_class: Only releases of one class are older or newer than each other, as in versions.
-- version_line: The first two numbers of the version, such as 1.22; NULL: it has no two.
-- channel: For whom it is; stable where nobody told.
-- kind: What kind of release it is; NULL: nobody told.
-- released_at: When it was released, UTC: as people told, else when enough known users had first run it.
-- is_told: Whether people told of the release.
-- is_current: Whether it is the newest release of its service, class and channel.
-- releases_behind: Releases of its service, class and channel that are newer.
-- minimum_supported: Oldest version of the service that is supported from this release on; NULL: nobody told.
-- end_of_support: When support of the version ends, UTC; NULL: nobody told.
-- is_supported: Whether that lies after the end of data; NULL: nobody told.
-- notes_url: Where its notes are; NULL: nobody told.
WITH ended AS (
  SELECT max(last_seen_at) AS at FROM gold.users
), active AS (
  SELECT s.service, count(*) AS users
  FROM gold.users AS u CROSS JOIN ended AS e
  CROSS JOIN UNNEST(array_distinct(transform(filter(u.history, h -> h.last_seen_at > e.at - INTERVAL '28' DAY), h -> h.service))) AS s (service)
  WHERE u.user_kind = 'user' AND u.last_seen_at > e.at - INTERVAL '28' DAY
  GROUP BY 1
), ran AS ( -- most users have one interval of each version, and need no group
  SELECT h.service, h.version, h.valid_from AS since
  FROM gold.users AS u
  CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)
  WHERE u.user_kind = 'user' AND u.version_count = cardinality(u.history) AND u.intervals_cut IS NULL
  UNION ALL
  SELECT h.service, h.version, min(h.valid_from)
  FROM gold.users AS u
  CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)
  WHERE u.user_kind = 'user' AND (u.version_count <> cardinality(u.history) OR u.intervals_cut IS NOT NULL)
  GROUP BY h.service, h.version, u.user_id
), enough AS ( -- more than 10,000 users Trino does not number so
  SELECT v.service, least(10000, greatest(5, CAST(ceil(0.001 * coalesce(a.users, 0)) AS bigint))) AS users
  FROM (SELECT DISTINCT service FROM gold.versions) AS v LEFT JOIN active AS a ON a.service = v.service
), seen AS (
  SELECT r.service, r.version, element_at(min(r.since, n.users), n.users) AS at
  FROM ran AS r JOIN enough AS n ON n.service = r.service
  GROUP BY r.service, r.version, n.users
), dated AS (
  SELECT v.service, v.version, v.version_rank, v.version_class, regexp_extract(v.version, '[0-9]+\.[0-9]+') AS version_line,
         coalesce(t.channel, 'stable') AS channel, t.kind, coalesce(t.released_at, s.at) AS released_at, t.version IS NOT NULL AS is_told,
         t.minimum_supported, t.end_of_support, t.notes_url
  FROM versions AS v
  LEFT JOIN seen AS s ON s.service = v.service AND s.version = v.version
  LEFT JOIN ops.releases AS t ON t.service = v.service AND t.version = v.version
  WHERE v.version_class IS NOT NULL
), placed AS (
  SELECT *, dense_rank() OVER (PARTITION BY service, version_class, channel ORDER BY version_rank DESC) - 1 AS releases_behind
  FROM dated
  WHERE released_at IS NOT NULL
)
SELECT service, version, version_rank, version_class, version_line, channel, kind, released_at, is_told,
       releases_behind = 0 AS is_current, releases_behind, minimum_supported, end_of_support,
       end_of_support > (SELECT at FROM ended) AS is_supported, notes_url
FROM placed

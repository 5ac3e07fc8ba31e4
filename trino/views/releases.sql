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
  SELECT max(last_seen_at) AS at, least(10000, greatest(5, CAST(ceil(0.001 * count(*)) AS bigint))) AS most -- Trino numbers no more than 10,000
  FROM gold.users
), ran AS ( -- a user counts with the first interval of a version, and for the service with the first that the last 28 days saw
  SELECT h.service, h.version, e.most,
         IF(h.n = 1 OR (u.version_count = cardinality(u.history) AND u.intervals_cut IS NULL)
            OR none_match(slice(u.history, 1, h.n - 1), b -> b.service = h.service AND b.version = h.version), h.valid_from) AS since,
         h.last_seen_at > e.at - INTERVAL '28' DAY AND (h.n = 1 OR none_match(slice(u.history, 1, h.n - 1),
           b -> b.service = h.service AND b.last_seen_at > e.at - INTERVAL '28' DAY)) AS is_active
  FROM gold.users AS u CROSS JOIN ended AS e
  CROSS JOIN UNNEST(u.history) WITH ORDINALITY AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade, n)
  WHERE u.user_kind = 'user'
), firsts AS (
  SELECT service, version, min(since, most) AS since, count_if(is_active) AS active
  FROM ran
  GROUP BY 1, 2
), seen AS (
  SELECT service, version, element_at(since, least(10000, greatest(5, CAST(ceil(0.001 * sum(active) OVER (PARTITION BY service)) AS bigint)))) AS at
  FROM firsts
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

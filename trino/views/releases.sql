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
), known AS (
  SELECT u.history, u.user_kind, u.version_count = cardinality(u.history) AND u.intervals_cut IS NULL AS runs_each_once, e.most,
         e.at - INTERVAL '28' DAY AS active_since, transform(u.history, h -> IF(h.last_seen_at > e.at - INTERVAL '28' DAY, h.service)) AS active_in
  FROM gold.users AS u CROSS JOIN ended AS e
), ran AS ( -- a user counts with the first interval of a version, and for the service with the first that the last 28 days saw; moments are numbers, as of them a heap is quick
  SELECT h.service, h.version, u.most,
         IF(u.user_kind = 'user' AND (h.n = 1 OR u.runs_each_once OR none_match(slice(u.history, 1, h.n - 1), b -> b.service = h.service AND b.version = h.version)),
            CAST(round(1e6 * to_unixtime(h.valid_from)) AS bigint)) AS since,
         u.user_kind = 'user' AND h.last_seen_at > u.active_since AND (h.n = 1 OR array_position(u.active_in, h.service) = h.n) AS is_active
  FROM known AS u
  CROSS JOIN UNNEST(u.history) WITH ORDINALITY AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade, n)
), firsts AS (
  SELECT service, version, min(since, most) AS since, count_if(is_active) AS active
  FROM ran
  GROUP BY 1, 2
), seen AS ( -- versions that anybody ran have a rank, as in the view versions, which would take another look at all users
  SELECT f.service, f.version, k.version_class, dense_rank() OVER (PARTITION BY f.service, k.version_class IS NULL ORDER BY k.rank_key) AS version_rank,
         element_at(f.since, least(10000, greatest(5, CAST(ceil(0.001 * sum(f.active) OVER (PARTITION BY f.service)) AS bigint)))) AS at
  FROM firsts AS f
  LEFT JOIN gold.versions AS k ON k.service = f.service AND k.version = f.version
), dated AS (
  SELECT s.service, s.version, s.version_rank, s.version_class, regexp_extract(s.version, '[0-9]+\.[0-9]+') AS version_line,
         coalesce(t.channel, 'stable') AS channel, t.kind, coalesce(t.released_at, CAST(from_unixtime_nanos(1000 * s.at) AS timestamp(6) with time zone)) AS released_at, t.version IS NOT NULL AS is_told,
         t.minimum_supported, t.end_of_support, t.notes_url
  FROM seen AS s
  LEFT JOIN ops.releases AS t ON t.service = s.service AND t.version = s.version
  WHERE s.version_class IS NOT NULL
), placed AS (
  SELECT *, dense_rank() OVER (PARTITION BY service, version_class, channel ORDER BY version_rank DESC) - 1 AS releases_behind
  FROM dated
  WHERE released_at IS NOT NULL
)
SELECT service, version, version_rank, version_class, version_line, channel, kind, released_at, is_told,
       releases_behind = 0 AS is_current, releases_behind, minimum_supported, end_of_support,
       end_of_support > (SELECT at FROM ended) AS is_supported, notes_url
FROM placed

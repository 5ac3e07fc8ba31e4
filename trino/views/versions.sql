-- One row per version of a service that was ever sighted, in order: what a report sorts by is version_rank, or sort_key
-- across services.
--
-- service: Service or product.
-- version: Version, as telemetry spells it.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- sort_key: Text that orders versions: numbers by value, prereleases before the release, as semver.org says and beyond.
-- first_seen_at: First sighting, UTC.
-- last_seen_at: Last sighting, UTC.
WITH seen AS (
  SELECT service, version, min(valid_from) AS first_seen_at, max(last_seen_at) AS last_seen_at
  FROM version_intervals
  GROUP BY service, version
), -- From here on the key is made as history.SortKey makes it; TestSortKey compares.
cleaned AS (
  SELECT *,
         regexp_replace(regexp_replace(version, '^[\s\x{85}\p{Z}]+|[\s\x{85}\p{Z}]+$'),
           '[^\p{L}\p{M}\p{N}\p{P}\p{S}]|\x{FFFD}', '!') AS text
  FROM seen
), cut AS (
  SELECT *, regexp_extract(text, '^[vV]?([0-9]+(?:\.[0-9]+)*)', 1) AS numbers,
         regexp_replace(text, '^[vV]?[0-9]+(?:\.[0-9]+)*') AS rest
  FROM cleaned
), marked AS (
  SELECT *,
         regexp_replace(numbers, '(?:\.0+)+$') AS significant,
         CASE WHEN numbers IS NULL THEN '-'
              WHEN regexp_like(rest, '^(?:-|\.?[A-Za-z])') THEN '-'
              WHEN regexp_like(rest, '^(?:\+|$)') THEN '.'
              ELSE '/' END AS mark
  FROM cut
), parts AS (
  SELECT *,
         CASE WHEN numbers IS NOT NULL AND mark = '-' THEN regexp_extract(rest, '^[-.]?([^+]*)', 1) END AS prerelease,
         CASE WHEN numbers IS NULL THEN text
              WHEN mark = '-' THEN regexp_extract(rest, '\+(.*)$', 1)
              WHEN mark = '.' THEN substr(rest, 2)
              ELSE rest END AS loose
  FROM marked
), keyed AS (
  SELECT *,
         coalesce(replace(regexp_replace(significant, '0*([1-9][0-9]*)|0+', n ->
           coalesce(CASE WHEN length(n[1]) < 26 THEN chr(96 + length(n[1])) ELSE 'z' || lpad(CAST(length(n[1]) AS varchar), 10, '0') END || n[1], 'a0')),
           '.', ':'), '')
         || mark
         || coalesce(array_join(transform(split(prerelease, '.'), identifier ->
              IF(regexp_like(identifier, '^[0-9]+$'), '#', '$') || IF(regexp_like(identifier, '^[0-9]+$'),
                regexp_replace(identifier, '0*([1-9][0-9]*)|0+', n ->
                  coalesce(CASE WHEN length(n[1]) < 26 THEN chr(96 + length(n[1])) ELSE 'z' || lpad(CAST(length(n[1]) AS varchar), 10, '0') END || n[1], 'a0')),
                identifier)), ','), '')
         || IF(prerelease IS NOT NULL AND loose IS NOT NULL, '"', '')
         || coalesce(regexp_replace(loose, '0*([1-9][0-9]*)|0+', n ->
              '0' || coalesce(CASE WHEN length(n[1]) < 26 THEN chr(96 + length(n[1])) ELSE 'z' || lpad(CAST(length(n[1]) AS varchar), 10, '0') END || n[1], 'a0')), '')
         || ' '
         || regexp_replace(version, '([^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]|\\)', c ->
              regexp_replace(lower(to_hex(to_utf8(c[1]))), '(..)', '\\x$1')) AS sort_key
  FROM parts
)
SELECT service, version, row_number() OVER (PARTITION BY service ORDER BY sort_key) AS version_rank, sort_key, first_seen_at, last_seen_at
FROM keyed

-- One row per version of a service that was ever sighted, in order: what a report sorts by is version_rank, or sort_key
-- across services. docs/VERSIONS.md has the rules.
--
-- service: Service or product.
-- version: Version, as telemetry spells it.
-- version_rank: Place of the version among those of its service, 1 is the oldest; spellings of one version share it. NULL: it has no order.
-- version_class: A lower rank is older only within a class: # are versions that begin with a number, others have their leading word. NULL: it has no order.
-- sort_key: Text that orders all versions, by gold.versions.
-- first_seen_at: First sighting, UTC.
-- last_seen_at: Last sighting, UTC.
WITH seen AS (
  SELECT service, version, min(valid_from) AS first_seen_at, max(last_seen_at) AS last_seen_at
  FROM version_intervals
  GROUP BY service, version
)
SELECT s.service, s.version,
       IF(k.version_class IS NOT NULL, dense_rank() OVER (PARTITION BY s.service, k.version_class IS NULL ORDER BY k.rank_key)) AS version_rank,
       k.version_class, k.sort_key, s.first_seen_at, s.last_seen_at
FROM seen AS s
LEFT JOIN gold.versions AS k ON k.service = s.service AND k.version = s.version

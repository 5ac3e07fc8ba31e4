-- Who is behind a number of shutdown_impact? Filter by service and version: the active installations of known users at or below it.
--
-- service: Service or product.
-- version: The version to shut down, with all older ones.
-- version_rank: Place of that version among those of its service, 1 is the oldest.
-- user_id: Known user with an active installation that runs this version or an older one.
-- device: Device of the installation, NULL where nothing names it.
-- running_version: Version that the installation runs.
-- running_version_rank: Place of that version.
-- running_since: First sighting of this run of it, UTC.
-- last_seen_at: Last sighting of the installation, UTC.
-- has_newer: Whether the user has another active installation of the service, on any device, of a version newer than the one to shut down.
WITH ordered AS ( -- comparable versions have one line, and places in it
  SELECT service, version, version_rank, coalesce('c' || version_class, 'v' || version) AS line, coalesce(version_rank, 0) AS place FROM versions
), active AS (
  SELECT a.*, o.line, o.place, max(o.place) OVER (PARTITION BY a.service, a.user_id, o.line) AS newest
  FROM active_installations AS a
  JOIN ordered AS o ON o.service = a.service AND o.version = a.version
)
SELECT v.service, v.version, v.version_rank, a.user_id, a.device, a.version AS running_version, a.version_rank AS running_version_rank,
       a.running_since, a.last_seen_at, a.newest > v.place AS has_newer
FROM ordered AS v
JOIN active AS a ON a.service = v.service AND a.line = v.line AND a.place <= v.place
WHERE a.user_kind = 'user'

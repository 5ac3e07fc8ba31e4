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
SELECT v.service, v.version, v.version_rank, a.user_id, a.device, a.version AS running_version, a.version_rank AS running_version_rank,
       a.running_since, a.last_seen_at, n.newest > v.version_rank AS has_newer
FROM versions AS v
JOIN active_installations AS a ON a.service = v.service AND a.version_rank <= v.version_rank
JOIN (
  SELECT service, user_id, max(version_rank) AS newest FROM active_installations GROUP BY 1, 2
) AS n ON n.service = a.service AND n.user_id = a.user_id
WHERE a.user_kind = 'user'

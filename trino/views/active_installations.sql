-- Installations in use: sighted in the last 30 days before the end of data, each with the version that it runs.
--
-- user_id: User id, or session:<session id> while nobody is known.
-- user_kind: user (known) or session (nobody is known to own it).
-- service: Service or product.
-- device: Device, NULL where nothing names it.
-- version: Version that the installation runs.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- running_since: First sighting of this run of the version, UTC.
-- last_seen_at: Last sighting of the installation, UTC.
SELECT i.user_id, i.user_kind, i.service, i.device, i.version, v.version_rank, i.valid_from AS running_since, i.last_seen_at
FROM version_intervals AS i
JOIN versions AS v ON v.service = i.service AND v.version = i.version
WHERE i.valid_to IS NULL
  AND i.last_seen_at > (SELECT max(last_seen_at) FROM gold.users) - INTERVAL '30' DAY

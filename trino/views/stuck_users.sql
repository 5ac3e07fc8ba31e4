-- Who is stuck on an old version, and why? Active installations of known users two or more releases of their channel behind, that were still
-- sighted so a week after the second of these was released.
--
-- service: Service or product.
-- user_id: User id.
-- device: Device, NULL where nothing names it.
-- version: Version that the installation runs.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- channel: Channel of the version; stable where nobody told.
-- running_since: First sighting of this run of the version, UTC.
-- last_seen_at: Last sighting of the installation, UTC.
-- releases_behind: Releases of its channel that are newer.
-- latest_version: The newest of them.
-- behind_since: When the second oldest of them was released, UTC.
-- reason: The first of these that holds: on this device nobody ever ran a newer version (no newer version on the device); of the notifications
--   of newer versions that the user got in the service since running_since, one failed (failed), was accepted (accepted, not upgraded),
--   dismissed (dismissed), shown (unknown), sent (told, not shown); there were some of none of these (unknown); there were none (never told).
WITH installed AS (
  SELECT a.user_id, a.service, a.device, a.version, a.version_rank, v.version_class, a.running_since, a.last_seen_at,
         coalesce(t.channel, 'stable') AS channel
  FROM active_installations AS a
  JOIN versions AS v ON v.service = a.service AND v.version = a.version
  LEFT JOIN ops.releases AS t ON t.service = a.service AND t.version = a.version
  WHERE a.user_kind = 'user' AND v.version_class IS NOT NULL
), behind AS (
  SELECT v.service, v.version, v.channel, count(DISTINCT r.version_rank) AS releases_behind, max_by(r.version, ROW(r.version_rank, r.version)) AS latest_version,
         element_at(array_sort(array_agg(r.released_at)), 2) AS behind_since
  FROM (SELECT DISTINCT service, version, version_rank, version_class, channel FROM installed) AS v
  JOIN releases AS r ON r.service = v.service AND r.version_class = v.version_class AND r.channel = v.channel AND r.version_rank > v.version_rank
  GROUP BY 1, 2, 3
  HAVING count(DISTINCT r.version_rank) >= 2
), stuck AS (
  SELECT i.*, b.releases_behind, b.latest_version, b.behind_since
  FROM installed AS i
  JOIN behind AS b ON b.service = i.service AND b.version = i.version AND b.channel = i.channel
  WHERE i.last_seen_at >= b.behind_since + INTERVAL '7' DAY
), on_devices AS (
  SELECT i.service, i.device, v.version_class, max(v.version_rank) AS newest_rank
  FROM version_intervals AS i
  JOIN versions AS v ON v.service = i.service AND v.version = i.version
  WHERE i.device IS NOT NULL
  GROUP BY 1, 2, 3
), told AS (
  SELECT n.service, n.user_id, n.status, n.event_time, v.version_class, v.version_rank
  FROM events AS n
  JOIN versions AS v ON v.service = n.service AND v.version = n.target_version
  WHERE n.event_name = 'Notification' AND n.user_kind = 'user'
), answered AS (
  SELECT s.service, s.user_id, s.device, bool_or(coalesce(t.status = 'Failed', false)) AS failed, bool_or(coalesce(t.status = 'Accepted', false)) AS accepted,
         bool_or(coalesce(t.status = 'Dismissed', false)) AS dismissed, bool_or(coalesce(t.status = 'Shown', false)) AS shown,
         bool_or(coalesce(t.status = 'Sent', false)) AS sent
  FROM stuck AS s
  JOIN told AS t ON t.service = s.service AND t.user_id = s.user_id AND t.version_class = s.version_class AND t.version_rank > s.version_rank
    AND t.event_time >= s.running_since
  GROUP BY 1, 2, 3
)
SELECT s.service, s.user_id, s.device, s.version, s.version_rank, s.channel, s.running_since, s.last_seen_at, s.releases_behind, s.latest_version,
       s.behind_since,
       CASE WHEN d.newest_rank <= s.version_rank THEN 'no newer version on the device'
            WHEN a.failed THEN 'failed'
            WHEN a.accepted THEN 'accepted, not upgraded'
            WHEN a.dismissed THEN 'dismissed'
            WHEN a.shown THEN 'unknown'
            WHEN a.sent THEN 'told, not shown'
            WHEN a.user_id IS NOT NULL THEN 'unknown'
            ELSE 'never told' END AS reason
FROM stuck AS s
LEFT JOIN on_devices AS d ON d.service = s.service AND d.device = s.device AND d.version_class = s.version_class
LEFT JOIN answered AS a ON a.service = s.service AND a.user_id = s.user_id AND a.device IS NOT DISTINCT FROM s.device

-- What does it cost to shut down a version and all older ones? One row per version of a service, for all devices and for each.
--
-- service: Service or product.
-- all_devices: true: the service on all devices; false: on the one device of the row.
-- device: The device; NULL where all_devices, else where nothing names it.
-- version: The version to shut down, with all older ones.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- users: Known users with an active installation here that runs exactly this version.
-- users_at_or_below: Known users with an active installation here that runs this version or an older one: who would notice.
-- share_at_or_below: Of the known users with an active installation here, the part that users_at_or_below are.
-- users_without_newer: Of users_at_or_below, those without any active installation here of a newer version: who would be cut off.
-- share_without_newer: Of the known users with an active installation here, the part that users_without_newer are.
-- installations_at_or_below: Active installations of known users here that run this version or an older one.
WITH scoped AS (
  SELECT service, all_devices, IF(all_devices, NULL, device) AS device, user_id, version_rank
  FROM active_installations CROSS JOIN UNNEST(ARRAY[true, false]) AS t (all_devices)
  WHERE user_kind = 'user'
), span AS (
  SELECT service, all_devices, device, user_id, min(version_rank) AS oldest, max(version_rank) AS newest
  FROM scoped GROUP BY 1, 2, 3, 4
), counted AS (
  SELECT service, all_devices, device, version_rank, count(DISTINCT user_id) AS users, count(*) AS installations, 0 AS oldest, 0 AS newest
  FROM scoped GROUP BY 1, 2, 3, 4
  UNION ALL
  SELECT service, all_devices, device, oldest, 0, 0, count(*), 0 FROM span GROUP BY 1, 2, 3, 4
  UNION ALL
  SELECT service, all_devices, device, newest, 0, 0, 0, count(*) FROM span GROUP BY 1, 2, 3, 4
), every AS ( -- a version that nobody runs here cuts off whoever runs older ones
  SELECT s.service, s.all_devices, s.device, v.version, v.version_rank
  FROM (SELECT DISTINCT service, all_devices, device FROM scoped) AS s
  JOIN versions AS v ON v.service = s.service
), summed AS (
  SELECT service, all_devices, device, version_rank, max(version) AS version,
         sum(users) AS users, sum(installations) AS installations, sum(oldest) AS oldest, sum(newest) AS newest
  FROM (
    SELECT service, all_devices, device, version_rank, NULL AS version, users, installations, oldest, newest FROM counted
    UNION ALL
    SELECT service, all_devices, device, version_rank, version, 0, 0, 0, 0 FROM every
  ) GROUP BY 1, 2, 3, 4
)
SELECT service, all_devices, device, version, version_rank, users,
       sum(oldest) OVER below AS users_at_or_below,
       CAST(sum(oldest) OVER below AS double) / sum(oldest) OVER (PARTITION BY service, all_devices, device) AS share_at_or_below,
       sum(newest) OVER below AS users_without_newer,
       CAST(sum(newest) OVER below AS double) / sum(newest) OVER (PARTITION BY service, all_devices, device) AS share_without_newer,
       sum(installations) OVER below AS installations_at_or_below
FROM summed
WINDOW below AS (PARTITION BY service, all_devices, device ORDER BY version_rank)

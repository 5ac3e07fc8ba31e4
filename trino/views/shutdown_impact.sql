-- What does it cost to shut down a version and all older ones? One row per version of a service, for all devices and for each.
-- Older are versions that are comparable and older; of one without an order, none is.
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
-- share_at_or_below_low: Lower end of share_at_or_below's 95 % interval, by Wilson.
-- share_at_or_below_high: Its upper end.
-- share_without_newer_low: Lower end of share_without_newer's 95 % interval, by Wilson.
-- share_without_newer_high: Its upper end.
-- is_small: Whether the known users with an active installation here are fewer than 30: the shares say little.
WITH ordered AS ( -- comparable versions have one line, and places in it
  SELECT service, version, version_rank, coalesce('c' || version_class, 'v' || version) AS line, coalesce(version_rank, 0) AS place FROM versions
), scoped AS (
  SELECT a.service, a.device, a.user_id, a.version, o.line, o.place
  FROM active_installations AS a
  JOIN ordered AS o ON o.service = a.service AND o.version = a.version
  WHERE a.user_kind = 'user'
), span AS (
  SELECT service, line, user_id, min(place) AS oldest, max(place) AS newest FROM scoped GROUP BY 1, 2, 3
), counted AS ( -- on one device a user has one installation of a service, which is both the oldest and the newest
  SELECT service, false AS all_devices, device, line, place, version, count(*) AS users, count(*) AS installations, count(*) AS oldest, count(*) AS newest,
         count(*) AS everyone
  FROM scoped GROUP BY 1, 2, 3, 4, 5, 6
  UNION ALL
  SELECT service, true, NULL, line, place, version, count(DISTINCT user_id), count(*), 0, 0, 0 FROM scoped GROUP BY 1, 4, 5, 6
  UNION ALL
  SELECT s.service, true, NULL, s.line, e.place, NULL, 0, 0, sum(e.oldest), sum(e.newest), 0
  FROM span AS s CROSS JOIN UNNEST(ARRAY[s.oldest, s.newest], ARRAY[1, 0], ARRAY[0, 1]) AS e (place, oldest, newest)
  GROUP BY 1, 4, 5
  UNION ALL
  SELECT service, true, NULL, NULL, NULL, NULL, 0, 0, 0, 0, count(DISTINCT user_id) FROM scoped GROUP BY 1
  UNION ALL -- a version that nobody runs here cuts off whoever runs older ones
  SELECT s.service, d.all_devices, d.device, o.line, o.place, o.version, 0, 0, 0, 0, 0
  FROM (SELECT service, array_agg(DISTINCT device) AS devices FROM scoped GROUP BY 1) AS s
  CROSS JOIN UNNEST(transform(s.devices, d -> false) || true, s.devices || ARRAY[CAST(NULL AS varchar)]) AS d (all_devices, device)
  JOIN ordered AS o ON o.service = s.service
), summed AS (
  SELECT service, all_devices, device, line, place, version, sum(users) AS users, sum(installations) AS installations,
         sum(oldest) AS oldest, sum(newest) AS newest, sum(everyone) AS everyone
  FROM counted GROUP BY 1, 2, 3, 4, 5, 6
), below AS (
  SELECT service, all_devices, device, version, IF(place > 0, place) AS version_rank, users, sum(oldest) OVER at_or_below AS users_at_or_below,
         sum(newest) OVER at_or_below AS users_without_newer, sum(installations) OVER at_or_below AS installations_at_or_below,
         sum(everyone) OVER (PARTITION BY service, all_devices, device) AS everyone
  FROM summed
  WINDOW at_or_below AS (PARTITION BY service, all_devices, device, line ORDER BY place)
)
SELECT service, all_devices, device, version, version_rank, users, users_at_or_below,
       CAST(users_at_or_below AS double) / everyone AS share_at_or_below, users_without_newer,
       CAST(users_without_newer AS double) / everyone AS share_without_newer, installations_at_or_below,
       0e0 + round(wilson_interval_lower(users_at_or_below, everyone, 1.96e0), 6) AS share_at_or_below_low, round(wilson_interval_upper(users_at_or_below, everyone, 1.96e0), 6) AS share_at_or_below_high,
       0e0 + round(wilson_interval_lower(users_without_newer, everyone, 1.96e0), 6) AS share_without_newer_low, round(wilson_interval_upper(users_without_newer, everyone, 1.96e0), 6) AS share_without_newer_high,
       everyone < 30 AS is_small
FROM below
WHERE version IS NOT NULL

-- How are users spread over versions and devices? Known users with an active installation; one with two installations counts in both.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- device: Device, NULL where nothing names it.
-- users: Known users with an active installation that runs the version on the device.
-- share: Of the known users with an active installation of the service, the part that users are.
-- share_of_version: Of those who run the version on any device, the part that users are.
-- share_of_device: Of those who run any version on the device, the part that users are.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- share_of_version_low: Lower end of share_of_version's 95 % interval, by Wilson.
-- share_of_version_high: Its upper end.
-- share_of_device_low: Lower end of share_of_device's 95 % interval, by Wilson.
-- share_of_device_high: Its upper end.
-- is_small: Whether the users of the version, or those of the device, are fewer than 30: the shares say little.
WITH counted AS ( -- on one device a user has one installation of a service, which runs one version
  SELECT service, version, version_rank, device, count(*) AS users FROM active_installations WHERE user_kind = 'user' GROUP BY 1, 2, 3, 4
), of_versions AS (
  SELECT service, version, count(DISTINCT user_id) AS users FROM active_installations WHERE user_kind = 'user' GROUP BY 1, 2
), of_services AS (
  SELECT service, count(DISTINCT user_id) AS users FROM active_installations WHERE user_kind = 'user' GROUP BY 1
), totals AS (
  SELECT c.*, s.users AS of_service, v.users AS of_version, sum(c.users) OVER (PARTITION BY c.service, c.device) AS of_device
  FROM counted AS c
  JOIN of_versions AS v ON v.service = c.service AND v.version = c.version
  JOIN of_services AS s ON s.service = c.service
)
SELECT service, version, version_rank, device, users, CAST(users AS double) / of_service AS share,
       CAST(users AS double) / of_version AS share_of_version, CAST(users AS double) / of_device AS share_of_device,
       0e0 + round(wilson_interval_lower(users, of_service, 1.96e0), 6) AS share_low, round(wilson_interval_upper(users, of_service, 1.96e0), 6) AS share_high,
       0e0 + round(wilson_interval_lower(users, of_version, 1.96e0), 6) AS share_of_version_low, round(wilson_interval_upper(users, of_version, 1.96e0), 6) AS share_of_version_high,
       0e0 + round(wilson_interval_lower(users, of_device, 1.96e0), 6) AS share_of_device_low, round(wilson_interval_upper(users, of_device, 1.96e0), 6) AS share_of_device_high,
       least(of_version, of_device) < 30 AS is_small
FROM totals

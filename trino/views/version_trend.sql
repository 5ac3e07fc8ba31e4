-- How do versions come and go over time? One row per day, version and device, from the daily aggregates: they stay when events are dropped.
-- A column of users adds up only over what its comment says; a chart that stacks versions and devices wants service_users.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- version: Version, NULL where no sighting tells.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- device: Device, NULL where nothing names it.
-- active_users: Users, anonymous ones included, with an event on the day while they ran the version on the device.
--   Does not add up: a user of two devices, or of two versions, counts in each.
-- version_users: Of them, those counted here once for the version. Adds up over devices: to the users of the version on the day.
-- service_users: Of them, those counted here once for the service. Adds up over versions and devices: to its users on the day.
-- share: Of the users of the service on the day, the part that service_users are. Adds up over versions and devices, to 1.
-- sessions: Sessions with such an event. Adds up over nothing: one that moves to another version or device counts there, too.
-- sessions_ended: Sessions that ended so, and tell how long they were. Adds up.
-- session_seconds: Duration of those, in seconds. Adds up; a mean is sum(session_seconds) / sum(sessions_ended).
-- issues: Issue events on the day while the version ran on the device. Adds up.
-- new_installations: Installations first sighted on the day, with this version. Adds up.
-- upgrades_in: Installations that changed to this version from an older one. Adds up.
-- downgrades_in: Installations that changed to this version from a newer one. Adds up.
-- upgrades_out: Installations that changed from this version to a newer one. Adds up.
-- downgrades_out: Installations that changed from this version to an older one. Adds up.
-- other_moves_in: Installations that changed to this version from one that is neither older nor newer: another spelling, or not comparable.
--   Adds up.
-- other_moves_out: Installations that changed from this version to such a one. Adds up.
-- installed: Installations, those not seen for long included, whose version at the end of the day is this one. Has no row for a day
--   on which nothing happened; adds up over versions and devices of one day, not over days.
-- share_low: Lower end of the share's 95 % interval, by Wilson; NULL: the service had no users that day.
-- share_high: Its upper end.
-- is_small: Whether the service's users of the day are fewer than 30: the share says little.
SELECT d.date_utc, d.service, d.version, v.version_rank, d.device, d.active_users, d.version_users, d.service_users,
       CAST(d.service_users AS double) / nullif(d.everyone, 0) AS share,
       d.sessions, d.sessions_ended, d.session_seconds, d.issues,
       d.new_installations, d.upgrades_in, d.downgrades_in, d.upgrades_out, d.downgrades_out,
       coalesce(d.other_moves_in, 0) AS other_moves_in, coalesce(d.other_moves_out, 0) AS other_moves_out,
       sum(d.new_installations + d.upgrades_in + d.downgrades_in + coalesce(d.other_moves_in, 0)
           - d.upgrades_out - d.downgrades_out - coalesce(d.other_moves_out, 0))
         OVER (PARTITION BY d.service, d.version, d.device ORDER BY d.date_utc) AS installed,
       IF(d.everyone > 0, 0e0 + round(wilson_interval_lower(d.service_users, d.everyone, 1.96e0), 6)) AS share_low,
       IF(d.everyone > 0, round(wilson_interval_upper(d.service_users, d.everyone, 1.96e0), 6)) AS share_high,
       d.everyone < 30 AS is_small
FROM (SELECT *, sum(service_users) OVER (PARTITION BY service, date_utc) AS everyone FROM gold.version_daily) AS d
LEFT JOIN versions AS v ON v.service = d.service AND v.version = d.version

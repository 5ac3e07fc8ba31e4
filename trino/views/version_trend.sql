-- How do versions come and go over time? One row per day and version, from the daily aggregates: they stay when events are dropped.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- version: Version, NULL where no sighting tells.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- active_users: Users, anonymous ones included, with an event on the day while they ran the version.
-- share: Of the users with any event of the service on the day, the part that active_users are.
-- sessions: Sessions with such an event; one that moves to another device counts there, too.
-- mean_session_seconds: Mean duration, in seconds, of the sessions that ended so and tell one.
-- issues: Issue events on the day while the version ran.
-- issues_per_thousand_users: Issues per thousand active users.
-- new_installations: Installations first sighted on the day, with this version.
-- upgrades_in: Installations that changed to this version from an older one.
-- downgrades_in: Installations that changed to this version from a newer one.
-- upgrades_out: Installations that changed from this version to a newer one.
-- downgrades_out: Installations that changed from this version to an older one.
-- other_moves_in: Installations that changed to this version from one that is neither older nor newer: another spelling, or not comparable.
-- other_moves_out: Installations that changed from this version to such a one.
-- installed: Installations, those not seen for long included, whose version at the end of the day is this one.
WITH days AS (
  SELECT date_utc, service, version, sum(version_users) AS active_users, sum(service_users) AS service_users, sum(sessions) AS sessions,
         sum(sessions_ended) AS sessions_ended, sum(session_seconds) AS session_seconds, sum(issues) AS issues,
         sum(new_installations) AS new_installations, sum(upgrades_in) AS upgrades_in, sum(downgrades_in) AS downgrades_in,
         sum(upgrades_out) AS upgrades_out, sum(downgrades_out) AS downgrades_out,
         coalesce(sum(other_moves_in), 0) AS other_moves_in, coalesce(sum(other_moves_out), 0) AS other_moves_out
  FROM gold.version_daily
  GROUP BY 1, 2, 3
)
SELECT d.date_utc, d.service, d.version, v.version_rank, d.active_users,
       CAST(d.active_users AS double) / nullif(sum(d.service_users) OVER (PARTITION BY d.service, d.date_utc), 0) AS share,
       d.sessions, CAST(d.session_seconds AS double) / nullif(d.sessions_ended, 0) AS mean_session_seconds,
       d.issues, 1000e0 * d.issues / nullif(d.active_users, 0) AS issues_per_thousand_users,
       d.new_installations, d.upgrades_in, d.downgrades_in, d.upgrades_out, d.downgrades_out, d.other_moves_in, d.other_moves_out,
       sum(d.new_installations + d.upgrades_in + d.downgrades_in + d.other_moves_in - d.upgrades_out - d.downgrades_out - d.other_moves_out)
         OVER (PARTITION BY d.service, d.version ORDER BY d.date_utc) AS installed
FROM days AS d
LEFT JOIN versions AS v ON v.service = d.service AND v.version = d.version

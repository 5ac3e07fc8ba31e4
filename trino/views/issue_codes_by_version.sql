-- Which issues has a version? One row per code and severity with an issue of a known user, over all events.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- code: Code of the issue, NULL where the event does not say.
-- severity: Severity, NULL where the event does not say.
-- issues: Such Issue events of known users while they ran the version.
-- affected_users: Known users with such an issue.
-- active_users: Known users with any event while they ran the version.
-- issues_per_thousand_users: Such issues per thousand active users.
SELECT e.service, e.version, a.version_rank, e.code, e.severity, count(*) AS issues, count(DISTINCT e.user_id) AS affected_users,
       a.active_users, 1000e0 * count(*) / a.active_users AS issues_per_thousand_users
FROM events AS e
JOIN version_activity AS a ON a.service = e.service AND a.version = e.version
WHERE e.event_name = 'Issue' AND e.user_kind = 'user'
GROUP BY e.service, e.version, a.version_rank, e.code, e.severity, a.active_users

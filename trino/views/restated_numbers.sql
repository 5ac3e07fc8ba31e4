-- Which numbers are not what people were told? One row per number that was published when a day or a month ended and that the daily
-- aggregates give otherwise today. What was published is in ops.published.
--
-- period: day or month.
-- date_utc: Day of UTC, by the events' own time; of a month its first.
-- service: Service or product.
-- version: Version, NULL where no sighting tells.
-- metric: Which number: a column of gold.version_daily, added up over devices, and of a month over its days.
-- said_then: What was said when the period ended; 0 where there was nothing.
-- says_now: What is said now.
-- change: says_now - said_then.
-- reason: What has happened since: reprocessed (an hour that was in has been read again, and it is of the period or holds events of it), late (an
--   hour came that holds events of the period and service), erased (users were forgotten); with a comma between where it was more than one. Where
--   it was none of them: late, too, since what came told more of sessions and installations of the period.
-- published_at: When the period's numbers were published, UTC.
WITH periods AS (
  SELECT period, date_utc, max(published_at) AS published_at,
         IF(period = 'day', date_utc, date_add('day', -1, date_add('month', 1, date_utc))) AS last_date
  FROM ops.published
  GROUP BY 1, 2
), days AS (
  SELECT date_utc, service, version, sum(active_users) AS active_users, sum(anonymous_users) AS anonymous_users,
         sum(version_users) AS version_users, sum(service_users) AS service_users, sum(sessions) AS sessions,
         sum(sessions_ended) AS sessions_ended, sum(session_seconds) AS session_seconds, sum(issues) AS issues,
         sum(notifications_sent) AS notifications_sent, sum(notifications_shown) AS notifications_shown,
         sum(notifications_accepted) AS notifications_accepted, sum(notifications_dismissed) AS notifications_dismissed,
         sum(notifications_failed) AS notifications_failed, sum(notifications_other) AS notifications_other,
         sum(new_installations) AS new_installations, sum(anonymous_installations) AS anonymous_installations,
         sum(upgrades_in) AS upgrades_in, sum(upgrades_out) AS upgrades_out, sum(downgrades_in) AS downgrades_in,
         sum(downgrades_out) AS downgrades_out, sum(coalesce(other_moves_in, 0)) AS other_moves_in,
         sum(coalesce(other_moves_out, 0)) AS other_moves_out
  FROM gold.version_daily
  GROUP BY 1, 2, 3
), numbers AS (
  SELECT period, date_utc, service, version, metric, value AS said, 0 AS says FROM ops.published
  UNION ALL
  SELECT p.period, p.date_utc, d.service, d.version, m.metric, 0, m.value
  FROM periods AS p
  JOIN days AS d ON d.date_utc BETWEEN p.date_utc AND p.last_date
  CROSS JOIN UNNEST(
    ARRAY['active_users', 'anonymous_users', 'version_users', 'service_users', 'sessions', 'sessions_ended', 'session_seconds', 'issues',
          'notifications_sent', 'notifications_shown', 'notifications_accepted', 'notifications_dismissed', 'notifications_failed',
          'notifications_other', 'new_installations', 'anonymous_installations', 'upgrades_in', 'upgrades_out', 'downgrades_in', 'downgrades_out',
          'other_moves_in', 'other_moves_out'],
    ARRAY[d.active_users, d.anonymous_users, d.version_users, d.service_users, d.sessions, d.sessions_ended, d.session_seconds, d.issues,
          d.notifications_sent, d.notifications_shown, d.notifications_accepted, d.notifications_dismissed, d.notifications_failed,
          d.notifications_other, d.new_installations, d.anonymous_installations, d.upgrades_in, d.upgrades_out, d.downgrades_in, d.downgrades_out,
          d.other_moves_in, d.other_moves_out]) AS m (metric, value)
), restated AS (
  SELECT period, date_utc, service, version, metric, sum(said) AS said_then, sum(says) AS says_now
  FROM numbers
  GROUP BY 1, 2, 3, 4, 5
  HAVING sum(said) <> sum(says)
), hours AS (
  SELECT hour_utc, min(finished_at) AS came_at, max(finished_at) FILTER (WHERE changed) AS changed_at FROM ops.hours GROUP BY 1
), holds AS ( -- which services' days an hour holds events of
  SELECT DISTINCT ingest_hour_utc AS hour_utc, service, date(event_time) AS on_date FROM gold.events
), since AS (
  SELECT p.period, p.date_utc, o.service, bool_or(h.came_at > p.published_at) AS late,
         bool_or(h.came_at <= p.published_at AND h.changed_at > p.published_at) AS reprocessed
  FROM periods AS p
  JOIN holds AS o ON o.on_date BETWEEN p.date_utc AND p.last_date
  JOIN hours AS h ON h.hour_utc = o.hour_utc
  GROUP BY 1, 2, 3
), again AS ( -- hours of the period that were read again, and may hold nothing of it any more
  SELECT DISTINCT p.period, p.date_utc
  FROM periods AS p
  JOIN hours AS h ON date(h.hour_utc) BETWEEN p.date_utc AND p.last_date AND h.came_at <= p.published_at AND h.changed_at > p.published_at
), erasures AS (
  SELECT max(recorded_at) AS last_at FROM ops.erasures WHERE kind = 'user'
)
SELECT r.period, r.date_utc, r.service, r.version, r.metric, r.said_then, r.says_now, r.says_now - r.said_then AS change,
       coalesce(nullif(concat_ws(', ', IF(coalesce(s.reprocessed, false) OR a.period IS NOT NULL, 'reprocessed'), IF(s.late, 'late'),
                                 IF(e.last_at > p.published_at, 'erased')), ''), 'late') AS reason,
       p.published_at
FROM restated AS r
JOIN periods AS p ON p.period = r.period AND p.date_utc = r.date_utc
CROSS JOIN erasures AS e
LEFT JOIN since AS s ON s.period = r.period AND s.date_utc = r.date_utc AND s.service = r.service
LEFT JOIN again AS a ON a.period = r.period AND a.date_utc = r.date_utc

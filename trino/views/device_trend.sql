-- How do devices come and go over time? One row per day, service and device with an event of a known user, over all events.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- device: Device, NULL where nothing names it.
-- users: Known users with an event in the service on the device that day.
-- share: Of the known users with an event in the service that day, the part that users are; one with two devices counts in both.
-- sessions: Sessions with such an event.
-- events: Such events.
-- issues: Of them, the Issue events.
WITH counted AS (
  SELECT date(event_time) AS on_date, service, device, count(DISTINCT user_id) AS users, count(DISTINCT session_id) AS sessions,
         count(*) AS events, count_if(event_name = 'Issue') AS issues
  FROM events WHERE user_kind = 'user' GROUP BY 1, 2, 3
), totals AS (
  SELECT date(event_time) AS on_date, service, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' GROUP BY 1, 2
)
SELECT c.on_date AS date_utc, c.service, c.device, c.users, CAST(c.users AS double) / t.users AS share, c.sessions, c.events, c.issues
FROM counted AS c
JOIN totals AS t ON t.on_date = c.on_date AND t.service = c.service

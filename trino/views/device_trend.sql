-- How do devices come and go over time? One row per day, service and device with an event of a known user, over all events.
-- Users and sessions are told apart by 64 bits of a hash: among a million, two count as one with a chance of three in 100 million.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- device: Device, NULL where nothing names it.
-- users: Known users with an event in the service on the device that day.
-- share: Of the known users with an event in the service that day, the part that users are; one with two devices counts in both.
-- sessions: Sessions with such an event.
-- events: Such events.
-- issues: Of them, the Issue events.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether the service's users of the day are fewer than 30: the share says little.
WITH happened AS ( -- told apart by hashes: by texts it takes twice the memory
  SELECT date(event_time) AS on_date, service, device,
         from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), service, CAST(date(event_time) AS varchar))))) AS of_service,
         from_big_endian_64(xxhash64(to_utf8(concat_ws(chr(0), service, CAST(date(event_time) AS varchar), device)))) AS of_device,
         from_big_endian_64(xxhash64(to_utf8(user_id))) AS who, from_big_endian_64(xxhash64(to_utf8(session_id))) AS session, event_name
  FROM events WHERE user_kind = 'user'
), of_events AS (
  SELECT on_date, service, device, of_service, of_device, count(*) AS events, count_if(event_name = 'Issue') AS issues FROM happened GROUP BY 1, 2, 3, 4, 5
), of_users AS (
  SELECT of_device, count(DISTINCT who) AS users FROM happened GROUP BY 1
), of_sessions AS (
  SELECT of_device, count(DISTINCT session) AS sessions FROM happened GROUP BY 1
), totals AS (
  SELECT of_service, count(DISTINCT who) AS users FROM happened GROUP BY 1
)
SELECT e.on_date AS date_utc, e.service, e.device, u.users, CAST(u.users AS double) / t.users AS share, s.sessions, e.events, e.issues,
       0e0 + round(wilson_interval_lower(u.users, t.users, 1.96e0), 6) AS share_low,
       round(wilson_interval_upper(u.users, t.users, 1.96e0), 6) AS share_high, t.users < 30 AS is_small
FROM of_events AS e
JOIN of_users AS u ON u.of_device = e.of_device
JOIN of_sessions AS s ON s.of_device = e.of_device
JOIN totals AS t ON t.of_service = e.of_service

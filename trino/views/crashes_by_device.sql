-- What crashes most on which device? One row per device and code with a crash of a known user, over all events. A crash is an Issue of severity
-- fatal, critical or crash, in any case.
--
-- service: Service or product.
-- device: Device, NULL where nothing names it.
-- code: Code of the issue, NULL where it has none.
-- place: Place of the code on the device, 1 has the most crashes; codes of as many share it.
-- crashes: Crashes of known users.
-- affected_users: Known users with such a crash.
-- active_users: Known users with any event in the service on the device.
-- affected_share: affected_users / active_users.
-- share_low: Lower end of that share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the share says little.
WITH crashed AS (
  SELECT service, device, code, count(*) AS crashes, count(DISTINCT user_id) AS users
  FROM events
  WHERE event_name = 'Issue' AND lower(severity) IN ('fatal', 'critical', 'crash') AND user_kind = 'user'
  GROUP BY 1, 2, 3
), active AS (
  SELECT service, device, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' GROUP BY 1, 2
)
SELECT c.service, c.device, c.code, rank() OVER (PARTITION BY c.service, c.device ORDER BY c.crashes DESC) AS place, c.crashes, c.users AS affected_users,
       a.users AS active_users, CAST(c.users AS double) / a.users AS affected_share,
       0e0 + round(wilson_interval_lower(c.users, a.users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(c.users, a.users, 1.96e0), 6) AS share_high,
       a.users < 30 AS is_small
FROM crashed AS c
JOIN active AS a ON a.service = c.service AND coalesce(a.device, '') = coalesce(c.device, '')

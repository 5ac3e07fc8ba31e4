-- How many people use a feature, day by day? One row per day, service and feature with a use by a known user, over all events.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- feature: Feature.
-- users: Known users with a FeatureUsed event of it that day.
-- uses: Such events.
-- active_users: Known users with any event in the service that day.
-- share: users / active_users.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether active_users are fewer than 30: the share says little.
WITH used AS (
  SELECT date(event_time) AS on_date, service, feature, count(DISTINCT user_id) AS users, count(*) AS uses
  FROM events WHERE event_name = 'FeatureUsed' AND user_kind = 'user' AND feature IS NOT NULL GROUP BY 1, 2, 3
), active AS (
  SELECT date(event_time) AS on_date, service, count(DISTINCT user_id) AS users FROM events WHERE user_kind = 'user' GROUP BY 1, 2
)
SELECT u.on_date AS date_utc, u.service, u.feature, u.users, u.uses, a.users AS active_users, CAST(u.users AS double) / a.users AS share,
       0e0 + round(wilson_interval_lower(u.users, a.users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(u.users, a.users, 1.96e0), 6) AS share_high,
       a.users < 30 AS is_small
FROM used AS u
JOIN active AS a ON a.on_date = u.on_date AND a.service = u.service

-- Where do installations come from, and do they last? Install events of known users, over all events.
--
-- service: Service or product.
-- source: Source of the installation, NULL where the event does not say.
-- campaign: Campaign, NULL where the event does not say.
-- installs: Install events of known users.
-- users: Known users with such an event.
-- share: Of the known users with any Install event of the service, the part that users are.
-- active_users: Of users, those with an active installation of the service.
-- active_share: active_users / users.
-- first_installed_at: First such event, UTC.
-- last_installed_at: Last such event, UTC.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- active_share_low: Lower end of active_share's 95 % interval, by Wilson.
-- active_share_high: Its upper end.
-- is_small: Whether users are fewer than 30: active_share says little.
WITH installs AS (
  SELECT service, source, campaign, user_id, event_time FROM events WHERE event_name = 'Install' AND user_kind = 'user'
), totals AS (
  SELECT service, count(DISTINCT user_id) AS users FROM installs GROUP BY 1
), active AS (
  SELECT DISTINCT service, user_id FROM active_installations
), counted AS (
  SELECT i.service, i.source, i.campaign, count(*) AS installs, count(DISTINCT i.user_id) AS users, count(DISTINCT a.user_id) AS active_users,
         min(i.event_time) AS first_installed_at, max(i.event_time) AS last_installed_at
  FROM installs AS i
  LEFT JOIN active AS a ON a.service = i.service AND a.user_id = i.user_id
  GROUP BY 1, 2, 3
)
SELECT c.service, c.source, c.campaign, c.installs, c.users, CAST(c.users AS double) / t.users AS share, c.active_users,
       CAST(c.active_users AS double) / c.users AS active_share, c.first_installed_at, c.last_installed_at,
       0e0 + round(wilson_interval_lower(c.users, t.users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(c.users, t.users, 1.96e0), 6) AS share_high,
       0e0 + round(wilson_interval_lower(c.active_users, c.users, 1.96e0), 6) AS active_share_low, round(wilson_interval_upper(c.active_users, c.users, 1.96e0), 6) AS active_share_high,
       c.users < 30 AS is_small
FROM counted AS c
JOIN totals AS t ON t.service = c.service

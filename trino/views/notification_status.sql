-- Did users get the notification of an upgrade, and did they upgrade? Known users with any notification of a target version, over all events.
--
-- service: Service or product.
-- target_version: Version that the users were told of.
-- target_version_rank: Its place among those of its service, 1 is the oldest; NULL: never sighted.
-- users: Known users with at least one notification of the target version, of any status.
-- sent: Of users, those with a notification of status Sent.
-- shown: Of users, those with one of status Shown.
-- accepted: Of users, those with one of status Accepted.
-- dismissed: Of users, those with one of status Dismissed.
-- failed: Of users, those with one of status Failed.
-- upgraded: Of users, those with an interval of the target version in the service that begins at or after their first notification of it.
-- accepted_and_upgraded: Of accepted, those that upgraded.
-- upgraded_share: upgraded / users.
-- median_hours_to_upgrade: Of upgraded, hours from the first notification to the first such interval: the lower median.
-- upgraded_share_low: Lower end of upgraded_share's 95 % interval, by Wilson.
-- upgraded_share_high: Its upper end.
-- is_small: Whether users are fewer than 30: upgraded_share says little.
WITH told AS (
  SELECT user_id, service, target_version, min(event_time) AS told_at,
         bool_or(coalesce(status = 'Sent', false)) AS sent, bool_or(coalesce(status = 'Shown', false)) AS shown,
         bool_or(coalesce(status = 'Accepted', false)) AS accepted, bool_or(coalesce(status = 'Dismissed', false)) AS dismissed,
         bool_or(coalesce(status = 'Failed', false)) AS failed
  FROM events
  WHERE event_name = 'Notification' AND user_kind = 'user' AND target_version IS NOT NULL
  GROUP BY 1, 2, 3
), followed AS (
  SELECT t.user_id, t.service, t.target_version, t.told_at, t.sent, t.shown, t.accepted, t.dismissed, t.failed, min(i.valid_from) AS upgraded_at
  FROM told AS t
  LEFT JOIN version_intervals AS i
    ON i.user_id = t.user_id AND i.service = t.service AND i.version = t.target_version AND i.valid_from >= t.told_at
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
), counted AS (
  SELECT service, target_version, count(*) AS users, count_if(sent) AS sent, count_if(shown) AS shown, count_if(accepted) AS accepted,
         count_if(dismissed) AS dismissed, count_if(failed) AS failed, count(upgraded_at) AS upgraded,
         count_if(accepted AND upgraded_at IS NOT NULL) AS accepted_and_upgraded,
         array_sort(array_agg(date_diff('millisecond', told_at, upgraded_at)) FILTER (WHERE upgraded_at IS NOT NULL)) AS waits
  FROM followed
  GROUP BY 1, 2
)
SELECT c.service, c.target_version, v.version_rank AS target_version_rank, c.users, c.sent, c.shown, c.accepted, c.dismissed, c.failed,
       c.upgraded, c.accepted_and_upgraded, CAST(c.upgraded AS double) / c.users AS upgraded_share,
       element_at(c.waits, (cardinality(c.waits) + 1) / 2) / 3600e3 AS median_hours_to_upgrade,
       0e0 + round(wilson_interval_lower(c.upgraded, c.users, 1.96e0), 6) AS upgraded_share_low, round(wilson_interval_upper(c.upgraded, c.users, 1.96e0), 6) AS upgraded_share_high,
       c.users < 30 AS is_small
FROM counted AS c
LEFT JOIN versions AS v ON v.service = c.service AND v.version = c.target_version

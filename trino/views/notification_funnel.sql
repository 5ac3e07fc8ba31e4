-- Where do users get lost between a notification and the upgrade? The numbers of notification_status as rows, for funnel charts: one row per target
-- version and stage.
--
-- service: Service or product.
-- target_version: Version that users were told of.
-- target_version_rank: Place of it among those of its service, 1 is the oldest; NULL: nobody was ever sighted with it.
-- stage: Number of the stage, from 1.
-- stage_name: told, shown, accepted, upgraded: each counts who got there, whatever came before.
-- users: Known users of the stage, as in notification_status.
-- share: Of those told, the part that users are.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether those told are fewer than 30: the share says little.
SELECT s.service, s.target_version, s.target_version_rank, f.stage, f.stage_name, f.users, CAST(f.users AS double) / s.users AS share,
       0e0 + round(wilson_interval_lower(f.users, s.users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(f.users, s.users, 1.96e0), 6) AS share_high,
       s.users < 30 AS is_small
FROM notification_status AS s
CROSS JOIN UNNEST(ARRAY['told', 'shown', 'accepted', 'upgraded'], ARRAY[s.users, s.shown, s.accepted, s.upgraded])
  WITH ORDINALITY AS f (stage_name, users, stage)

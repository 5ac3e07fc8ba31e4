-- Do rollouts reach whom they are for? One row per step of a rollout that people told of, of releases that were sighted.
--
-- service: Service or product.
-- version: Version of the release.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- channel: Channel of the release.
-- step: Number of the step, from 1.
-- begins_at: When the step begins, UTC.
-- ends_at: When the next one begins, UTC; NULL: it is the last.
-- planned_share: Part of the users who may have the release in the step.
-- reached_on: The step's last day that uptake has: that before the day on which it ends, or the last of data; NULL: it has none.
-- users: Active users who ran the version on that day.
-- reached_share: Their share of the active users of its channel.
-- share_low: Lower end of that share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether the active users of its channel were fewer than 30: the share says little.
-- is_over: Whether share_low is above planned_share: more have it than should.
WITH steps AS (
  SELECT t.service, t.version, s.step, s.at AS begins_at, s.share AS planned_share,
         lead(s.at) OVER (PARTITION BY t.service, t.version ORDER BY s.step) AS ends_at
  FROM ops.releases AS t CROSS JOIN UNNEST(t.rollout) WITH ORDINALITY AS s (at, share, step)
), reached AS (
  SELECT s.service, s.version, s.step, max(u.date_utc) AS on_date,
         max_by(CAST(ROW(u.users, u.share, u.share_low, u.share_high, u.is_small) AS ROW(users bigint, share double, share_low double, share_high double, is_small boolean)), u.date_utc) AS state
  FROM steps AS s
  JOIN uptake AS u ON u.service = s.service AND u.version = s.version AND u.date_utc >= date(s.begins_at)
    AND (s.ends_at IS NULL OR u.date_utc < date(s.ends_at))
  GROUP BY 1, 2, 3
)
SELECT s.service, s.version, r.version_rank, r.channel, s.step, s.begins_at, s.ends_at, s.planned_share, d.on_date AS reached_on,
       d.state.users, d.state.share AS reached_share, d.state.share_low, d.state.share_high, d.state.is_small, d.state.share_low > s.planned_share AS is_over
FROM steps AS s
JOIN releases AS r ON r.service = s.service AND r.version = s.version
LEFT JOIN reached AS d ON d.service = s.service AND d.version = s.version AND d.step = s.step

-- How far did a release come, and how fast? One row per release, from the days of uptake.
--
-- service: Service or product.
-- version: Version of the release.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- channel: Channel of the release.
-- released_at: When it was released, UTC.
-- days: Days of it that uptake has, that of the release included.
-- days_to_10: First day on which its share was 0.1 or more; NULL: never.
-- days_to_50: The same for 0.5.
-- days_to_90: The same for 0.9.
-- ceiling: Its largest share.
-- ceiling_day: First day with that share.
-- share_now: Share on its last day.
-- change_7_days: share_now less the share seven days before; NULL: it is not as old.
-- users_now: Active users who ran the version on its last day.
-- base_users_now: Active users of its channel then.
-- is_small: Whether these are fewer than 30: the shares say little.
SELECT service, version, version_rank, channel, released_at, count(*) AS days,
       min(day) FILTER (WHERE share >= 0.1) AS days_to_10, min(day) FILTER (WHERE share >= 0.5) AS days_to_50,
       min(day) FILTER (WHERE share >= 0.9) AS days_to_90, max(share) AS ceiling,
       min_by(day, ROW(-coalesce(share, -1e0), day)) AS ceiling_day, max_by(share, day) AS share_now,
       max_by(share, day) - element_at(map_agg(day, share), max(day) - 7) AS change_7_days,
       max_by(users, day) AS users_now, max_by(base_users, day) AS base_users_now, max_by(is_small, day) AS is_small
FROM uptake
GROUP BY 1, 2, 3, 4, 5

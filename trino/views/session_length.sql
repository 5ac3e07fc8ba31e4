-- How long are sessions? One row per version with a SessionEnd of a known user that tells a duration, over all events: percentiles, for a few
-- sessions that were left open make any mean. The quartiles are those of a box plot.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- sessions_ended: Such SessionEnd events.
-- min_seconds: Shortest duration, in seconds.
-- p25_seconds: The smallest duration that a quarter of them do not exceed.
-- median_seconds: The same for a half.
-- p75_seconds: The same for three quarters.
-- p90_seconds: The same for 90 %.
-- p99_seconds: The same for 99 %.
-- max_seconds: Longest duration.
-- is_small: Whether sessions_ended are fewer than 30: percentiles say little.
WITH lengths AS (
  SELECT service, version, count(*) AS n, array_sort(array_agg(duration_seconds)) AS seconds
  FROM events
  WHERE duration_seconds IS NOT NULL AND user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2
)
SELECT l.service, l.version, v.version_rank, l.n AS sessions_ended, element_at(l.seconds, 1) AS min_seconds,
       element_at(l.seconds, (l.n * 25 + 99) / 100) AS p25_seconds, element_at(l.seconds, (l.n * 50 + 99) / 100) AS median_seconds,
       element_at(l.seconds, (l.n * 75 + 99) / 100) AS p75_seconds, element_at(l.seconds, (l.n * 90 + 99) / 100) AS p90_seconds,
       element_at(l.seconds, (l.n * 99 + 99) / 100) AS p99_seconds, element_at(l.seconds, l.n) AS max_seconds, l.n < 30 AS is_small
FROM lengths AS l
JOIN versions AS v ON v.service = l.service AND v.version = l.version

-- How are lengths of sessions spread? One row per version of session_length and bin of a histogram, those without sessions included.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- bin: Number of the bin, from 1.
-- from_seconds: Shortest duration in the bin, in seconds, inclusive.
-- to_seconds: Longest, exclusive; NULL: the last bin has none.
-- sessions: SessionEnd events of known users that tell such a duration, over all events.
-- share: Of those of the version, the part that they are.
WITH bins (bin, low, high) AS (
  VALUES (1, 0, 60), (2, 60, 180), (3, 180, 300), (4, 300, 600), (5, 600, 900), (6, 900, 1200), (7, 1200, 1800), (8, 1800, 3600), (9, 3600, 7200), (10, 7200, NULL)
), ended AS (
  SELECT service, version, duration_seconds AS seconds FROM events WHERE duration_seconds IS NOT NULL AND user_kind = 'user' AND version IS NOT NULL
), counted AS (
  SELECT e.service, e.version, b.bin, b.low, b.high, count_if(e.seconds >= b.low AND (b.high IS NULL OR e.seconds < b.high)) AS sessions, count(*) AS all_sessions
  FROM ended AS e CROSS JOIN bins AS b
  GROUP BY 1, 2, 3, 4, 5
)
SELECT c.service, c.version, v.version_rank, c.bin, c.low AS from_seconds, c.high AS to_seconds, c.sessions, CAST(c.sessions AS double) / c.all_sessions AS share
FROM counted AS c
JOIN versions AS v ON v.service = c.service AND v.version = c.version

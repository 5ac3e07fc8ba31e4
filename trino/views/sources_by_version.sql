-- Where do a version's users come from? One row per version and source of known users with an active installation that runs it.
--
-- service: Service or product.
-- version: Version that the installation runs.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- source: Source of the user's first Install event in the service, over all events; NULL where there is none or it names none.
-- users: Known users of the source with an active installation that runs the version.
-- version_users: Known users of all sources with one.
-- share: users / version_users.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- is_small: Whether version_users are fewer than 30: the share says little.
WITH came AS (
  SELECT service, user_id, min_by(coalesce(source, ''), ROW(event_time, coalesce(source, ''))) AS source
  FROM events WHERE event_name = 'Install' AND user_kind = 'user' GROUP BY 1, 2
), counted AS (
  SELECT a.service, a.version, a.version_rank, nullif(c.source, '') AS source, count(DISTINCT a.user_id) AS users
  FROM active_installations AS a
  LEFT JOIN came AS c ON c.service = a.service AND c.user_id = a.user_id
  WHERE a.user_kind = 'user'
  GROUP BY 1, 2, 3, 4
), totals AS ( -- a user has one source
  SELECT *, sum(users) OVER (PARTITION BY service, version) AS version_users FROM counted
)
SELECT service, version, version_rank, source, users, version_users, CAST(users AS double) / version_users AS share,
       0e0 + round(wilson_interval_lower(users, version_users, 1.96e0), 6) AS share_low, round(wilson_interval_upper(users, version_users, 1.96e0), 6) AS share_high,
       version_users < 30 AS is_small
FROM totals

-- Does a version keep its users? Rolling retention: known users by the first moment they ran it, and who of them was sighted in the
-- service n days later, or at any time after, whatever runs then. The view retention has the classic kind: on just that day.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- users: Known users who ever ran the version.
-- users_day_1: Of users, those who first ran it at least 1 day before the end of data.
-- retained_day_1: Of those, the ones sighted in the service 1 day after they first ran it, or later.
-- rolling_retention_day_1: retained_day_1 / users_day_1; NULL when there is nobody yet.
-- users_day_7: As users_day_1, for 7 days.
-- retained_day_7: As retained_day_1, for 7 days.
-- rolling_retention_day_7: retained_day_7 / users_day_7.
-- users_day_30: As users_day_1, for 30 days.
-- retained_day_30: As retained_day_1, for 30 days.
-- rolling_retention_day_30: retained_day_30 / users_day_30.
-- last_users: Of users, those whose last sighting in the service showed this version.
-- churned: Of last_users, those not sighted in the service in the last 30 days of data.
-- churn: churned / users: the part that stopped with this version.
WITH adopted AS (
  SELECT service, version, user_id, min(valid_from) AS since FROM version_intervals WHERE user_kind = 'user' GROUP BY 1, 2, 3
), latest AS (
  SELECT service, user_id, max(last_seen_at) AS last_seen_at, max_by(version, ROW(last_seen_at, valid_from, coalesce(device, ''))) AS version
  FROM version_intervals WHERE user_kind = 'user' GROUP BY 1, 2
), ended AS (
  SELECT max(last_seen_at) AS at FROM gold.users
), counted AS (
  SELECT a.service, a.version, count(*) AS users,
         count_if(a.since <= e.at - INTERVAL '1' DAY) AS users_day_1, count_if(l.last_seen_at >= a.since + INTERVAL '1' DAY) AS retained_day_1,
         count_if(a.since <= e.at - INTERVAL '7' DAY) AS users_day_7, count_if(l.last_seen_at >= a.since + INTERVAL '7' DAY) AS retained_day_7,
         count_if(a.since <= e.at - INTERVAL '30' DAY) AS users_day_30, count_if(l.last_seen_at >= a.since + INTERVAL '30' DAY) AS retained_day_30,
         count_if(l.version = a.version) AS last_users,
         count_if(l.version = a.version AND l.last_seen_at <= e.at - INTERVAL '30' DAY) AS churned
  FROM adopted AS a
  JOIN latest AS l ON l.service = a.service AND l.user_id = a.user_id
  CROSS JOIN ended AS e
  GROUP BY 1, 2
)
SELECT c.service, c.version, v.version_rank, c.users,
       c.users_day_1, c.retained_day_1, CAST(c.retained_day_1 AS double) / nullif(c.users_day_1, 0) AS rolling_retention_day_1,
       c.users_day_7, c.retained_day_7, CAST(c.retained_day_7 AS double) / nullif(c.users_day_7, 0) AS rolling_retention_day_7,
       c.users_day_30, c.retained_day_30, CAST(c.retained_day_30 AS double) / nullif(c.users_day_30, 0) AS rolling_retention_day_30,
       c.last_users, c.churned, CAST(c.churned AS double) / c.users AS churn
FROM counted AS c
JOIN versions AS v ON v.service = c.service AND v.version = c.version

-- What happened while a version ran? One row per version with an event of a known user, over all events.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- active_users: Known users with an event while they ran the version.
-- user_days: Days of UTC with such an event, summed over these users.
-- sessions: Sessions with such an event.
-- events: Events of the catalogue of these users while they ran the version.
-- features_used: Of events, those of features used.
-- issues: Of events, issues.
-- sessions_ended: Of events, the ends of sessions that tell a duration.
-- session_seconds: Sum of these durations in seconds.
WITH days AS ( -- users and sessions are made different apart: at once, Trino takes half as much again
  SELECT service, version, user_id, date(event_time) AS on_date, count(*) AS events, count_if(event_name = 'FeatureUsed') AS features_used,
         count_if(event_name = 'Issue') AS issues, count(duration_seconds) AS sessions_ended, sum(duration_seconds) AS session_seconds
  FROM events
  WHERE user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2, 3, 4
), of_users AS (
  SELECT service, version, count(DISTINCT user_id) AS active_users, count(*) AS user_days, sum(events) AS events,
         sum(features_used) AS features_used, sum(issues) AS issues, sum(sessions_ended) AS sessions_ended, sum(session_seconds) AS session_seconds
  FROM days
  GROUP BY 1, 2
), of_sessions AS (
  SELECT service, version, count(DISTINCT session_id) AS sessions FROM events WHERE user_kind = 'user' AND version IS NOT NULL GROUP BY 1, 2
)
SELECT u.service, u.version, v.version_rank, u.active_users, u.user_days, s.sessions, u.events, u.features_used, u.issues,
       u.sessions_ended, u.session_seconds
FROM of_users AS u
JOIN of_sessions AS s ON s.service = u.service AND s.version = u.version
JOIN versions AS v ON v.service = u.service AND v.version = u.version

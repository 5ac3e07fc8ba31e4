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
SELECT e.service, e.version, v.version_rank,
       count(DISTINCT e.user_id) AS active_users,
       count(DISTINCT ROW(e.user_id, date(e.event_time AT TIME ZONE 'UTC'))) AS user_days,
       count(DISTINCT e.session_id) AS sessions,
       count(*) AS events, count_if(e.event_name = 'FeatureUsed') AS features_used, count_if(e.event_name = 'Issue') AS issues,
       count(e.duration_seconds) AS sessions_ended, sum(e.duration_seconds) AS session_seconds
FROM events AS e
JOIN versions AS v ON v.service = e.service AND v.version = e.version
WHERE e.user_kind = 'user'
GROUP BY 1, 2, 3

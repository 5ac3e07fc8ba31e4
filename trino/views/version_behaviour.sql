-- Do users behave otherwise in a version? Length and contents of the sessions of known users, over all events.
-- Sessions are those of version_activity.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- sessions: Sessions of known users with an event while the version ran.
-- sessions_ended: Of their SessionEnd events, those that tell a duration.
-- mean_seconds: Mean of these durations, in seconds.
-- median_seconds: Their lower median.
-- p90_seconds: The smallest duration that 90 % of them do not exceed.
-- features_per_session: FeatureUsed events per session.
-- issues_per_session: Issue events per session.
WITH lengths AS (
  SELECT service, version, array_sort(array_agg(duration_seconds)) AS seconds
  FROM events
  WHERE duration_seconds IS NOT NULL AND user_kind = 'user'
  GROUP BY 1, 2
)
SELECT a.service, a.version, a.version_rank, a.sessions, a.sessions_ended, a.session_seconds / nullif(a.sessions_ended, 0) AS mean_seconds,
       element_at(l.seconds, (cardinality(l.seconds) + 1) / 2) AS median_seconds,
       element_at(l.seconds, (cardinality(l.seconds) * 9 + 9) / 10) AS p90_seconds,
       CAST(a.features_used AS double) / a.sessions AS features_per_session, CAST(a.issues AS double) / a.sessions AS issues_per_session
FROM version_activity AS a
LEFT JOIN lengths AS l ON l.service = a.service AND l.version = a.version

-- What happened while a version ran? One row per version with an event of a known user, over all events. Users
-- and sessions are told apart by 64 bits of a hash: among a million, two count as one with a chance of three in 100 million.
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
WITH happened AS ( -- told apart by hashes: by texts it takes three times the memory
  SELECT service, version, from_big_endian_64(xxhash64(to_utf8(service || chr(0) || version))) AS ran,
         from_big_endian_64(xxhash64(to_utf8(user_id))) AS who, from_big_endian_64(xxhash64(to_utf8(session_id))) AS session,
         CAST(floor(to_unixtime(event_time) / 86400) AS bigint) AS day, event_name, duration_seconds
  FROM events
  WHERE user_kind = 'user' AND version IS NOT NULL
), of_events AS (
  SELECT service, version, count(*) AS events, count_if(event_name = 'FeatureUsed') AS features_used, count_if(event_name = 'Issue') AS issues,
         count(duration_seconds) AS sessions_ended, sum(duration_seconds) AS session_seconds
  FROM happened GROUP BY 1, 2
), of_users AS (
  SELECT ran, count(DISTINCT who) AS active_users FROM happened GROUP BY 1
), of_days AS (
  SELECT ran, count(DISTINCT bitwise_xor(who, day)) AS user_days FROM happened GROUP BY 1
), of_sessions AS (
  SELECT ran, count(DISTINCT session) AS sessions FROM happened GROUP BY 1
)
SELECT e.service, e.version, v.version_rank, u.active_users, d.user_days, s.sessions, e.events, e.features_used, e.issues,
       e.sessions_ended, e.session_seconds
FROM of_events AS e
JOIN of_users AS u ON u.ran = from_big_endian_64(xxhash64(to_utf8(e.service || chr(0) || e.version)))
JOIN of_days AS d ON d.ran = u.ran
JOIN of_sessions AS s ON s.ran = u.ran
JOIN versions AS v ON v.service = e.service AND v.version = e.version

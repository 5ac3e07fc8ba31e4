-- How much is a version used? One row per version with an event of a known user, over all events. Its
-- counts are those of version_activity.
--
-- service: Service or product.
-- version: Version.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- active_users: Known users with an event while they ran the version.
-- days_per_user: Days of UTC with such an event, per active user.
-- sessions_per_user: Sessions with such an event, per active user.
-- features_per_user: FeatureUsed events while the version ran, per active user.
-- sessions_per_user_day: Sessions with such an event, per day of a user.
SELECT service, version, version_rank, active_users, CAST(user_days AS double) / active_users AS days_per_user,
       CAST(sessions AS double) / active_users AS sessions_per_user, CAST(features_used AS double) / active_users AS features_per_user,
       CAST(sessions AS double) / user_days AS sessions_per_user_day
FROM version_activity

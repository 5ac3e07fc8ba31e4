SELECT e.version, e.active_users, e.days_per_user, e.sessions_per_user, e.features_per_user,
r.rolling_retention_day_1, r.rolling_retention_day_7, r.churn FROM version_engagement AS e, version_retention AS r
WHERE r.service = e.service AND r.version = e.version AND e.service = '{service}'

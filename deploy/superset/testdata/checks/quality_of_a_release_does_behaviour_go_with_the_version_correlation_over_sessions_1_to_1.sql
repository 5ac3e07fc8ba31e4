SELECT service, sessions, rank_and_features, rank_and_issues, sessions_ended, rank_and_seconds
FROM version_correlations WHERE service = '{service}'

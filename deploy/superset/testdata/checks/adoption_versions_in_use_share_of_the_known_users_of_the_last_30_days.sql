SELECT version, users, share, users_7_days, users_1_day, installations, anonymous_sessions, last_seen_at FROM active_versions
WHERE service = '{service}'

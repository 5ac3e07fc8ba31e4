SELECT version, user_share_high, crash_free_user_share, user_share_low FROM crash_free
WHERE service = '{service}'

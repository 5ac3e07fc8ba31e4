SELECT version, code, issues, affected_users, active_users, affected_share, share_low, share_high, is_small
FROM new_issues WHERE service = '{service}'

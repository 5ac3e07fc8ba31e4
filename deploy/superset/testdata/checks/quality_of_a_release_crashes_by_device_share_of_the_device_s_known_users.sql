SELECT device, code, place, crashes, affected_users, active_users, affected_share, share_low, share_high, is_small
FROM crashes_by_device WHERE service = '{service}'

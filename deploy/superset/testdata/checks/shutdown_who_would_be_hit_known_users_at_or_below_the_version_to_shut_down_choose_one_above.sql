SELECT version, user_id, device, running_version, last_seen_at, has_newer FROM shutdown_users
WHERE service = '{service}' ORDER BY version_rank, user_id, device LIMIT 1000

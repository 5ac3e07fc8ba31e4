SELECT user_id, device, version, latest_version, releases_behind, reason, last_seen_at FROM stuck_users
WHERE service = '{service}' ORDER BY releases_behind DESC, user_id, device LIMIT 1000

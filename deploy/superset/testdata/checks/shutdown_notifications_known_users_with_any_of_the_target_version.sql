SELECT target_version, users, sent, shown, accepted, dismissed, failed, upgraded, upgraded_share,
median_hours_to_upgrade FROM notification_status WHERE service = '{service}'

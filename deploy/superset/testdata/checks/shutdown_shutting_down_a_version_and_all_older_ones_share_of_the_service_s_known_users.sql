SELECT version, share_at_or_below, share_without_newer FROM shutdown_impact
WHERE service = '{service}' AND all_devices

SELECT version, users, users_at_or_below, share_at_or_below, users_without_newer, share_without_newer,
installations_at_or_below FROM shutdown_impact WHERE service = '{service}' AND all_devices

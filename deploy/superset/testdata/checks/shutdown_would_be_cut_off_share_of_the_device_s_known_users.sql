SELECT device, version, share_without_newer FROM shutdown_impact
WHERE service = '{service}' AND NOT all_devices

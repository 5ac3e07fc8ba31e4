SELECT device, version, users FROM version_device_distribution WHERE service = '{service}'

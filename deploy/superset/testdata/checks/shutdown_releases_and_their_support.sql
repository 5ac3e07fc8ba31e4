SELECT version, channel, released_at, is_told, is_current, releases_behind, minimum_supported, end_of_support,
is_supported FROM releases WHERE service = '{service}'

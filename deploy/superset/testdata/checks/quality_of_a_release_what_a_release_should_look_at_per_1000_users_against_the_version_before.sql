SELECT version, previous_version, kind, name, users, per_thousand_users, previous_per_thousand_users, change
FROM release_focus WHERE service = '{service}'

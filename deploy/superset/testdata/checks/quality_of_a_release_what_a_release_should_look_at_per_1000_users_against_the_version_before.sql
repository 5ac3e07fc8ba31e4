SELECT version, previous_version, kind, name, users, per_thousand_users, per_thousand_users_low, per_thousand_users_high,
  previous_per_thousand_users, change, is_small
FROM release_focus WHERE service = '{service}'

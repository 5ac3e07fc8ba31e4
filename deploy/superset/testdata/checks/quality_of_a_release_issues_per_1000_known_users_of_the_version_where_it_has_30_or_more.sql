SELECT version, per_thousand_users_high, issues_per_thousand_users, per_thousand_users_low FROM issues_by_version WHERE service = '{service}' AND active_users >= 30

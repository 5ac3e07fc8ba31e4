SELECT version, issues_per_thousand_users FROM issues_by_version WHERE service = '{service}'

SELECT version, reason, count(*) FROM stuck_users WHERE service = '{service}' GROUP BY 1, 2

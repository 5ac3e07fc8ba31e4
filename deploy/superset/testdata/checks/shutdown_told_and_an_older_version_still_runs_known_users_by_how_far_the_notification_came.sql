SELECT state, count(DISTINCT user_id) FROM notification_users WHERE service = '{service}' AND runs_older
GROUP BY 1

SELECT CASE state WHEN 'sent' THEN '1 sent' WHEN 'shown' THEN '2 shown' WHEN 'failed' THEN '3 failed' WHEN 'dismissed' THEN '4 dismissed'
  WHEN 'accepted' THEN '5 accepted' ELSE '0 other' END, count(DISTINCT user_id) FROM notification_users WHERE service = '{service}' AND runs_older
GROUP BY 1

SELECT target_version, CAST(stage AS varchar) || ' ' || stage_name, users FROM notification_funnel
WHERE service = '{service}'

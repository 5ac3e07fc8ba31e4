SELECT CAST(t.date_utc AS varchar) || IF(c.is_final = false, '*', ''), coalesce(t.device, 'no device'), IF(t.users >= 30 * t.share, t.share)
FROM device_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc WHERE t.service = '{service}'

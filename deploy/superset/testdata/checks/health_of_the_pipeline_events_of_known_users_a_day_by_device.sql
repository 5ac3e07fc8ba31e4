SELECT CAST(t.date_utc AS varchar) || IF(c.is_final = false, '*', ''),
  IF(d.place < 7 OR d.devices < 8, coalesce(t.device, 'no device'), format('other (%d)', d.devices - 6)), sum(t.events)
FROM device_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc
JOIN (SELECT device, count(*) OVER () AS devices, count(*) OVER (ORDER BY sum(users) DESC, device) AS place
  FROM device_trend WHERE service = '{service}' GROUP BY device) AS d ON coalesce(d.device, '') = coalesce(t.device, '')
WHERE t.service = '{service}' GROUP BY 1, 2

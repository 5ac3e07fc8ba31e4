SELECT CAST(t.date_utc AS varchar) || IF(c.is_final = false, '*', ''),
  CASE WHEN t.version IS NULL THEN 'unknown' WHEN v.version_rank IS NULL THEN 'no order'
  WHEN v.version_rank > m.newest - 8 THEN t.version
  ELSE 'older (' || CAST((SELECT count(*) FROM versions AS o WHERE o.service = '{service}'
    AND o.version_rank <= (SELECT max(version_rank) FROM versions WHERE service = '{service}') - 8) AS varchar) || ')' END, IF(sum(t.version_users) >= 30, 1e3 * sum(t.issues) / sum(t.version_users))
FROM version_trend AS t LEFT JOIN completeness AS c ON c.date_utc = t.date_utc
LEFT JOIN versions AS v ON v.service = t.service AND v.version = t.version
CROSS JOIN (SELECT max(version_rank) AS newest FROM versions WHERE service = '{service}') AS m
WHERE t.service = '{service}' AND v.version_rank > m.newest - 8 GROUP BY 1, 2

SELECT day, version, CAST(sum(retained) AS double) / sum(users) FROM retention
WHERE service = '{service}' AND version_rank > (SELECT max(version_rank) - 8 FROM versions WHERE service = '{service}') GROUP BY 1, 2 HAVING sum(users) >= 30

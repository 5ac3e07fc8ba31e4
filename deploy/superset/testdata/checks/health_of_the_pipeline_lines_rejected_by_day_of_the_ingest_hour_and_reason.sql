SELECT CAST(date(hour_utc) AS varchar), reason, sum(rejects) FROM rejects_by_reason GROUP BY 1, 2

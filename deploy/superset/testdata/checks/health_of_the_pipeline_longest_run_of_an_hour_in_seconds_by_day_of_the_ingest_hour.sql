SELECT CAST(date(hour_utc) AS varchar), max(to_unixtime(finished_at) - to_unixtime(started_at))
FROM ingest_hours GROUP BY 1

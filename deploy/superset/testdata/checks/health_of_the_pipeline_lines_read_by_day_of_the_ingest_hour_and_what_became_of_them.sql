SELECT CAST(date(hour_utc) AS varchar), sum(events), sum(rejects), sum(blanks), sum(erased) FROM ingest_hours
GROUP BY 1

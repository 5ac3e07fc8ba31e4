SELECT date_format(max(hour_utc), '%Y-%m-%d %H:00') FROM ingest_hours

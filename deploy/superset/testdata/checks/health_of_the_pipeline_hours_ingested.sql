SELECT count(*) FROM ingest_hours

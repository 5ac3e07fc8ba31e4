SELECT count(*) FROM ingest_hours WHERE state = 'degraded'

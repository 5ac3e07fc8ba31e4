SELECT sum(lines) - sum(events) - sum(rejects) - sum(blanks) - sum(erased) FROM ingest_hours

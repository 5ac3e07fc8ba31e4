-- How many lines were rejected, by hour and reason. The lines themselves are in bronze.rejects.
--
-- hour_utc: The ingest hour: its first moment, UTC.
-- reason: Reason code of docs/EVENTS.md.
-- rejects: Lines rejected for it.
-- files: Files in which they lie.
SELECT CAST(from_unixtime(to_unixtime(p_ingest_date_utc) + 3600 * p_ingest_hour_utc, 'UTC') AS timestamp(6) with time zone) AS hour_utc,
       reason, count(*) AS rejects, count(DISTINCT file_name) AS files
FROM bronze.rejects
GROUP BY p_ingest_date_utc, p_ingest_hour_utc, reason

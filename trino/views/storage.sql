-- What do the tables hold, in the warehouse? One row per table: what its newest snapshot has, without what older snapshots keep.
-- `versionlake cost` says also what those keep, and what all of it costs.
--
-- layer: bronze, silver, gold or ops.
-- table_name: Name of the table in its layer.
-- files: Data files.
-- rows: Rows in them.
-- bytes: Bytes of them, compressed.
SELECT layer, table_name, count(*) AS files, sum(record_count) AS rows, sum(file_size_in_bytes) AS bytes
FROM (
  SELECT 'bronze' AS layer, 'events' AS table_name, record_count, file_size_in_bytes, content FROM bronze."events$files"
  UNION ALL SELECT 'bronze' AS layer, 'rejects' AS table_name, record_count, file_size_in_bytes, content FROM bronze."rejects$files"
  UNION ALL SELECT 'silver' AS layer, 'events' AS table_name, record_count, file_size_in_bytes, content FROM silver."events$files"
  UNION ALL SELECT 'silver' AS layer, 'sightings' AS table_name, record_count, file_size_in_bytes, content FROM silver."sightings$files"
  UNION ALL SELECT 'silver' AS layer, 'bindings' AS table_name, record_count, file_size_in_bytes, content FROM silver."bindings$files"
  UNION ALL SELECT 'gold' AS layer, 'users' AS table_name, record_count, file_size_in_bytes, content FROM gold."users$files"
  UNION ALL SELECT 'gold' AS layer, 'versions' AS table_name, record_count, file_size_in_bytes, content FROM gold."versions$files"
  UNION ALL SELECT 'gold' AS layer, 'events' AS table_name, record_count, file_size_in_bytes, content FROM gold."events$files"
  UNION ALL SELECT 'gold' AS layer, 'version_daily' AS table_name, record_count, file_size_in_bytes, content FROM gold."version_daily$files"
  UNION ALL SELECT 'gold' AS layer, 'event_daily' AS table_name, record_count, file_size_in_bytes, content FROM gold."event_daily$files"
  UNION ALL SELECT 'ops' AS layer, 'hours' AS table_name, record_count, file_size_in_bytes, content FROM ops."hours$files"
  UNION ALL SELECT 'ops' AS layer, 'files' AS table_name, record_count, file_size_in_bytes, content FROM ops."files$files"
  UNION ALL SELECT 'ops' AS layer, 'findings' AS table_name, record_count, file_size_in_bytes, content FROM ops."findings$files"
  UNION ALL SELECT 'ops' AS layer, 'checks' AS table_name, record_count, file_size_in_bytes, content FROM ops."checks$files"
  UNION ALL SELECT 'ops' AS layer, 'erasures' AS table_name, record_count, file_size_in_bytes, content FROM ops."erasures$files"
  UNION ALL SELECT 'ops' AS layer, 'releases' AS table_name, record_count, file_size_in_bytes, content FROM ops."releases$files"
)
WHERE content = 0 -- of the files, the data: another engine may leave files of deletions
GROUP BY layer, table_name

-- What stands behind an interval? One row per interval and line of telemetry that it was made of: its sightings, and the lines that told whose the
-- session was and on which device it ran. Ask it for one user; analysts may not. The lines' texts and what earlier tags said: versionlake why.
--
-- user_id: Whose the interval is, as in version_intervals.
-- service: Service or product of the interval.
-- device: Device of the interval; NULL where nothing names it.
-- version: Version of the interval.
-- valid_from: Begin of the interval, UTC: with user, service and device it tells which one.
-- valid_to: End of the interval, UTC; NULL while it is in effect.
-- says: What the line is here: sighting (it ran the version); user or device (it told those of its session); nobody (from it on, the session was nobody's).
-- event_time: When the line's event happened, by the client's clock, UTC.
-- session_id: Session of the line, NULL where it has none.
-- file_name: File that the line lies in.
-- line_number: Line in the file, from 1.
-- hour_utc: Ingest hour of the file: its first moment, UTC.
-- run_id: Run that first read this version of the file; NULL where the ledger does not tell.
-- sightings: Sightings of the interval that take their user, or their device, from the line; 1 of a sighting.
WITH sessions AS (
  SELECT IF(starts_with(user_id, 'session:') OR starts_with(user_id, 'user:'), 'user:' || user_id, user_id) AS user_id, session_key, session_id
  FROM silver.sightings
  WHERE user_id IS NOT NULL AND session_id IS NOT NULL
  UNION
  SELECT IF(starts_with(value, 'session:') OR starts_with(value, 'user:'), 'user:' || value, value), session_key, session_id
  FROM silver.bindings
  WHERE kind = 'user' AND value IS NOT NULL
  UNION
  SELECT user_id, from_big_endian_64(xxhash64(to_utf8(substr(user_id, 9)))), substr(user_id, 9)
  FROM gold.users
  WHERE user_kind = 'session'
), lines AS (
  SELECT session_key, session_id, 'sighting' AS says, user_id AS named, service_name, device, version, event_timestamp_utc AS event_time,
         transaction_number, file_name, line_number, p_ingest_date_utc, p_ingest_hour_utc
  FROM silver.sightings
  UNION ALL
  SELECT session_key, session_id, kind, value, NULL, NULL, NULL, event_timestamp_utc, transaction_number, file_name, line_number, p_ingest_date_utc,
         p_ingest_hour_utc
  FROM silver.bindings
), told AS (
  SELECT s.user_id, l.*,
         max(IF(l.says = 'user', ROW(l.event_time, l.transaction_number, l.file_name, l.line_number, l.p_ingest_date_utc, l.p_ingest_hour_utc,
                                     coalesce(l.named, ''), l.named IS NULL))) OVER up_to AS user_before,
         min(IF(l.says = 'user' AND l.named IS NOT NULL,
                ROW(l.event_time, l.transaction_number, l.file_name, l.line_number, l.p_ingest_date_utc, l.p_ingest_hour_utc,
                    l.named, false))) OVER from_there AS user_after,
         max(IF(l.says = 'device', ROW(l.event_time, l.transaction_number, l.file_name, l.line_number, l.p_ingest_date_utc, l.p_ingest_hour_utc,
                                       l.named, false))) OVER up_to AS device_before,
         min(IF(l.says = 'device', ROW(l.event_time, l.transaction_number, l.file_name, l.line_number, l.p_ingest_date_utc, l.p_ingest_hour_utc,
                                       l.named, false))) OVER from_there AS device_after
  FROM lines AS l
  JOIN sessions AS s ON s.session_key = l.session_key AND s.session_id = l.session_id
  WINDOW up_to AS (PARTITION BY s.user_id, l.session_key, l.session_id ORDER BY l.event_time),
         from_there AS (PARTITION BY s.user_id, l.session_key, l.session_id ORDER BY l.event_time DESC)
), sighted AS (
  SELECT user_id, session_id, named, service_name, device, version, event_time, file_name, line_number, p_ingest_date_utc, p_ingest_hour_utc,
         IF(named IS NULL, coalesce(IF(user_before[1] >= event_time - INTERVAL '1' DAY, user_before),
                                    IF(user_after[1] <= event_time + INTERVAL '1' DAY, user_after))) AS told_user,
         IF(device IS NULL, coalesce(IF(device_before[1] >= event_time - INTERVAL '1' DAY, device_before),
                                     IF(device_after[1] <= event_time + INTERVAL '1' DAY, device_after))) AS told_device
  FROM told
  WHERE says = 'sighting'
  UNION ALL
  SELECT IF(starts_with(user_id, 'session:') OR starts_with(user_id, 'user:'), 'user:' || user_id, user_id), NULL, user_id, service_name, device,
         version, event_timestamp_utc, file_name, line_number, p_ingest_date_utc, p_ingest_hour_utc, NULL, NULL
  FROM silver.sightings
  WHERE session_id IS NULL
), behind AS (
  SELECT i.user_id, i.service, i.device, i.version, i.valid_from, i.valid_to, s.session_id, l.*
  FROM (
    SELECT *, CASE WHEN named IS NOT NULL THEN named WHEN NOT told_user[8] THEN told_user[7] END AS whose
    FROM sighted
  ) AS s
  JOIN version_intervals AS i ON i.user_id = s.user_id AND i.service = s.service_name AND i.version = s.version
    AND coalesce(i.device, '') = coalesce(s.device, s.told_device[7], '') AND s.event_time BETWEEN i.valid_from AND i.last_seen_at
  CROSS JOIN UNNEST(ARRAY[
    ROW('sighting', s.event_time, s.file_name, s.line_number, s.p_ingest_date_utc, s.p_ingest_hour_utc),
    IF(s.told_user IS NOT NULL,
       ROW(IF(s.told_user[8], 'nobody', 'user'), s.told_user[1], s.told_user[3], s.told_user[4], s.told_user[5], s.told_user[6])),
    IF(s.told_device IS NOT NULL,
       ROW('device', s.told_device[1], s.told_device[3], s.told_device[4], s.told_device[5], s.told_device[6]))
  ]) AS l (says, event_time, file_name, line_number, p_ingest_date_utc, p_ingest_hour_utc)
  WHERE l.says IS NOT NULL
    AND s.user_id = CASE WHEN s.whose IS NULL THEN 'session:' || s.session_id
                         WHEN starts_with(s.whose, 'session:') OR starts_with(s.whose, 'user:') THEN 'user:' || s.whose ELSE s.whose END
)
SELECT b.user_id, b.service, b.device, b.version, b.valid_from, b.valid_to, b.says, b.event_time, b.session_id, b.file_name, b.line_number,
       CAST(from_unixtime(to_unixtime(b.p_ingest_date_utc) + 3600 * b.p_ingest_hour_utc, 'UTC') AS timestamp(6) with time zone) AS hour_utc,
       f.run_id, b.sightings
FROM (
  SELECT user_id, service, device, version, valid_from, valid_to, says, event_time, session_id, file_name, line_number, p_ingest_date_utc,
         p_ingest_hour_utc, count(*) AS sightings
  FROM behind
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
) AS b
LEFT JOIN (
  SELECT p_ingest_date_utc, p_ingest_hour_utc, file_name, max(run_id) AS run_id
  FROM ops.files
  WHERE state IN ('read', 'bad', 'gone')
  GROUP BY 1, 2, 3
) AS f ON f.p_ingest_date_utc = b.p_ingest_date_utc AND f.p_ingest_hour_utc = b.p_ingest_hour_utc AND f.file_name = b.file_name

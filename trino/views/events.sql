-- One row per event of the catalogue, with the user, device and version that it belongs to. Times are UTC.
--
-- event_time: When the event happened, by the client's clock, UTC.
-- event_name: Event of the catalogue: SoftwareVersion, Notification, FeatureUsed, Issue, …
-- session_id: Session, NULL where the event has none: its session id was a placeholder.
-- user_id: Whose the event is, as in users; session:<session id> while nobody is known.
-- user_kind: user (known) or session (nobody is known to own it).
-- service: Service or product.
-- device: Device, NULL where nothing of the session names it.
-- version: Version that was running, NULL where no sighting of the session tells within 24 hours.
-- target_version: Notification: version that the user was told of.
-- status: Notification: Sent, Shown, Accepted, Dismissed, Failed.
-- duration_seconds: SessionEnd: length of the session in seconds, NULL where it is not a number from 0 to 31 days.
-- feature: FeatureUsed: feature.
-- code: Issue: code.
-- severity: Issue: severity.
-- message: Issue: message.
-- source: Install: source of the installation.
-- campaign: Install: campaign.
-- experiment: Experiment: experiment.
-- variant: Experiment: variant.
WITH bindings AS ( -- what binds a session at a moment; the row without one stands for the time before all of them
  -- A user of NULL is an ending, and '' here: the session is nobody's from there on. Of one line, it comes last.
  SELECT session_id, event_timestamp_utc AS at,
         min_by(value, ROW(transaction_number, file_name, line_number)) FILTER (WHERE kind = 'user' AND value IS NOT NULL) AS first_user,
         max_by(coalesce(value, ''), ROW(transaction_number, file_name, line_number, value IS NULL)) FILTER (WHERE kind = 'user') AS last_user,
         min_by(value, ROW(transaction_number, file_name, line_number)) FILTER (WHERE kind = 'device') AS first_device,
         max_by(value, ROW(transaction_number, file_name, line_number)) FILTER (WHERE kind = 'device') AS last_device
  FROM silver.bindings
  GROUP BY GROUPING SETS ((session_id, event_timestamp_utc), (session_id))
), bound AS ( -- what a session is bound to from a moment to before the next one: by what was said last, and by what is said next
  SELECT session_id, at AS since, lead(at) OVER in_order AS until,
         last_value(IF(last_user IS NOT NULL, at)) IGNORE NULLS OVER so_far AS user_before_at,
         last_value(IF(at IS NOT NULL, last_user)) IGNORE NULLS OVER so_far AS user_before,
         first_value(IF(first_user IS NOT NULL, at)) IGNORE NULLS OVER following AS user_after_at,
         first_value(IF(at IS NOT NULL, first_user)) IGNORE NULLS OVER following AS user_after,
         last_value(IF(last_device IS NOT NULL, at)) IGNORE NULLS OVER so_far AS device_before_at,
         last_value(IF(at IS NOT NULL, last_device)) IGNORE NULLS OVER so_far AS device_before,
         first_value(IF(first_device IS NOT NULL, at)) IGNORE NULLS OVER following AS device_after_at,
         first_value(IF(at IS NOT NULL, first_device)) IGNORE NULLS OVER following AS device_after
  FROM bindings
  WINDOW in_order AS (PARTITION BY session_id ORDER BY at NULLS FIRST),
         so_far AS (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
         following AS (in_order ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
), sightings AS ( -- likewise, the sightings of a session in a service
  SELECT session_id, service_name, at,
         min_by(ROW(version, device), place) AS first_sighting, max_by(ROW(version, device), place) AS last_sighting
  FROM (
    SELECT s.session_id, s.service_name, s.event_timestamp_utc AS at, s.version, ROW(s.transaction_number, s.file_name, s.line_number) AS place,
           coalesce(s.device, IF(b.device_before_at >= s.event_timestamp_utc - INTERVAL '1' DAY, b.device_before),
             IF(b.device_after_at <= s.event_timestamp_utc + INTERVAL '1' DAY, b.device_after), '') AS device
    FROM silver.sightings AS s
    LEFT JOIN bound AS b ON b.session_id = s.session_id
      AND (b.since IS NULL OR b.since <= s.event_timestamp_utc) AND (b.until IS NULL OR s.event_timestamp_utc < b.until)
  )
  GROUP BY GROUPING SETS ((session_id, service_name, at), (session_id, service_name))
), sighted AS (
  SELECT session_id, service_name, at AS since, lead(at) OVER in_order AS until,
         IF(at IS NOT NULL, last_sighting) AS sighting_before, lead(first_sighting) OVER in_order AS sighting_after
  FROM sightings
  WINDOW in_order AS (PARTITION BY session_id, service_name ORDER BY at NULLS FIRST)
), named AS (
  SELECT e.*, e.event_timestamp_utc AS at,
         coalesce(e.user_id, nullif(coalesce(IF(b.user_before_at >= e.event_timestamp_utc - INTERVAL '1' DAY, b.user_before),
           IF(b.user_after_at <= e.event_timestamp_utc + INTERVAL '1' DAY, b.user_after)), '')) AS known_user,
         coalesce(e.device, IF(b.device_before_at >= e.event_timestamp_utc - INTERVAL '1' DAY, b.device_before),
           IF(b.device_after_at <= e.event_timestamp_utc + INTERVAL '1' DAY, b.device_after)) AS known_device,
         coalesce(IF(s.since >= e.event_timestamp_utc - INTERVAL '1' DAY, s.sighting_before),
           IF(s.until <= e.event_timestamp_utc + INTERVAL '1' DAY, s.sighting_after)) AS sighting
  FROM silver.events AS e
  LEFT JOIN bound AS b ON b.session_id = e.session_id
    AND (b.since IS NULL OR b.since <= e.event_timestamp_utc) AND (b.until IS NULL OR e.event_timestamp_utc < b.until)
  LEFT JOIN sighted AS s ON s.session_id = e.session_id AND s.service_name = e.service_name
    AND (s.since IS NULL OR s.since <= e.event_timestamp_utc) AND (s.until IS NULL OR e.event_timestamp_utc < s.until)
)
SELECT at AS event_time, event_name, session_id,
       CASE WHEN known_user IS NULL THEN 'session:' || session_id
            WHEN starts_with(known_user, 'session:') OR starts_with(known_user, 'user:') THEN 'user:' || known_user
            ELSE known_user END AS user_id,
       IF(known_user IS NULL, 'session', 'user') AS user_kind,
       service_name AS service,
       nullif(coalesce(known_device, IF(event_name <> 'SoftwareVersion' OR version IS NULL, sighting[2])), '') AS device,
       coalesce(version, sighting[1]) AS version,
       target_version, status,
       IF(event_name = 'SessionEnd' AND try_cast(duration AS double) BETWEEN 0 AND 31 * 86400, try_cast(duration AS double)) AS duration_seconds,
       feature, code, severity, message, source, campaign, experiment, variant
FROM named

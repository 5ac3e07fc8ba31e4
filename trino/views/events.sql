-- One row per event of the catalogue, with the user, device and version that it belongs to. Times are UTC.
--
-- event_time: When the event happened, by the client's clock, UTC.
-- event_name: Event of the catalogue: SoftwareVersion, Notification, FeatureUsed, Issue, …
-- session_id: Session.
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
WITH told AS ( -- the events, and among them what binds their sessions
  SELECT session_id, event_timestamp_utc AS at, 1 AS asks, transaction_number, file_name, line_number,
         NULL AS bound_user, NULL AS bound_user_at, NULL AS bound_device, NULL AS bound_device_at,
         event_name, service_name, user_id, device, version, target_version, status, duration,
         feature, code, severity, message, source, campaign, experiment, variant
  FROM silver.events
  UNION ALL
  SELECT session_id, event_timestamp_utc, 0, transaction_number, file_name, line_number,
         IF(kind = 'user', value), IF(kind = 'user', event_timestamp_utc), IF(kind = 'device', value), IF(kind = 'device', event_timestamp_utc),
         NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM silver.bindings
), bound AS (
  SELECT *,
         last_value(bound_user) IGNORE NULLS OVER until AS user_before, last_value(bound_user_at) IGNORE NULLS OVER until AS user_before_at,
         first_value(bound_user) IGNORE NULLS OVER since AS user_after, first_value(bound_user_at) IGNORE NULLS OVER since AS user_after_at,
         last_value(bound_device) IGNORE NULLS OVER until AS device_before, last_value(bound_device_at) IGNORE NULLS OVER until AS device_before_at,
         first_value(bound_device) IGNORE NULLS OVER since AS device_after, first_value(bound_device_at) IGNORE NULLS OVER since AS device_after_at
  FROM told
  WINDOW in_order AS (PARTITION BY session_id ORDER BY at, asks, transaction_number, file_name, line_number),
         until AS (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
         since AS (in_order ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), named AS (
  SELECT *,
         coalesce(user_id, IF(user_before_at >= at - INTERVAL '1' DAY, user_before), IF(user_after_at <= at + INTERVAL '1' DAY, user_after)) AS known_user,
         coalesce(device, IF(device_before_at >= at - INTERVAL '1' DAY, device_before), IF(device_after_at <= at + INTERVAL '1' DAY, device_after)) AS known_device,
         event_name = 'SoftwareVersion' AND version IS NOT NULL AS is_sighting
  FROM bound
  WHERE asks = 1
), sighted AS ( -- the sightings of the session around
  SELECT *,
         last_value(IF(is_sighting, at)) IGNORE NULLS OVER until AS before_at, first_value(IF(is_sighting, at)) IGNORE NULLS OVER since AS after_at,
         last_value(IF(is_sighting, version)) IGNORE NULLS OVER until AS version_before,
         first_value(IF(is_sighting, version)) IGNORE NULLS OVER since AS version_after,
         last_value(IF(is_sighting, coalesce(known_device, ''))) IGNORE NULLS OVER until AS sighted_before,
         first_value(IF(is_sighting, coalesce(known_device, ''))) IGNORE NULLS OVER since AS sighted_after
  FROM named
  WINDOW in_order AS (PARTITION BY session_id, service_name ORDER BY at, IF(is_sighting, 0, 1), transaction_number, file_name, line_number),
         until AS (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
         since AS (in_order ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
)
SELECT at AS event_time, event_name, session_id,
       CASE WHEN known_user IS NULL THEN 'session:' || session_id
            WHEN starts_with(known_user, 'session:') OR starts_with(known_user, 'user:') THEN 'user:' || known_user
            ELSE known_user END AS user_id,
       IF(known_user IS NULL, 'session', 'user') AS user_kind,
       service_name AS service,
       nullif(coalesce(known_device, IF(is_sighting, NULL, coalesce(
         IF(before_at >= at - INTERVAL '1' DAY, sighted_before), IF(after_at <= at + INTERVAL '1' DAY, sighted_after)))), '') AS device,
       coalesce(version, IF(before_at >= at - INTERVAL '1' DAY, version_before), IF(after_at <= at + INTERVAL '1' DAY, version_after)) AS version,
       target_version, status,
       IF(event_name = 'SessionEnd' AND try_cast(duration AS double) BETWEEN 0 AND 31 * 86400, try_cast(duration AS double)) AS duration_seconds,
       feature, code, severity, message, source, campaign, experiment, variant
FROM sighted

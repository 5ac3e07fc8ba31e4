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
-- sample_id: 0 to 99, by the user id alone, as in users: sample_id < 10 are the events of a tenth of all users.
SELECT event_time, event_name, session_id, user_id, user_kind, service, device, version, target_version, status, duration_seconds,
       feature, code, severity, message, source, campaign, experiment, variant,
       mod(crc32(to_utf8(user_id)), 100) AS sample_id
FROM gold.events

-- One row per interval: a version in effect in one installation (user, service, device), from valid_from to before valid_until.
--
-- user_id: User id, or session:<session id> while nobody is known.
-- user_kind: user or session.
-- service: Service or product.
-- device: Device; NULL where nothing names it.
-- version: Version in effect, as telemetry spells it.
-- valid_from: First sighting of the version, UTC, inclusive.
-- valid_to: First sighting of the next version, UTC, exclusive; NULL while it is in effect.
-- valid_until: As valid_to, but 9999-12-31 while it is in effect: valid_from <= t AND t < valid_until is what held at t.
-- last_seen_at: Last sighting of the version in this interval, UTC.
-- sightings: Sightings in this interval.
-- is_downgrade: Whether the version is older than the one that the installation ran before it, false for the first; NULL: the two are not comparable.
SELECT u.user_id, u.user_kind, h.service, h.device, h.version, h.valid_from, h.valid_to,
       coalesce(h.valid_to, TIMESTAMP '9999-12-31 00:00:00.000000 UTC') AS valid_until,
       h.last_seen_at, h.sightings, h.is_downgrade
FROM gold.users AS u
CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)

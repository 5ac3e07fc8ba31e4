-- One row per user: who, since when, and what runs now. The history is in version_intervals.
--
-- user_id: User id, or session:<session id> while nobody is known.
-- user_kind: user or session.
-- first_seen_at: First sighting, UTC.
-- last_seen_at: Last sighting, UTC.
-- current_service: Service of the interval that began last.
-- current_device: Device of that interval; NULL where nothing names it.
-- current_version: Version of that interval.
-- current_since: Begin of that interval, UTC.
-- previous_version: Version before it in the same installation; NULL where it is the first.
-- version_count: Different (service, version) pairs in the history.
-- sample_id: 0 to 99, by the user id alone: sample_id = 7 is a fair hundredth of all users, the same ones in every view and at every time.
SELECT user_id, user_kind, first_seen_at, last_seen_at, current_service, current_device, current_version, current_since,
       previous_version, version_count, mod(crc32(to_utf8(user_id)), 100) AS sample_id
FROM gold.users

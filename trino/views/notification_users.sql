-- What became of a notification, user by user? One row per known user with any notification of a target version, over all events: such as who dismissed
-- it and still runs an older version.
--
-- service: Service or product.
-- target_version: Version that the user was told of.
-- target_version_rank: Place of it among those of its service, 1 is the oldest; NULL: nobody was ever sighted with it.
-- user_id: User id.
-- told_at: First such notification, UTC.
-- last_at: Last one, UTC.
-- state: The furthest that any of them came: accepted, dismissed, failed, shown, sent, in this order; else other.
-- upgraded_at: First interval of the target version that begins at told_at or later, UTC; NULL: none.
-- runs_older: Whether an active installation of the user in the service runs an older version, by the order of versions.
-- oldest_running: The oldest such version; NULL: none.
WITH told AS (
  SELECT user_id, service, target_version, min(event_time) AS told_at, max(event_time) AS last_at,
         max(CASE status WHEN 'Accepted' THEN 5 WHEN 'Dismissed' THEN 4 WHEN 'Failed' THEN 3 WHEN 'Shown' THEN 2 WHEN 'Sent' THEN 1 ELSE 0 END) AS state
  FROM events
  WHERE event_name = 'Notification' AND user_kind = 'user' AND target_version IS NOT NULL
  GROUP BY 1, 2, 3
), followed AS (
  SELECT t.user_id, t.service, t.target_version, t.told_at, t.last_at, t.state, min(i.valid_from) AS upgraded_at
  FROM told AS t
  LEFT JOIN version_intervals AS i
    ON i.user_id = t.user_id AND i.service = t.service AND i.version = t.target_version AND i.valid_from >= t.told_at
  GROUP BY 1, 2, 3, 4, 5, 6
), running AS (
  SELECT a.user_id, a.service, a.version, a.version_rank, v.version_class
  FROM active_installations AS a
  JOIN versions AS v ON v.service = a.service AND v.version = a.version
), older AS (
  SELECT f.user_id, f.service, f.target_version, min_by(r.version, ROW(r.version_rank, r.version)) AS version
  FROM followed AS f
  JOIN versions AS v ON v.service = f.service AND v.version = f.target_version
  JOIN running AS r ON r.user_id = f.user_id AND r.service = f.service AND r.version_class = v.version_class AND r.version_rank < v.version_rank
  GROUP BY 1, 2, 3
)
SELECT f.service, f.target_version, v.version_rank AS target_version_rank, f.user_id, f.told_at, f.last_at,
       element_at(ARRAY['other', 'sent', 'shown', 'failed', 'dismissed', 'accepted'], f.state + 1) AS state, f.upgraded_at,
       o.version IS NOT NULL AS runs_older, o.version AS oldest_running
FROM followed AS f
LEFT JOIN versions AS v ON v.service = f.service AND v.version = f.target_version
LEFT JOIN older AS o ON o.user_id = f.user_id AND o.service = f.service AND o.target_version = f.target_version

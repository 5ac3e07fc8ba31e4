SELECT s.version, s.released_at, (SELECT max(days_since_previous) FROM release_cadence AS c
WHERE c.service = s.service AND c.version = s.version), s.days_to_10, s.days_to_50, s.days_to_90, s.ceiling, s.share_now,
s.base_users_now, (SELECT max(share_before_next) FROM release_cadence AS c WHERE c.service = s.service AND c.version = s.version)
FROM uptake_summary AS s WHERE s.service = '{service}'
